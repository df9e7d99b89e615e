"""Worker processes: what reaches the screen, and what comes back of an exception."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from milepost import Task, TaskRunnerBuilder
from milepost.executors.processes import ProcessesExecutor


def test_lines_of_two_tasks_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # as in many containers: `print` would send each word by itself
    runner = TaskRunnerBuilder().with_executor(ProcessesExecutor(1)).build()
    results = runner.run([Task("a", buffering)])
    runner.close()
    assert results["a"].data == {"stdout": (True, False), "stderr": (True, False)}


def buffering() -> dict[str, tuple[bool, bool]]:
    """Whether a stream sends a line once it is whole, and whether it sends all at once."""
    streams: dict[str, Any] = {"stdout": sys.stdout, "stderr": sys.stderr}
    return {name: (stream.line_buffering, stream.write_through) for name, stream in streams.items()}


def test_an_exception_by_value_keeps_the_file_of_its_code() -> None:
    class Own(Exception):
        def hint(self) -> str:
            return "its own"

    def fails() -> None:
        raise Own

    runner = TaskRunnerBuilder().with_executor(ProcessesExecutor(1)).build()
    error: Any = runner.run([Task("a", fails)])["a"].exception
    runner.close()
    assert error.hint() == "its own"
    assert error.hint.__code__.co_filename == __file__
