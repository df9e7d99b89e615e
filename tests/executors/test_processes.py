"""Worker processes: what reaches the screen."""

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
