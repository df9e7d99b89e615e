"""Repeating, ending early, wrapping and watching a run (rows E9 to E19), as users meet it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest

from milepost import (
    CancelSignal,
    Event,
    LoopPolicy,
    RetryPolicy,
    Task,
    TaskGraph,
    TaskResult,
    TaskRunner,
    TaskRunnerBuilder,
    TaskStatus,
)
from milepost.model.errors import UsageError
from milepost.ports import ExecutionStrategy, PluginContext, TaskCall
from milepost.testing.clock import FakeClock

WAIT = 30  # seconds until a test that would hang fails


def fails() -> None:
    raise ValueError("no luck")


def build(context: Any = None) -> TaskRunner:
    return TaskRunnerBuilder(context).build()


def statuses(results: Any) -> dict[str, str]:
    return {name: str(result.status) for name, result in results.items()}


# E9, E10: again


def test_e9_retries_follow_their_policy() -> None:
    clock = FakeClock()
    calls: list[str] = []

    def flaky(name: str, error: Exception) -> Any:
        def body() -> None:
            calls.append(name)
            raise error

        return body

    results = (
        TaskRunnerBuilder()
        .with_clock(clock)
        .build()
        .run(
            [
                Task("fixed", flaky("fixed", OSError("x")), retry=RetryPolicy(3, 5.0)),
                Task("other", flaky("other", KeyError("x")), retry=RetryPolicy(3, 5.0, retry_on=(OSError,))),
                Task("plain", flaky("plain", OSError("x"))),
            ],
            concurrency=1,
        )
    )
    assert calls == ["fixed"] * 3 + ["other", "plain"]
    assert clock.sleeps == [5.0, 5.0]
    assert "attempt 3 of 3" in results["fixed"].message


def test_e9_jitter_adds_at_most_its_share() -> None:
    clock = FakeClock()
    task = Task("a", fails, retry=RetryPolicy(4, 10.0, "exponential", jitter=0.5))
    TaskRunnerBuilder().with_clock(clock).build().run([task])
    assert all(base <= slept <= 1.5 * base for base, slept in zip([10, 20, 40], clock.sleeps, strict=True))


def test_e10_a_loop_polls_until_its_predicate_holds() -> None:
    clock, numbers = FakeClock(), iter(range(100))
    task = Task("poll", lambda: next(numbers), loop=LoopPolicy(lambda data: data == 3, interval=2.0))
    results = TaskRunnerBuilder().with_clock(clock).build().run([task])
    assert results["poll"].data == 3
    assert clock.sleeps == [2.0, 2.0, 2.0]


def test_e10_a_loop_ends_in_failure_after_its_iterations() -> None:
    calls: list[int] = []
    loop = LoopPolicy(lambda data: False, max_iterations=4)
    results = build().run([Task("poll", lambda: calls.append(1), loop=loop), Task("b", print, ("poll",))])
    assert len(calls) == 4
    assert statuses(results) == {"poll": "failure", "b": "skipped"}
    assert "4 iterations" in results["poll"].message


# E11, E12, E19: ends before the end


def test_e11_a_late_task_fails_alone() -> None:
    results = build().run(
        [Task("late", lambda signal: signal.wait(WAIT), timeout=0.01), Task("b", print, ("late",)), Task("c", int)]
    )
    assert statuses(results) == {"late": "failure", "b": "skipped", "c": "success"}
    assert results["late"].error is not None
    assert results["late"].error.type == "TaskTimeout"


def test_e11_e19_a_late_run_cancels_what_is_pending_and_keeps_the_rest() -> None:
    tasks = [Task("a", lambda: 1), Task("b", lambda signal: signal.wait(WAIT), ("a",)), Task("c", print, ("b",))]
    results = build().run(tasks, timeout=0.2)
    assert results["a"].data == 1
    assert results["c"].status is TaskStatus.CANCELLED
    assert "longer than its 0.2 s" in results["c"].message


def test_e12_cancelled_before_the_start_nothing_runs() -> None:
    signal = CancelSignal()
    signal.cancel("not today")
    results = build().run([Task("a", fails), Task("b", fails, ("a",))], signal=signal)
    assert statuses(results) == {"a": "cancelled", "b": "cancelled"}
    assert "not today" in results["a"].message


@pytest.mark.parametrize("how", ["signal", "runner", "handle"])
def test_e12_e19_the_running_task_gets_the_signal_and_results_are_kept(how: str) -> None:
    running = threading.Event()
    reasons: list[str] = []

    def body(done: int, signal: CancelSignal) -> None:
        running.set()
        signal.wait(WAIT)
        reasons.append(signal.reason)
        signal.raise_if_cancelled()

    tasks = [Task("done", lambda: 1), Task("running", body, ("done",)), Task("waits", print, ("running",))]
    runner, signal = build(), CancelSignal()

    def cancel_once_it_runs() -> None:
        assert running.wait(WAIT)
        runner.cancel("stop") if how == "runner" else signal.cancel("stop")

    if how == "handle":
        handle = runner.start(tasks)
        assert running.wait(WAIT)
        handle.cancel("stop")
        results = handle.wait(WAIT)
    else:
        thread = threading.Thread(target=cancel_once_it_runs)
        thread.start()
        results = runner.run(tasks, signal=signal)
        thread.join()
    assert statuses(results) == {"done": "success", "running": "cancelled", "waits": "cancelled"}
    assert results["done"].data == 1
    assert reasons == ["stop"]
    assert not runner.running


def test_e12_cancelling_the_awaiting_task_cancels_the_run() -> None:
    running = threading.Event()

    def body(signal: CancelSignal) -> None:
        running.set()
        signal.wait(WAIT)
        signal.raise_if_cancelled()

    async def main() -> TaskRunner:
        runner = build()
        waiting = asyncio.ensure_future(runner.execute([Task("a", body)]))
        await asyncio.to_thread(running.wait, WAIT)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return runner

    assert asyncio.run(main()).snapshot()["a"].status is TaskStatus.CANCELLED


# E13, E14: strategies


def test_e13_strategies_wrap_one_another_the_last_outermost() -> None:
    seen: list[str] = []

    class Noting:
        def __init__(self, inner: ExecutionStrategy, name: str) -> None:
            self.inner, self.name = inner, name

        def execute(self, call: TaskCall) -> TaskResult:
            seen.append(f"{self.name} {call.task.name}")
            return self.inner.execute(call)

    builder = TaskRunnerBuilder()
    for name in ("inner", "outer"):
        builder.use_strategy(lambda inner, name=name: Noting(inner, name))
    assert builder.build().run([Task("a", lambda: 1)])["a"].data == 1
    assert seen == ["outer a", "inner a"]


def test_e14_a_dry_run_gives_order_and_conditions_without_the_work() -> None:
    started: list[str] = []
    tasks = [
        Task("a", fails),
        Task("no", fails, condition=lambda context: False),
        Task("b", fails, ("a",)),
        Task("c", fails, ("no",)),
    ]
    runner = TaskRunnerBuilder().on("task_start", lambda event: started.append(event.task)).build()
    results = runner.run(tasks, dry_run=True)
    assert started == ["a", "b"]
    assert statuses(results) == {"a": "success", "no": "skipped", "b": "success", "c": "skipped"}
    assert not runner.snapshot(), "a dry run leaves no results"


def test_e14_a_dry_run_after_a_run_shows_what_would_run_again() -> None:
    ran: list[int] = []
    started: list[str] = []
    runner = TaskRunnerBuilder().on("task_start", lambda event: started.append(event.task)).build()
    runner.add(Task("a", lambda: ran.append(1)))
    before = runner.run()
    started.clear()
    runner.run(dry_run=True)
    assert started == ["a"]
    assert ran == [1]
    assert runner.snapshot() == before


# E15, E16: events and plugins


def test_e15_events_come_in_order_and_a_failing_listener_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("listener bug")

    runner = TaskRunnerBuilder().on("*", broken).on("*", heard.append).with_executor("main").build()
    runner.run([Task("bad", fails), Task("b", print, ("bad",))])
    assert [(str(event.kind), event.task) for event in heard] == [
        ("workflow_start", ""),
        ("task_start", "bad"),
        ("task_end", "bad"),
        ("task_skipped", "b"),
        ("workflow_end", ""),
    ]
    assert heard[2].result is runner.snapshot()["bad"]
    assert "listener bug" in caplog.text


def test_e15_a_listener_can_leave_again() -> None:
    heard: list[Event] = []
    runner = build()
    leave = runner.on("task_end", heard.append)
    runner.run([Task("a", int)])
    leave()
    runner.run([Task("a", int)])
    assert len(heard) == 1


def test_e15_pause_holds_back_starts_until_resume() -> None:
    first, go_on = threading.Event(), threading.Event()
    ended = threading.Event()

    def body() -> None:
        first.set()
        assert go_on.wait(WAIT)

    runner = TaskRunnerBuilder().on("task_end", lambda event: ended.set()).build()
    handle = runner.start([Task("a", body), Task("b", lambda: 1, ("a",))])
    assert first.wait(WAIT)
    handle.pause()
    go_on.set()
    assert ended.wait(WAIT)
    with pytest.raises(TimeoutError):
        handle.wait(0.05)
    assert list(runner.snapshot()) == ["a"]
    assert runner.paused
    handle.resume()
    assert handle.wait(WAIT)["b"].data == 1


def test_e16_a_plugin_installs_itself_and_a_broken_one_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    class Counting:
        name, version = "counting", "1"

        def install(self, context: PluginContext) -> None:
            context.on("task_end", lambda event: heard.append(event.task))

    class Broken(Counting):
        name = "broken"

        def install(self, context: PluginContext) -> None:
            raise RuntimeError("cannot")

    TaskRunnerBuilder().with_plugin(Broken()).with_plugin(Counting()).build().run([Task("a", int)])
    assert heard == ["a"]
    assert "'broken'" in caplog.text
    with pytest.raises(UsageError, match="install"):
        TaskRunnerBuilder().with_plugin(object()).build()  # type: ignore[arg-type]


# E17, E18: logs and drawings


@pytest.mark.parametrize("style", ["text", "json"])
def test_e17_events_are_logged(style: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    TaskRunnerBuilder().with_logger(style).build().run([Task("bad", fails)])
    (line,) = [record for record in caplog.records if "task" in record.message and record.levelno == logging.ERROR]
    if style == "json":
        data = json.loads(line.message)
        assert (data["event"], data["task"], data["status"]) == ("task_end", "bad", "failure")
        assert data["error"] == "ValueError: no luck"
    else:
        assert line.message == "task end bad failure ValueError: no luck"


def test_e18_a_runner_gives_its_graph() -> None:
    runner = build()
    runner.add(Task("a", print))
    runner.add(Task("b", print, ("a",)))
    graph = runner.graph()
    assert isinstance(graph, TaskGraph)
    assert graph.to_mermaid() == 'graph TD\n  t0["a"]\n  t1["b"]\n  t0 --> t1\n'
    assert "t0 -> t1;" in graph.to_dot()


def test_e19_each_result_is_there_as_soon_as_its_task_has_ended() -> None:
    runner = build()
    seen: list[Any] = []
    runner.on("task_end", lambda event: seen.append(dict(runner.snapshot())[event.task].data))
    runner.run([Task("a", lambda: 1), Task("b", lambda a: a + 1, ("a",))])
    assert seen == [1, 2]
