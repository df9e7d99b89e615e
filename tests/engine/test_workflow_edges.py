"""Where runs go wrong: timeouts, cancels, interrupts, bodies that end themselves, odd graphs."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from typing import Any

import pytest
from tests.engine.helpers import WAIT, statuses, success

from milepost.builder import TaskRunnerBuilder
from milepost.engine.handle import RunHandle
from milepost.executors.threads import ThreadsExecutor
from milepost.model.cancel import CancelSignal
from milepost.model.events import Event
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskStatus
from milepost.model.task import RetryPolicy, Task
from milepost.testing.clock import FakeClock
from milepost.tracking.report import progress

EXECUTORS = ("main", "threads")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_late_body_is_told_and_fails_with_a_timeout(executor: str) -> None:
    told: list[str] = []

    def body(signal: CancelSignal) -> str:
        try:  # in the main thread it is interrupted as well
            signal.wait()
        finally:
            told.append(signal.reason)
        return "too late"

    results = TaskRunnerBuilder().with_executor(executor).build().run([Task("slow", body, timeout=0.01)])
    assert results["slow"].status is TaskStatus.FAILURE
    assert results["slow"].error is not None
    assert results["slow"].error.type == "TaskTimeout"
    if executor == "main":
        assert told == ["it took longer than its 0.01 s"]


def test_a_body_that_ignores_a_cancel_does_not_hold_the_run() -> None:
    started, release = threading.Event(), threading.Event()

    def body() -> None:
        started.set()
        release.wait()

    handle = TaskRunnerBuilder().build().start([Task("deaf", body), Task("next", print, ("deaf",))])
    started.wait()
    handle.cancel("enough")
    results = handle.wait(10)
    release.set()
    assert {name: result.status for name, result in results.items()} == dict.fromkeys(
        ("deaf", "next"), TaskStatus.CANCELLED
    )


def test_what_a_body_does_that_was_left_behind_is_not_told_after_the_end_of_its_run() -> None:
    started, release, threads, events = threading.Event(), threading.Event(), [], []

    def body() -> None:
        threads.append(threading.current_thread())
        started.set()
        release.wait(WAIT)
        progress(1, 2)
        raise ValueError("and again, had it not been cancelled")

    runner = TaskRunnerBuilder().on("*", events.append).build()
    handle = runner.start([Task("deaf", body, retry=RetryPolicy(2))])
    started.wait(WAIT)
    handle.cancel("enough")
    handle.wait(WAIT)
    release.set()
    runner.close()
    threads[0].join(WAIT)
    assert [str(event.kind) for event in events[-2:]] == ["task_end", "workflow_end"]


def test_a_whole_run_timeout_leaves_the_callers_signal_alone_and_keeps_results() -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    signal = CancelSignal()
    results = (
        TaskRunnerBuilder()
        .build()
        .run([Task("done", lambda: 1, priority=1), Task("endless", endless, ("done",))], timeout=0.5, signal=signal)
    )
    assert results["done"].data == 1
    assert results["endless"].status is TaskStatus.CANCELLED
    assert "longer than its 0.5 s" in results["endless"].message
    assert not signal.cancelled


def test_an_async_body_is_cancelled_at_its_await() -> None:
    started, ended = threading.Event(), threading.Event()

    async def body() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    handle = TaskRunnerBuilder().build().start([Task("async", body)])
    started.wait()
    handle.cancel()
    assert handle.wait(10)["async"].status is TaskStatus.CANCELLED
    assert ended.wait(10)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_body_that_exits_fails_alone(executor: str) -> None:
    tasks = [Task("exit", lambda: sys.exit(3)), Task("other", lambda: 1)]
    results = TaskRunnerBuilder().with_executor(executor).build().run(tasks)
    assert results["exit"].status is TaskStatus.FAILURE
    assert results["other"].ok


def test_an_interrupted_body_ends_the_run_and_the_interrupt_goes_on_its_way() -> None:
    stop = KeyboardInterrupt()

    def interrupted() -> None:
        raise stop

    runner = TaskRunnerBuilder().with_executor("main").build()
    with pytest.raises(KeyboardInterrupt) as caught:
        runner.run([Task("before", lambda: 1), Task("stop", interrupted), Task("other", lambda: 1)])
    results = runner.snapshot()
    assert results["before"].ok
    assert results["stop"].status is TaskStatus.CANCELLED
    assert results["stop"].exception is stop is caught.value
    assert results["other"].status is TaskStatus.CANCELLED
    assert runner.run([Task("next", lambda: 1)])["next"].ok


def test_inline_runs_take_what_became_ready_by_priority() -> None:
    order: list[str] = []
    tasks = [
        Task("first", lambda: order.append("first"), priority=1),
        Task("low", lambda: order.append("low")),
        Task("urgent", lambda: order.append("urgent"), ("first",), priority=5),
    ]
    TaskRunnerBuilder().with_executor("main").build().run(tasks)
    assert order == ["first", "urgent", "low"]


def test_a_dependency_named_twice_counts_once() -> None:
    results = TaskRunnerBuilder().build().run([Task("a", lambda: 1), Task("b", lambda a: a + 1, ("a", "a"))])
    assert results["b"].data == 2


def test_more_bodies_than_any_pool_can_wait_for_each_other() -> None:
    barrier = threading.Barrier(40, timeout=30)
    tasks = [Task(f"t{number}", barrier.wait) for number in range(40)]
    assert all(result.ok for result in TaskRunnerBuilder().build().run(tasks, concurrency=40).values())


def test_a_result_stands_in_for_a_task_that_is_not_there() -> None:
    runner = TaskRunnerBuilder().build()
    runner.run([Task("gone", lambda: 20)])
    runner.add(Task("b", lambda gone: gone + 1, ("gone",)))
    assert runner.run(only=["b"])["b"].data == 21


@pytest.mark.parametrize("executor", EXECUTORS)
def test_progress_reaches_the_listeners(executor: str) -> None:
    heard: list[Any] = []

    def body(progress: Any) -> None:
        progress("half")

    runner = TaskRunnerBuilder().with_executor(executor).on("task_progress", lambda e: heard.append(e.message)).build()
    runner.run([Task("a", body)])
    assert heard == ["half"]


def test_pause_and_resume_say_so_once() -> None:
    kinds: list[str] = []
    runner = TaskRunnerBuilder().on("*", lambda event: kinds.append(event.kind)).build()
    runner.pause()
    runner.pause()
    runner.resume()
    runner.resume()
    assert kinds == ["paused", "resumed"]


def test_retries_wait_by_the_clock_they_are_given() -> None:
    clock, calls = FakeClock(), []

    def body() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)

    task = Task("flaky", body, retry=RetryPolicy(3, 10.0, "exponential"))
    results = TaskRunnerBuilder().with_clock(clock).build().run([task])
    assert results["flaky"].data == 3
    assert clock.sleeps == [10.0, 20.0]


def test_a_hydrated_result_says_that_it_was_restored() -> None:
    first = TaskRunnerBuilder().build()
    saved = first.run([Task("a", lambda: 1)])
    runner = TaskRunnerBuilder().with_snapshot(Snapshot(saved)).build()
    assert runner.run([Task("a", lambda: 2)])["a"].restored
    assert runner.snapshot() == saved


def test_a_runner_goes_on_after_an_interrupt_in_a_listener() -> None:
    runner = TaskRunnerBuilder().with_executor("main").build()

    def stop(event: object) -> None:
        unsubscribe()
        raise KeyboardInterrupt

    unsubscribe = runner.on("task_end", stop)
    with pytest.raises(KeyboardInterrupt):
        runner.run([Task("a", lambda: 1)])
    assert runner.run([Task("a", lambda: 2)], timeout=30)["a"].data == 2


def test_what_a_run_dropped_and_then_took_over_is_kept() -> None:
    runner = TaskRunnerBuilder().build()
    tasks = [Task("a", lambda: 1), Task("b", lambda: 2, ("a",))]
    second: list[RunHandle] = []
    heard: list[Event] = []
    begun = threading.Event()

    def start_another(event: Event) -> None:
        heard.append(event)
        if len(heard) == 1:
            runner.on("workflow_start", lambda event: begun.set())
            second.append(runner.start(tasks))
            assert begun.wait(30)  # by now it has dropped what this run had put

    runner.on("task_end", start_another)
    runner.run(tasks)
    second[0].wait()
    assert statuses(runner.snapshot()) == {"a": "success", "b": "success"}


def test_a_run_returns_what_it_made_also_where_a_later_run_begins_anew() -> None:
    runner = TaskRunnerBuilder().build()
    made, again, end = threading.Event(), threading.Event(), threading.Event()

    def second(made_: Any = None) -> str:
        made.set()
        assert end.wait(WAIT)
        return "second"

    def first() -> str:
        if made.is_set():  # the later run's
            again.set()
            assert end.wait(WAIT)
        return "first"

    tasks = [Task("first", first), Task("second", second, ("first",))]
    runner_1 = runner.start(tasks)
    assert made.wait(WAIT)
    later = runner.start(tasks[:1])  # drops the result of "first" when it begins
    assert again.wait(WAIT)
    assert "first" not in runner.snapshot()
    end.set()
    assert {name: result.data for name, result in runner_1.wait(WAIT).items()} == {"first": "first", "second": "second"}
    later.wait(WAIT)


def test_each_runner_of_a_builder_has_results_of_its_own() -> None:
    builder = TaskRunnerBuilder().with_snapshot(Snapshot({"old": success(1)}))
    one, other = builder.build(), builder.build()
    one.run([Task("a", lambda: 1), Task("old", lambda: 2)])
    assert set(one.snapshot()) == {"a", "old"}
    assert set(other.snapshot()) == {"old"}


def test_a_coroutine_that_would_block_its_loop_is_refused() -> None:
    runner = TaskRunnerBuilder().build()

    async def inner() -> int:
        return 1

    async def blocks() -> Any:
        return runner.run([Task("inner", inner)])["inner"].data

    async def waits() -> Any:
        return (await asyncio.to_thread(runner.run, [Task("inner", inner)]))["inner"].data

    results = runner.run([Task("blocks", blocks), Task("waits", waits)])
    assert "the coroutine of task 'blocks' would block its event loop" in results["blocks"].message
    assert results["waits"].data == 1


def test_tasks_here_and_in_threads_have_all_places_of_the_concurrency() -> None:
    barrier = threading.Barrier(3, timeout=WAIT)
    tasks = [Task(f"t{number}", barrier.wait, on="threads") for number in range(3)]
    ahead = Task("here", lambda: 1, ("t0",), on="main")
    results = TaskRunnerBuilder().build().run([*tasks, ahead], concurrency=3)
    assert all(result.ok for result in results.values())


def test_a_thread_makes_room_for_a_task_that_runs_here() -> None:
    order: list[str] = []
    chain = [Task(f"t{n}", lambda n=n: order.append(f"t{n}"), on="threads") for n in range(50)]
    here = Task("here", lambda: order.append("here"), ("t0",), on="main")
    results = TaskRunnerBuilder().build().run([*chain, here], concurrency=1)
    assert all(result.ok for result in results.values())
    assert order.index("here") < 5


def test_what_a_forgotten_runner_started_ends() -> None:
    async def where() -> threading.Thread:
        return threading.current_thread()

    def forget() -> tuple[threading.Thread, int]:
        results = TaskRunnerBuilder().build().run([Task("loop", where), Task("pid", os.getpid, on="processes")])
        return results["loop"].data, results["pid"].data

    loop, worker = forget()
    gc.collect()
    loop.join(WAIT)
    assert not loop.is_alive()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_a_thread_that_has_no_work_ends_and_the_next_work_starts_another() -> None:
    executor = ThreadsExecutor(idle=0.001)
    for _ in range(3):
        threads: list[threading.Thread] = []
        done = threading.Event()
        executor.submit(lambda: (threads.append(threading.current_thread()), done.set()))  # noqa: B023
        assert done.wait(WAIT)
        threads[0].join(WAIT)
        assert not threads[0].is_alive()
    executor.shutdown()
