"""Ending a task or a run before its end, on every backend: rows E11, E12 and E19."""

from __future__ import annotations

import ast
import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.engine.helpers import WAIT, Backend, Board, build, fails, in_thread, statuses

from milepost import (
    CancelSignal,
    Event,
    Task,
    TaskRunner,
    TaskRunnerBuilder,
    TaskStatus,
)
from milepost.model.errors import TaskGraphError

# E11, E12, E19: ends before the end


def waits(signal: CancelSignal) -> None:
    signal.wait(WAIT)
    signal.raise_if_cancelled()


def test_e11_a_late_task_fails_alone(backend: Backend) -> None:
    results = backend.build().run(
        [
            backend.task("late", waits, timeout=0.05),
            backend.task("b", print, ("late",)),
            backend.task("c", int),
        ]
    )
    assert statuses(results) == {"late": "failure", "b": "skipped", "c": "success"}
    assert results["late"].error is not None
    assert results["late"].error.type == "TaskTimeout"


def test_e11_a_task_in_time_is_left_alone(backend: Backend) -> None:
    assert backend.build().run([backend.task("a", lambda: 1, timeout=WAIT)])["a"].data == 1


def test_e11_e19_a_late_run_cancels_what_is_pending_and_keeps_the_rest(backend: Backend, board: Board) -> None:
    tasks = [
        backend.task("a", lambda: 1),
        backend.task("b", waits, ("a",)),
        backend.task("c", print, ("b",)),
    ]
    runner = backend.build()
    runner.run([backend.task("first", int)])  # has what it runs in: the limit is for the tasks
    results = runner.run(tasks, timeout=1 if backend.name == "processes" else 0.2)
    assert results["a"].data == 1
    assert statuses(results) == {"first": "success", "a": "success", "b": "cancelled", "c": "cancelled"}
    assert "longer than its" in results["c"].message
    assert runner.snapshot() == results


def test_e12_cancelled_before_the_start_nothing_runs(backend: Backend) -> None:
    signal = CancelSignal()
    signal.cancel("not today")
    started: list[Event] = []
    runner = backend.builder().on("task_start", started.append).build()
    results = runner.run([backend.task("a", fails), backend.task("b", fails, ("a",))], signal=signal)
    assert statuses(results) == {"a": "cancelled", "b": "cancelled"}
    assert "not today" in results["a"].message
    assert not started


@pytest.mark.parametrize("how", ["signal", "runner", "handle", "signal of a handle"])
def test_e12_e19_a_cancel_reaches_what_runs_and_keeps_the_rest(backend: Backend, board: Board, how: str) -> None:
    def body(done: int, signal: CancelSignal) -> None:
        board.note("running")
        waits(signal)
        board.note("went on")

    tasks = [
        backend.task("done", lambda: 1),
        backend.task("running", body, ("done",)),
        backend.task("waits", print, ("running",)),
    ]
    runner, signal = backend.build(), CancelSignal()
    if how == "signal":
        thread = in_thread(lambda: board.wait_for("running") or signal.cancel("stop"))
        results = runner.run(tasks, signal=signal)
        thread.join(WAIT)
    else:
        handle = runner.start(tasks, signal=signal)
        board.wait_for("running")
        {"runner": runner, "handle": handle}.get(how, signal).cancel("stop")
        assert signal.cancelled is (how == "signal of a handle")
        results = handle.wait(WAIT)
    assert statuses(results) == {"done": "success", "running": "cancelled", "waits": "cancelled"}
    assert results["done"].data == 1
    assert "stop" in results["running"].message
    assert board.notes() == ["running"]
    assert not runner.running


def test_e12_what_is_started_takes_all_that_a_run_takes(backend: Backend) -> None:
    runner, signal = backend.build(), CancelSignal()
    assert runner.start([backend.task("a", fails)], dry_run=True).wait(WAIT)["a"].ok
    signal.cancel("not today")
    results = runner.start([backend.task("a", fails)], signal=signal).wait(WAIT)
    assert statuses(results) == {"a": "cancelled"}


def test_what_cannot_run_is_told_by_start_itself() -> None:
    with pytest.raises(TaskGraphError, match="depends on 'missing'"):
        build().start([Task("a", print, ("missing",))])


def test_a_runner_is_closed_at_the_end_of_its_block() -> None:
    with build() as runner:
        worker = runner.run([Task("a", threading.current_thread)])["a"].data
        assert worker.is_alive()
    assert not worker.is_alive()


def test_who_waits_for_a_paused_run_is_told() -> None:
    runner = build()
    runner.pause()
    handle = runner.start([Task("a", lambda: 1)])
    with pytest.raises(TimeoutError, match="its runner is paused"):
        handle.wait(0)
    runner.resume()
    assert handle.wait(WAIT)["a"].data == 1


def test_a_run_of_a_paused_runner_says_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    runner, told = build(), []

    def hear(record: logging.LogRecord) -> bool:
        told.append((record.levelname, record.getMessage()))
        runner.resume()
        return False

    log = logging.getLogger("milepost.run")
    monkeypatch.setattr(log, "filters", [hear])
    runner.pause()
    runner.run([Task("a", lambda: 1)])
    runner.run([Task("a", lambda: 1)])
    assert told == [("WARNING", "the runner is paused, so no task starts before runner.resume()")]


def test_a_run_of_a_paused_runner_tells_its_listeners(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []
    runner = TaskRunnerBuilder().with_logger("text").build()
    runner.on("workflow_start", lambda event: heard.append(event.message) or runner.resume())
    runner.pause()
    runner.run([Task("a", lambda: 1)])
    runner.run([Task("a", lambda: 1)])
    assert heard == ["the runner is paused, so no task starts before runner.resume()", ""]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_e12_the_body_sees_the_reason() -> None:
    running, reasons = threading.Event(), []

    def body(signal: CancelSignal) -> None:
        running.set()
        signal.wait(WAIT)
        reasons.append(signal.reason)

    runner = build()
    handle = runner.start([Task("a", body)])
    assert running.wait(WAIT)
    handle.cancel("stop")
    handle.wait(WAIT)
    runner.close()
    assert reasons == ["stop"]


def test_e12_cancelling_the_awaiting_task_cancels_the_run() -> None:
    running = threading.Event()

    def body(signal: CancelSignal) -> None:
        running.set()
        waits(signal)

    async def main() -> TaskRunner:
        runner = build()
        waiting = asyncio.ensure_future(runner.execute([Task("a", body)]))
        await asyncio.to_thread(running.wait, WAIT)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return runner

    assert asyncio.run(main()).snapshot()["a"].status is TaskStatus.CANCELLED


def script(how: str, backend: Backend, folder: Path) -> subprocess.Popen[str]:
    """`paused_script` in a process of its own."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("paused_script.py"))]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])
    return subprocess.Popen(
        [*command, how, backend.name, str(folder)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("own_key")
def test_e12_a_paused_run_is_saved_killed_and_resumed_in_another_process(
    backend: Backend, board: Board, tmp_path: Path
) -> None:
    board.shut("held")
    with script("start", backend, tmp_path) as first:
        try:
            board.wait_for("other")
            board.wait_for("paused")
            board.open("held")
            assert first.stdout is not None
            assert first.stdout.readline() == "saved\n"
        finally:
            first.kill()
    assert first.returncode == -signal.SIGKILL
    assert sorted(board.notes()) == ["first", "other", "paused", "slow"]
    with script("resume", backend, tmp_path) as second:
        printed, _ = second.communicate(timeout=WAIT)
    assert ast.literal_eval(printed) == {
        "first": ("success", 1 + 2j, True),
        "slow": ("success", [1 + 2j], True),
        "held": ("success", [1 + 2j, 3], False),
        "last": ("success", 4 + 2j, False),
        "other": ("failure", None, False),
    }
    assert sorted(board.notes()[4:]) == ["held", "other"], "what had succeeded did not run again, the rest did"
