"""What is forked from the process of a runner, and from a worker process."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.helpers import WAIT

from milepost import Task, TaskRunner, TaskRunnerBuilder
from milepost.executors.processes import ProcessesExecutor
from milepost.executors.threads import ThreadsExecutor

LARGE = bytes(2 << 20)


@pytest.fixture
def runner() -> Iterator[TaskRunner]:
    made = TaskRunnerBuilder().with_executor(ProcessesExecutor(1)).build()
    yield made
    made.close()


def in_fork(work: Callable[[], Any]) -> Any:
    """What the work gives in a forked process."""
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(told, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(told)
    try:
        assert select.select([heard], [], [], WAIT)[0], "the fork hangs"
        return json.loads(os.read(heard, 65536) or "null")
    finally:
        os.close(heard)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def run(runner: TaskRunner, body: Callable[[], Any]) -> Any:
    return runner.run([Task("a", body)])["a"].data


async def later() -> int:
    await asyncio.sleep(0)
    return 42


def test_has_workers_of_its_own(runner: TaskRunner) -> None:
    here = run(runner, os.getpid)
    there = in_fork(lambda: (run(runner, os.getpid), runner.close()))
    assert there is not None
    assert there[0] not in (None, here)
    assert run(runner, os.getpid) == here


def test_writes_large_inputs_anew(runner: TaskRunner) -> None:
    """The threads that hash them are not there, nor is one that wrote them at that moment."""
    executor, data = runner._tools.executors[""], bytes(2 << 20)
    assert isinstance(executor, ProcessesExecutor)
    assert run(runner, lambda: len(data)) == len(data)
    with executor._files._lock:
        assert in_fork(lambda: (run(runner, lambda: len(data)), runner.close())) == [len(data), None]


@pytest.mark.parametrize("executor", ["main", "threads"])
def test_runs_coroutines(executor: str) -> None:
    runner = TaskRunnerBuilder().with_executor(executor).build()
    assert run(runner, later) == 42
    assert in_fork(lambda: run(runner, later)) == 42
    assert run(runner, later) == 42
    runner.close()


def test_starts_threads() -> None:
    executor = ThreadsExecutor()
    runner = TaskRunnerBuilder().with_executor(executor).build()
    assert run(runner, lambda: 1) == 1
    while not executor._unclaimed:  # until its thread is free
        time.sleep(0.001)
    done: list[int] = []

    def work() -> list[int]:
        executor.submit(lambda: done.append(1))
        executor.shutdown()
        return done

    assert in_fork(work) == [1]
    runner.close()


def test_of_a_body_ends_where_the_body_ends(runner: TaskRunner) -> None:
    def forks() -> tuple[int, bytes]:
        pid = os.fork()
        return (os.waitpid(pid, 0)[1], LARGE) if pid else (0, LARGE)

    before = run(runner, os.getpid)
    assert run(runner, forks) == (0, LARGE)
    assert run(runner, lambda data=LARGE: (os.getpid(), len(data))) == (before, len(LARGE))


def test_of_a_body_says_what_it_raises(runner: TaskRunner, capsys: pytest.CaptureFixture[str]) -> None:
    def forks() -> int:
        pid = os.fork()
        if not pid:
            raise ValueError("no luck")
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert run(runner, forks) == 1
    assert "ValueError: no luck" in capsys.readouterr().err
