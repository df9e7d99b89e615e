"""What the runner that this one extends could do already (rows E1 to E19), as users meet it."""

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
    TaskError,
    TaskGraph,
    TaskMetrics,
    TaskResult,
    TaskRunner,
    TaskRunnerBuilder,
    TaskStatus,
)
from milepost.model.errors import TaskGraphError, UsageError
from milepost.ports import ExecutionStrategy, PluginContext, TaskCall
from milepost.testing.clock import FakeClock

WAIT = 30  # seconds until a test that would hang fails


def fails() -> None:
    raise ValueError("no luck")


def build(context: Any = None) -> TaskRunner:
    return TaskRunnerBuilder(context).build()


def statuses(results: Any) -> dict[str, str]:
    return {name: str(result.status) for name, result in results.items()}


# E1, E2: steps and outcomes


@pytest.mark.parametrize("executor", ["main", "threads"])
def test_e1_a_body_gets_what_its_parameters_name(executor: str) -> None:
    def everything(context: Any, signal: CancelSignal, up: int, own: int = 5) -> Any:
        return context, signal.cancelled, up, own

    async def later(everything: Any) -> Any:
        await asyncio.sleep(0)
        return everything

    runner = TaskRunnerBuilder({"c": 1}).with_executor(executor).build()
    results = runner.run(
        [Task("up", lambda: 3), Task("everything", everything, ("up",)), Task("later", later, ("everything",))]
    )
    assert results["later"].data == ({"c": 1}, False, 3, 5)


def test_e1_a_task_is_checked_when_it_is_made() -> None:
    for make in (lambda: Task("", print), lambda: Task("a", 3), lambda: Task("a", print, "b")):  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            make()


def test_e2_an_outcome_says_what_happened() -> None:
    results = build().run([Task("ok", lambda: 1), Task("bad", fails)])
    assert (results["ok"].status, results["ok"].data, results["ok"].error) == (TaskStatus.SUCCESS, 1, None)
    metrics = results["ok"].metrics
    assert isinstance(metrics, TaskMetrics)
    assert metrics.end >= metrics.start > 0
    assert metrics.duration >= 0
    error = results["bad"].error
    assert isinstance(error, TaskError)
    assert (error.type, error.message) == ("ValueError", "no luck")
    assert "in fails" in error.traceback
    assert isinstance(results["bad"].exception, ValueError)


def test_e2_a_result_that_the_body_returns_is_taken_as_it_is() -> None:
    body = Task("a", lambda: TaskResult(TaskStatus.SKIPPED, "nothing to do"))
    results = build().run([body, Task("b", print, ("a",))])
    assert statuses(results) == {"a": "skipped", "b": "skipped"}
    assert results["a"].message == "nothing to do"


# E3: the builder


def test_e3_the_builder_is_fluent_and_says_what_it_does_not_know() -> None:
    builder = TaskRunnerBuilder(1)
    assert builder.on("*", print).with_logger("text").with_executor("main").use_strategy(lambda inner: inner) is builder
    with pytest.raises(UsageError, match="text"):
        TaskRunnerBuilder().with_logger("xml")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="threads"):
        TaskRunnerBuilder().with_executor("nowhere")
    with pytest.raises(UsageError, match="Snapshot"):
        TaskRunnerBuilder().with_snapshot({})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="task_start"):
        TaskRunnerBuilder().on("task_begin", print).build()


# E4: validation


def test_e4_nothing_runs_when_the_graph_is_wrong() -> None:
    ran: list[int] = []
    tasks = [
        Task("a", lambda: ran.append(1)),
        Task("a", print),
        Task("b", print, ("aa",)),
        Task("x", print, ("y",)),
        Task("y", print, ("x",)),
    ]
    runner = build()
    with pytest.raises(TaskGraphError, match="x → y → x") as caught:
        runner.run(tasks)
    assert len(caught.value.problems) == 3
    assert not ran
    assert not runner.snapshot()
    with pytest.raises(TaskGraphError, match="'nobody'"):
        runner.run([Task("a", print)], only=["nobody"])


@pytest.mark.parametrize("executor", ["main", "threads"])
def test_e4_a_chain_of_many_runs_without_recursion(executor: str) -> None:
    tasks = [Task(f"t{n}", int, (f"t{n - 1}",) if n else ()) for n in range(5_000)]
    results = TaskRunnerBuilder().with_executor(executor).build().run(tasks)
    assert all(result.ok for result in results.values())


def test_e6_a_failure_at_the_head_of_a_long_chain_skips_it_all() -> None:
    tasks = [Task("t0", fails), *(Task(f"t{n}", int, (f"t{n - 1}",)) for n in range(1, 5_000))]
    results = build().run(tasks)
    assert sum(result.status is TaskStatus.SKIPPED for result in results.values()) == 4_999


# E5: concurrency and order


def test_e5_as_many_as_concurrency_run_together_and_no_more() -> None:
    barrier, lock = threading.Barrier(3), threading.Lock()
    now, most = 0, 0

    def body() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        barrier.wait(WAIT)  # only passes when three are here at once
        with lock:
            now -= 1

    results = build().run([Task(f"t{n}", body) for n in range(9)], concurrency=3)
    assert all(result.ok for result in results.values())
    assert most == 3
    with pytest.raises(UsageError, match="concurrency"):
        build().run([], concurrency=0)


@pytest.mark.parametrize("executor", ["main", "threads"])
def test_e5_the_higher_priority_comes_first_and_equal_ones_keep_their_order(executor: str) -> None:
    order: list[str] = []
    ranks = {"a": 0, "b": 2, "c": 0, "d": 2, "e": -1}
    tasks = [Task(name, lambda name=name: order.append(name), priority=rank) for name, rank in ranks.items()]
    TaskRunnerBuilder().with_executor(executor).build().run(tasks, concurrency=1)
    assert order == ["b", "d", "a", "c", "e"]


# E6, E7, E8: what follows a failure


def test_e6_what_depends_on_a_failure_is_skipped_with_the_reason_and_the_rest_goes_on() -> None:
    results = build().run(
        [Task("bad", fails), Task("b", print, ("bad",)), Task("c", print, ("b",)), Task("other", lambda: 1)]
    )
    assert statuses(results) == {"bad": "failure", "b": "skipped", "c": "skipped", "other": "success"}
    assert "'bad' failed" in results["b"].message
    assert "'b' was skipped" in results["c"].message


def test_e7_continue_on_error_lets_dependents_run_and_stays_a_failure() -> None:
    results = build().run([Task("bad", fails, continue_on_error=True), Task("b", lambda bad: [bad], ("bad",))])
    assert statuses(results) == {"bad": "failure", "b": "success"}
    assert results["b"].data == [None]


def test_e8_a_condition_decides_and_a_broken_one_fails() -> None:
    async def never(context: Any) -> bool:
        return False

    def broken(context: Any) -> bool:
        return bool(context["missing"])

    results = build({"on": True}).run(
        [
            Task("yes", lambda: 1, condition=lambda context: context["on"]),
            Task("no", fails, condition=never),
            Task("broken", fails, condition=broken),
            Task("after", print, ("no",)),
        ]
    )
    assert statuses(results) == {"yes": "success", "no": "skipped", "broken": "failure", "after": "skipped"}
    assert results["broken"].error is not None
    assert results["broken"].error.type == "KeyError"


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
