"""What every executor must do; inherit `ExecutorContract` and say how to make one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from milepost.builder import TaskRunnerBuilder
from milepost.engine.runner import TaskRunner
from milepost.model.cancel import CancelSignal
from milepost.model.snapshot import Snapshot
from milepost.model.task import RetryPolicy, Task
from milepost.ports import Executor

WAIT = 30.0
"""Seconds until a test that would hang fails."""

_LARGE = bytes(range(256)) * 8192
"""A value that an executor may want to send in another way than small ones, in bytes: 2 MiB."""


class ExecutorContract:
    """The tests. A subclass overrides `make_executor`, which gives a new executor.

    The bodies are functions of this module: an executor that sends them elsewhere needs `milepost` and `pytest` there.
    """

    def make_executor(self) -> Executor:
        """A new executor."""
        raise NotImplementedError("say how to make the executor")

    @pytest.fixture
    def executor(self) -> Iterator[Executor]:
        """The executor under test."""
        made = self.make_executor()
        yield made
        made.shutdown()

    @pytest.fixture
    def runner(self, executor: Executor) -> Iterator[TaskRunner]:
        """A runner with that executor."""
        made = TaskRunnerBuilder().with_executor(executor).build()
        yield made
        made.close()

    def test_is_an_executor(self, executor: Executor) -> None:
        assert isinstance(executor, Executor)
        assert isinstance(executor.name, str)
        assert executor.name
        assert isinstance(executor.inline, bool)

    # work

    def test_work_runs_in_this_process(self, executor: Executor) -> None:
        where: list[int] = []
        done = _submitted(executor, lambda: where.append(threading.get_ident()))
        assert done.wait(WAIT)
        assert (where == [threading.get_ident()]) is executor.inline

    def test_submitting_waits_for_the_work_only_where_it_is_inline(self, executor: Executor) -> None:
        go_on = threading.Event()
        if executor.inline:
            go_on.set()
        done = _submitted(executor, lambda: go_on.wait(WAIT))
        assert done.is_set() is executor.inline
        go_on.set()
        assert done.wait(WAIT)

    def test_work_can_submit_work(self, executor: Executor) -> None:
        later: list[threading.Event] = []
        done = _submitted(executor, lambda: later.append(_submitted(executor, lambda: None)))
        assert done.wait(WAIT)
        assert later[0].wait(WAIT)

    def test_shutdown_waits_for_work_and_the_next_work_starts_anew(self, executor: Executor) -> None:
        go_on = threading.Event()
        if executor.inline:
            go_on.set()
        done = _submitted(executor, lambda: go_on.wait(WAIT))
        closing = threading.Thread(target=executor.shutdown, daemon=True)
        closing.start()
        if not executor.inline:
            closing.join(0.05)
            assert closing.is_alive(), "shutdown returned while work was running"
        go_on.set()
        closing.join(WAIT)
        assert not closing.is_alive()
        assert done.is_set()
        assert _submitted(executor, lambda: None).wait(WAIT)

    # bodies

    def test_arguments_and_values(self, runner: TaskRunner) -> None:
        results = runner.run(
            [
                Task("none", nothing),
                Task("large", large),
                Task("both", sizes, ("none", "large")),
                Task("later", later, ("both",)),
            ]
        )
        assert _outcomes(results) == dict.fromkeys(results, ("success", ""))
        assert results["none"].data is None
        assert results["large"].data == _LARGE
        assert results["both"].data == (None, len(_LARGE))
        assert results["later"].data == [(None, len(_LARGE))]

    def test_what_a_body_raises_fails_its_task_alone(self, runner: TaskRunner) -> None:
        results = runner.run(
            [Task("bad", fails), Task("ends", ends_itself), Task("odd", fails_oddly), Task("good", nothing)]
        )
        assert _outcomes(results) == {
            "bad": ("failure", "ValueError"),
            "ends": ("failure", "SystemExit"),
            "odd": ("failure", "Odd"),
            "good": ("success", ""),
        }
        assert results["bad"].error is not None
        assert results["bad"].error.message == "no luck"
        assert "in fails" in results["bad"].error.traceback, "where it was raised is lost"

    def test_a_caught_exception_is_the_bodys_own(self, runner: TaskRunner) -> None:
        policy = RetryPolicy(2, retry_on=(ValueError,))
        results = runner.run([Task("bad", fails, retry=policy), Task("ends", ends_itself, retry=policy)])
        assert isinstance(results["bad"].exception, ValueError)
        assert results["bad"].message == "no luck (attempt 2 of 2)"
        assert "attempt" not in results["ends"].message

    def test_progress_is_told_in_its_order(self, runner: TaskRunner) -> None:
        told: list[str] = []
        runner.on("task_progress", lambda event: told.append(event.message))
        assert runner.run([Task("a", counts)])["a"].data == 3
        assert told == ["1", "2", "3"]

    def test_a_body_that_heeds_its_signal_is_cancelled(self, runner: TaskRunner) -> None:
        waits = Task("waits", until_cancelled)
        runner.on("task_progress", lambda event: threading.Thread(target=runner.cancel, args=("enough",)).start())
        results = runner.run([waits, Task("next", nothing, ("waits",))], timeout=WAIT)
        assert _statuses(results) == {"waits": "cancelled", "next": "cancelled"}
        assert results["waits"].message == "enough"
        assert _statuses(runner.run([Task("again", nothing)]))["again"] == "success"

    def test_a_signal_set_before_keeps_bodies_from_running(self, runner: TaskRunner) -> None:
        signal = CancelSignal()
        signal.cancel("too late")
        assert _statuses(runner.run([Task("a", fails)], signal=signal)) == {"a": "cancelled"}

    def test_more_tasks_than_places(self, runner: TaskRunner) -> None:
        results = runner.run([Task(f"t{n}", nothing) for n in range(50)], concurrency=8)
        assert list(_statuses(results).values()) == ["success"] * 50


def _submitted(executor: Executor, work: Callable[[], object]) -> threading.Event:
    """Hand the work over; set once it is done."""
    done = threading.Event()

    def whole() -> None:
        work()
        done.set()

    executor.submit(whole)
    return done


def _statuses(results: Snapshot) -> dict[str, str]:
    return {name: str(result.status) for name, result in results.items()}


def _outcomes(results: Snapshot) -> dict[str, tuple[str, str]]:
    return {name: (str(result.status), result.error.type if result.error else "") for name, result in results.items()}


# bodies


def nothing() -> None:
    """Give nothing."""


def large() -> bytes:
    """Give much."""
    return _LARGE


def sizes(none: None, large: bytes) -> tuple[None, int]:
    """Take much, give little."""
    return none, len(large)


async def later(both: Any) -> list[Any]:
    """As a coroutine."""
    return [both]


def fails() -> None:
    """Raise what can be pickled."""
    raise ValueError("no luck")


def ends_itself() -> None:
    """Try to end the process."""
    raise SystemExit(3)


class Odd(Exception):
    """Cannot be pickled, and not be made from its message either."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__(lambda: (one, two))


def fails_oddly() -> None:
    """Raise what cannot be pickled."""
    raise Odd(1, 2)


def counts(progress: Callable[[str], None]) -> int:
    """Say how far it has come."""
    for number in (1, 2, 3):
        progress(str(number))
    return 3


def until_cancelled(progress: Callable[[str], None], signal: CancelSignal) -> None:
    """Say that it has begun, then wait for the signal."""
    progress("begun")
    signal.wait(WAIT)
    signal.raise_if_cancelled()
