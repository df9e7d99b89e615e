"""The life of worker processes: how many there are, what they find around them, when they end, what they tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.helpers import WAIT, Board

from milepost import Task, TaskRunner, TaskRunnerBuilder
from milepost.executors.processes import ProcessesExecutor
from milepost.executors.remote import files
from milepost.executors.remote.pool import Pool

LARGE = bytes(2 << 20)


@pytest.fixture
def executor() -> Iterator[ProcessesExecutor]:
    made = ProcessesExecutor(1)
    yield made
    made.shutdown()


@pytest.fixture
def runner(executor: ProcessesExecutor) -> TaskRunner:
    return TaskRunnerBuilder().with_executor(executor).build()


def run(runner: TaskRunner, body: Callable[[], Any]) -> Any:
    result = runner.run([Task("a", body)])["a"]
    assert result.ok, result.message
    return result.data


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


class TestThreadsOfABody:
    @pytest.mark.parametrize("daemon", [True, False])
    def test_end_with_their_worker(self, daemon: bool, runner: TaskRunner) -> None:
        def body() -> int:
            threading.Thread(target=threading.Event().wait, daemon=daemon).start()
            return os.getpid()

        first, end = run(runner, body), time.monotonic() + WAIT
        assert run(runner, os.getpid) != first
        while not gone(first):  # each task buries those that have ended
            assert time.monotonic() < end
            run(runner, os.getpid)

    def test_end_with_it_where_the_body_fails(self, runner: TaskRunner) -> None:
        def body() -> None:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            raise ValueError(os.getpid())

        first: Any = runner.run([Task("a", body)])["a"].exception
        assert first.args[0] != run(runner, os.getpid)

    def test_that_have_ended_cost_no_worker(self, runner: TaskRunner) -> None:
        def body() -> int:
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            return os.getpid()

        assert run(runner, body) == run(runner, os.getpid)


def test_a_worker_whose_owner_is_gone_ends_though_its_body_lets_no_thread_run(
    runner: TaskRunner, executor: ProcessesExecutor
) -> None:
    """The system's own alarm then ends it."""
    assert run(runner, lambda: signal.alarm(0)) == 0
    executor._pool._idle[0]._lifeline.close()  # as at the owner's end
    assert run(runner, lambda: signal.alarm(0)) == signal.SIGIO


def test_at_most_so_many_bodies_run_at_once(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = threading.Semaphore(0), Pool._wait_for_turn

    def wait_for_turn(pool: Pool, signal: Any) -> None:
        asked.release()
        real(pool, signal)

    monkeypatch.setattr(Pool, "_wait_for_turn", wait_for_turn)
    runner = TaskRunnerBuilder().with_executor(ProcessesExecutor(2)).build()
    board.shut("gate")

    def body() -> int:
        board.pass_gate("gate")
        return os.getpid()

    handle = runner.start([Task(f"t{number}", body) for number in range(6)], concurrency=6)
    for _ in range(6):
        assert asked.acquire(timeout=WAIT)
    board.open("gate")
    assert len({result.data for result in handle.wait(WAIT).values()}) == 2
    runner.close()


def test_equal_large_inputs_are_written_once(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    written, real = [], files.write
    monkeypatch.setattr(files, "write", lambda folder, data: (written.append(len(data)), real(folder, data))[1])
    data = np.ones(1 << 18)

    def body(context: Any) -> tuple[int, float]:
        board.note("here")
        board.pass_gate("gate")
        return os.getpid(), float(context.sum())

    runner = TaskRunnerBuilder(data).with_executor(ProcessesExecutor(2)).build()
    board.shut("gate")
    handle = runner.start([Task("a", body), Task("b", body)])
    board.wait_for("here", 2)
    board.open("gate")
    results = handle.wait(WAIT)
    runner.close()
    assert [results[name].data[1] for name in "ab"] == [data.sum()] * 2
    assert results["a"].data[0] != results["b"].data[0]
    assert written == [data.nbytes]


def test_a_changed_module_is_loaded_anew(runner: TaskRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "its_own_module.py"

    def body() -> tuple[int, str]:
        import its_own_module  # type: ignore[import-not-found]

        return os.getpid(), its_own_module.WORD

    module.write_text("WORD = 'old'")
    old = run(runner, body)
    assert run(runner, body) == old
    module.write_text("WORD = 'newer'")
    new = run(runner, body)
    assert (old[1], new[1]) == ("old", "newer")
    assert "its_own_module" not in sys.modules


def test_a_kept_worker_finds_what_its_owner_finds(
    runner: TaskRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def around() -> dict[str, Any]:
        return {"folder": os.getcwd(), "environ": dict(os.environ), "path": list(sys.path), "argv": list(sys.argv)}

    first = run(runner, os.getpid)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MILEPOST_TEST", "one")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setattr(sys, "argv", ["script", "--option"])
    assert run(runner, around) == around()
    monkeypatch.delenv("MILEPOST_TEST")
    assert run(runner, around) == around()
    assert run(runner, lambda: (os.chdir("/"), os.environ.clear(), sys.path.clear())) == (None, None, None)
    assert run(runner, around) == around(), "what a body changed is there for the next"
    assert run(runner, os.getpid) == first


def test_a_worker_without_work_ends() -> None:
    executor = ProcessesExecutor(1, idle=0.05)
    runner = TaskRunnerBuilder().with_executor(executor).build()
    first = run(runner, os.getpid)
    assert executor._pool._idle[0]._process.wait(WAIT) == 0
    assert run(runner, os.getpid) not in (None, first)
    runner.close()


def test_a_worker_waits_for_work_as_long_as_it_should(executor: ProcessesExecutor, runner: TaskRunner) -> None:
    run(runner, int)
    with pytest.raises(subprocess.TimeoutExpired):
        executor._pool._idle[0]._process.wait(0.2)
