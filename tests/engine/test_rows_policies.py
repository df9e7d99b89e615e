"""Repeating, limiting, wrapping and rehearsing tasks, on every backend: rows E9, E10, E11, E13 and E14."""

from __future__ import annotations

import os
import signal as signals
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, Board, fails, statuses

from milepost import Event, LoopPolicy, RetryPolicy, Task, TaskResult, TaskRunnerBuilder, TaskStatus
from milepost.engine.strategies.dry_run import DryRunStrategy
from milepost.model.errors import WorkerDied
from milepost.ports import ExecutionStrategy, TaskCall
from milepost.testing.clock import FakeClock

LONG = float(WAIT)  # seconds that no test waits for

# E9, E10: again


def failing(board: Board, name: str, error: Exception, times: int = 99) -> Any:
    """A body that raises so often, then gives the number of its attempts."""

    def body() -> int:
        if (attempts := board.note(name)) <= times:
            raise error
        return attempts

    return body


def test_e9_retries_follow_their_policy(backend: Backend, board: Board) -> None:
    clock = FakeClock()
    results = (
        backend.builder()
        .with_clock(clock)
        .build()
        .run(
            [
                backend.task("fixed", failing(board, "fixed", OSError("x")), retry=RetryPolicy(3, 5.0)),
                backend.task(
                    "other", failing(board, "other", KeyError("x")), retry=RetryPolicy(3, 5.0, retry_on=(OSError,))
                ),
                backend.task("plain", failing(board, "plain", OSError("x"))),
                backend.task("third", failing(board, "third", OSError("x"), 2), retry=RetryPolicy(4, 1, "exponential")),
            ],
            concurrency=1,
        )
    )
    assert board.notes() == ["fixed"] * 3 + ["other", "plain"] + ["third"] * 3
    assert clock.sleeps == [5.0, 5.0, 1.0, 2.0]
    assert statuses(results) == {"fixed": "failure", "other": "failure", "plain": "failure", "third": "success"}
    assert "attempt 3 of 3" in results["fixed"].message
    assert results["third"].data == 3


def test_e9_jitter_adds_at_most_its_share() -> None:
    clock = FakeClock()
    task = Task("a", fails, retry=RetryPolicy(4, 10.0, "exponential", jitter=0.5))
    TaskRunnerBuilder().with_clock(clock).build().run([task])
    assert all(base <= slept <= 1.5 * base for base, slept in zip([10, 20, 40], clock.sleeps, strict=True))


def test_e10_a_loop_polls_until_its_predicate_holds(backend: Backend, board: Board) -> None:
    clock = FakeClock()
    loop = LoopPolicy(lambda data: data == 4, interval=2.0)
    results = (
        backend.builder().with_clock(clock).build().run([backend.task("poll", lambda: board.note("p"), loop=loop)])
    )
    assert results["poll"].data == 4
    assert clock.sleeps == [2.0, 2.0, 2.0]


def test_e10_a_loop_ends_in_failure_after_its_iterations(backend: Backend, board: Board) -> None:
    loop = LoopPolicy(lambda data: False, max_iterations=4)
    results = backend.build().run(
        [backend.task("poll", lambda: board.note("p"), loop=loop), backend.task("b", print, ("poll",))]
    )
    assert len(board.notes()) == 4
    assert statuses(results) == {"poll": "failure", "b": "skipped"}
    assert "4 iterations" in results["poll"].message


def test_e9_e10_each_iteration_of_a_loop_has_its_own_attempts(backend: Backend, board: Board) -> None:
    def every_second_time() -> int:
        if (times := board.note("call")) % 2:
            raise OSError("x")
        return times

    task = backend.task("a", every_second_time, retry=RetryPolicy(2), loop=LoopPolicy(lambda data: data == 6))
    assert backend.build().run([task])["a"].data == 6


def test_e9_each_retry_is_told_before_the_wait(backend: Backend, board: Board) -> None:
    clock, heard = FakeClock(), list[Event]()
    runner = backend.builder().with_clock(clock).on("*", heard.append).build()
    task = backend.task("a", failing(board, "a", OSError("x"), 2), retry=RetryPolicy(3, 5.0, "exponential"))
    assert runner.run([task])["a"].ok
    told = [(str(event.kind), event.message) for event in heard if event.task]
    assert told == [
        ("task_start", ""),
        ("task_retry", "attempt 1 of 3 failed; the next follows in 5 s"),
        ("task_retry", "attempt 2 of 3 failed; the next follows in 10 s"),
        ("task_end", ""),
    ]
    retries = [event for event in heard if event.kind == "task_retry"]
    assert [event.time - heard[0].time for event in retries] == [0.0, 5.0]
    assert all(event.result is not None and str(event.result.error) == "OSError: x" for event in retries)


def test_e9_what_ends_a_body_for_good_is_not_tried_again(backend: Backend, board: Board) -> None:
    def exits() -> None:
        board.note("exit")
        raise SystemExit(3)

    results = backend.build().start([backend.task("a", exits, retry=RetryPolicy(3))]).wait(WAIT)
    assert statuses(results) == {"a": "failure"}
    assert board.notes() == ["exit"]


def test_e9_a_killed_worker_is_tried_again_as_any_failure(tmp_path: Path) -> None:
    def killed_once() -> int:
        try:
            (tmp_path / "killed").touch(exist_ok=False)
        except FileExistsError:
            return os.getpid()
        os.kill(os.getpid(), signals.SIGKILL)
        return 0

    heard: list[Event] = []
    runner = TaskRunnerBuilder().with_executor("processes").on("task_retry", heard.append).build()
    results = runner.run([Task("a", killed_once, retry=RetryPolicy(2, retry_on=(WorkerDied,))), Task("b", int)])
    runner.close()
    assert statuses(results) == {"a": "success", "b": "success"}
    assert len(heard) == 1


def long_waits(rule: str, waits: threading.Event) -> dict[str, Any]:
    """Rules by which a body is called a second time, much later; `waits` is set before that."""
    if rule == "retry":
        return {"retry": RetryPolicy(2, LONG)}
    return {"loop": LoopPolicy(lambda data: waits.set() or False, LONG, max_iterations=2)}


@pytest.mark.parametrize("rule", ["retry", "loop"])
def test_e9_e10_a_cancel_ends_the_wait_for_the_next_time(backend: Backend, board: Board, rule: str) -> None:
    def body() -> None:
        board.note("call")
        if rule == "retry":
            raise OSError("x")

    waits = threading.Event()
    runner = backend.builder().on("task_retry", lambda event: waits.set()).build()
    handle = runner.start([backend.task("a", body, **long_waits(rule, waits))])
    assert waits.wait(WAIT)
    handle.cancel("stop")
    assert statuses(handle.wait(WAIT)) == {"a": "cancelled"}
    assert board.notes() == ["call"]


def test_e10_a_failing_iteration_ends_the_loop(backend: Backend, board: Board) -> None:
    task = backend.task("a", failing(board, "a", OSError("x")), loop=LoopPolicy(lambda data: False, max_iterations=5))
    assert statuses(backend.build().run([task])) == {"a": "failure"}
    assert board.notes() == ["a"]


def test_e10_a_broken_predicate_fails_the_task_alone(backend: Backend) -> None:
    loop = LoopPolicy(lambda data: data["ready"])
    results = backend.build().run([backend.task("a", dict, loop=loop), backend.task("b", int)])
    assert statuses(results) == {"a": "failure", "b": "success"}
    assert results["a"].error is not None
    assert results["a"].error.type == "KeyError"
    assert results["a"].message == "its loop's until(data) failed: KeyError: 'ready'"


# E11: the limit is for all attempts and iterations together (more in `test_rows_steering`)


@pytest.mark.parametrize("rule", ["retry", "loop"])
def test_e11_a_task_is_late_also_while_it_waits_for_its_next_time(backend: Backend, rule: str) -> None:
    rules = long_waits(rule, threading.Event())
    body = fails if rule == "retry" else int
    runner = backend.build()
    runner.run([backend.task("first", int)])  # has what it runs in
    results = runner.run([backend.task("a", body, timeout=0.2, **rules), backend.task("b", int)])
    assert results["a"].status is TaskStatus.FAILURE
    assert results["a"].error is not None
    assert results["a"].error.type == "TaskTimeout"
    assert results["b"].ok


# E13, E14: strategies


def test_e13_strategies_wrap_one_another_the_last_outermost(backend: Backend, board: Board) -> None:
    seen: list[str] = []

    class Noting:
        def __init__(self, inner: ExecutionStrategy, name: str) -> None:
            self.inner, self.name = inner, name

        def execute(self, call: TaskCall) -> TaskResult:
            seen.append(f"{self.name} {call.task.name}")
            return self.inner.execute(call)

    builder = backend.builder().with_clock(FakeClock())
    for name in ("inner", "outer"):
        builder.use_strategy(lambda inner, name=name: Noting(inner, name))
    task = backend.task("a", failing(board, "a", OSError("x"), 1), retry=RetryPolicy(2))
    assert builder.build().run([task])["a"].data == 2
    assert seen == ["outer a", "inner a"], "retries are inside"


def test_e14_a_dry_run_gives_order_and_conditions_without_the_work(backend: Backend) -> None:
    started: list[str] = []
    tasks = [
        backend.task("a", fails),
        backend.task("no", fails, condition=lambda context: False),
        backend.task("b", fails, ("a",)),
        backend.task("c", fails, ("no",)),
    ]
    runner = backend.builder().on("task_start", lambda event: started.append(event.task)).build()
    results = runner.run(tasks, dry_run=True)
    assert started == ["a", "b"]
    assert statuses(results) == {"a": "success", "no": "skipped", "b": "success", "c": "skipped"}
    assert not runner.snapshot(), "a dry run leaves no results"


def test_e14_a_dry_run_asks_no_strategy(backend: Backend) -> None:
    seen: list[str] = []

    class Noting:
        def __init__(self, inner: ExecutionStrategy) -> None:
            self.inner = inner

        def execute(self, call: TaskCall) -> TaskResult:
            seen.append(call.task.name)
            return self.inner.execute(call)

    runner = backend.builder().use_strategy(Noting).build()
    assert runner.run([backend.task("a", fails)], dry_run=True)["a"].ok
    assert not seen
    rehearsing = backend.builder().use_strategy(Noting).use_strategy(DryRunStrategy).build()
    assert rehearsing.run([backend.task("a", fails)])["a"].ok, "it wraps what there is, as every strategy does"
    assert not seen


def test_e14_a_dry_run_after_a_run_shows_what_would_run_again(backend: Backend, board: Board) -> None:
    started: list[str] = []
    runner = backend.builder().on("task_start", lambda event: started.append(event.task)).build()
    runner.add(backend.task("a", lambda: board.note("a")))
    before = runner.run()
    started.clear()
    runner.run(dry_run=True)
    assert started == ["a"]
    assert board.notes() == ["a"]
    assert runner.snapshot() == before


def test_e13_a_strategy_may_answer_itself_change_the_call_or_break(backend: Backend, board: Board) -> None:
    started: list[str] = []

    class Mine:
        def __init__(self, inner: ExecutionStrategy) -> None:
            self.inner = inner

        def execute(self, call: TaskCall) -> TaskResult:
            if call.task.name == "known":
                return TaskResult(TaskStatus.SUCCESS, data="from elsewhere")
            if call.task.name == "broken":
                raise RuntimeError("strategy bug")
            return self.inner.execute(call._replace(context="another"))

    runner = backend.builder("mine").use_strategy(Mine).on("task_start", lambda e: started.append(e.task)).build()
    results = runner.run(
        [
            backend.task("known", fails),
            backend.task("broken", fails),
            backend.task("b", lambda known, context: (known, context), ("known",)),
        ]
    )
    assert results["known"].data == "from elsewhere"
    assert results["b"].data == ("from elsewhere", "another")
    assert str(results["broken"].error) == "RuntimeError: strategy bug"
    assert started == ["b"], "what a strategy answers itself has not started"


def test_e13_loops_are_around_retries_and_both_inside_of_one_start(backend: Backend, board: Board) -> None:
    heard: list[str] = []
    runner = backend.builder().with_clock(FakeClock()).on("*", lambda event: heard.append(str(event.kind))).build()
    task = backend.task(
        "a", failing(board, "a", OSError("x"), 1), retry=RetryPolicy(2), loop=LoopPolicy(lambda data: data == 4)
    )
    assert runner.run([task])["a"].data == 4
    assert heard == ["workflow_start", "task_start", "task_retry", "task_end", "workflow_end"]


def test_e14_a_dry_run_has_the_order_of_a_run(backend: Backend) -> None:
    started: list[str] = []
    runner = backend.builder().on("task_start", lambda event: started.append(event.task)).build()
    ranks = {"a": 0, "b": 2, "c": 1}
    for name, rank in ranks.items():
        runner.add(backend.task(name, int, priority=rank))
        runner.add(backend.task(f"after {name}", int, (name,), priority=-rank, loop=LoopPolicy(lambda data: True)))
    runner.run(dry_run=True, concurrency=1)
    rehearsed = started.copy()
    started.clear()
    runner.run(concurrency=1)
    assert rehearsed == started == ["b", "c", "a", "after a", "after c", "after b"]


def test_e14_a_dry_run_asks_conditions_with_the_context_and_keeps_what_a_snapshot_brought(backend: Backend) -> None:
    asked: list[Any] = []
    builder = backend.builder({"go": 1}).with_snapshot(backend.build().run([backend.task("kept", int)]))
    runner = builder.build()

    def condition(context: Any) -> bool:
        asked.append(context)
        return bool(context["go"])

    tasks = [backend.task("kept", fails), backend.task("a", fails, ("kept",), condition=condition)]
    results = runner.run(tasks, dry_run=True)
    assert asked == [{"go": 1}]
    assert statuses(results) == {"kept": "success", "a": "success"}
    assert results["kept"].data == 0
    assert list(runner.snapshot()) == ["kept"]
