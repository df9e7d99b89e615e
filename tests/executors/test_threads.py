"""The threads executor where the system gives no more threads."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.engine.helpers import WAIT

from milepost import Task, TaskRunner, TaskRunnerBuilder


class Limit:
    """So many threads may still start."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.refused = threading.Event()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = threading.Thread.start

        def limited(thread: threading.Thread) -> None:
            if thread.name == "milepost-worker":
                if not self.left:
                    self.refused.set()
                    raise RuntimeError("can't start new thread")
                self.left -= 1
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)


def test_those_that_there_are_do_all_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(2)
    limit.install(monkeypatch)
    runner = TaskRunnerBuilder().build()
    for _ in range(2):
        limit.refused.clear()
        tasks = [Task(f"t{number}", lambda: limit.refused.wait(WAIT)) for number in range(10)]
        results = runner.run(tasks, concurrency=10)
        assert [result.data for result in results.values()] == [True] * 10
    runner.close()


def test_where_there_is_none_the_run_says_so_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Limit(0)
    limit.install(monkeypatch)
    runner = TaskRunnerBuilder().build()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(runner)
    limit.left = 1
    assert run(runner) == 1
    runner.close()


def run(runner: TaskRunner) -> Any:
    return runner.run([Task("a", lambda: 1)])["a"].data
