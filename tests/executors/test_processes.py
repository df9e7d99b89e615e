"""Worker processes: what reaches the screen, and what comes back of an exception."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
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


@pytest.mark.parametrize("body", ["body", "Body().call", "partial(body)", "lambda: Body()"])
def test_a_run_that_an_import_starts_is_told_to_wait_for_the_end_of_it(body: str, tmp_path: Path) -> None:
    """Else the import would wait for the run, and the run for the import."""
    (tmp_path / "study.py").write_text(STUDY.format(body=body))
    command = [sys.executable, "-c", "from study import results; print(results['a'].message)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    assert "task 'a': its module 'study' is still being imported, so it cannot be pickled" in done.stdout
    assert 'put what starts the run under: if __name__ == "__main__"' in done.stdout


STUDY = """
from functools import partial
from milepost import Task, TaskRunnerBuilder

def body():
    return 1

class Body:
    def call(self):
        return 1

results = TaskRunnerBuilder().with_executor("processes").build().run([Task("a", {body})])
"""


def test_a_module_that_starts_worker_processes_in_a_worker_process_is_told_not_to(tmp_path: Path) -> None:
    """Else each worker would start more of them, without end."""
    (tmp_path / "helper.py").write_text(HELPER)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert "a module that a worker process imports starts worker processes itself" in done.stdout


HELPER = """
from milepost import Task, TaskRunnerBuilder

problem = TaskRunnerBuilder().with_executor("processes").build().run([Task("a", lambda: 1)])["a"].message
"""

SCRIPT = """
import helper
from milepost import Task, TaskRunnerBuilder

def body():
    return helper.problem

print(TaskRunnerBuilder().with_executor("processes").build().run([Task("a", body)])["a"].data)
"""
