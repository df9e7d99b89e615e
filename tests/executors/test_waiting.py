"""A body that waits for a free worker process, or for its start: its time does not run, and its start is not told."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Board

from milepost import Snapshot, Task, TaskRunnerBuilder
from milepost.executors.processes import ProcessesExecutor
from milepost.executors.remote import process
from milepost.executors.remote.pool import Pool


@pytest.fixture
def executor() -> Iterator[ProcessesExecutor]:
    made = ProcessesExecutor(1)
    yield made
    made.shutdown()


class Watched:
    """A run whose starts are noted."""

    def __init__(self, executor: ProcessesExecutor) -> None:
        self.started: list[str] = []
        self.told = threading.Event()
        self._runner = TaskRunnerBuilder().with_executor(executor).on("task_start", self._note).build()

    def _note(self, event: Any) -> None:
        self.started.append(event.task)
        self.told.set()

    def during(self, tasks: list[Task], moment: threading.Event, look: Callable[[], None]) -> Snapshot:
        """The results; `look` is called once the moment has come."""
        run = self._runner.start(tasks)
        assert moment.wait(WAIT)
        look()
        return run.wait(WAIT)


def timers() -> int:
    return sum(isinstance(thread, threading.Timer) and thread.interval == WAIT for thread in threading.enumerate())


def announced(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, times: int) -> threading.Event:
    """Is set when the method is called for that many times."""
    called, left, real = threading.Event(), [times], getattr(owner, method)

    def call(*arguments: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            called.set()
        return real(*arguments)

    monkeypatch.setattr(owner, method, call)
    return called


def test_for_a_free_worker(executor: ProcessesExecutor, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, run = announced(monkeypatch, Pool, "_wait_for_turn", 2), Watched(executor)
    board.shut("gate")

    def look() -> None:
        board.wait_for("runs")
        assert run.told.wait(WAIT)  # the worker runs the body meanwhile
        assert len(run.started) == 1
        assert timers() == 1
        board.open("gate")

    def body() -> None:
        board.note("runs")
        board.pass_gate("gate")

    results = run.during([Task(name, body, timeout=WAIT) for name in "ab"], waits, look)
    assert [results[name].ok for name in "ab"] == [True, True]
    assert sorted(run.started) == ["a", "b"]


def test_for_the_workers_start(executor: ProcessesExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, run, gate = announced(monkeypatch, process.WorkerProcess, "heard", 1), Watched(executor), tmp_path / "gate"
    os.mkfifo(gate)
    monkeypatch.setattr(process, "_START", f"open({str(gate)!r}).read(); {process._START}")

    def look() -> None:
        assert run.started == []
        assert timers() == 0
        gate.write_text("go")

    assert run.during([Task("a", lambda: 1, timeout=WAIT)], waits, look)["a"].data == 1
    assert run.started == ["a"]


def test_a_call_that_no_worker_can_take_has_started_too(executor: ProcessesExecutor) -> None:
    run = Watched(executor)
    lock = threading.Lock()
    results = run.during([Task("a", lambda: lock)], _set(), lambda: None)
    assert results["a"].error is not None
    assert results["a"].error.type == "TransferError"
    assert run.started == ["a"]


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event
