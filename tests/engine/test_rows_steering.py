"""Repeating, ending early, wrapping and watching a run, on every backend: rows E9 to E19."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, Board, build, fails, in_thread, statuses

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


@pytest.mark.parametrize("how", ["signal", "runner", "handle"])
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
        handle = runner.start(tasks)
        board.wait_for("running")
        runner.cancel("stop") if how == "runner" else handle.cancel("stop")
        results = handle.wait(WAIT)
    assert statuses(results) == {"done": "success", "running": "cancelled", "waits": "cancelled"}
    assert results["done"].data == 1
    assert "stop" in results["running"].message
    assert board.notes() == ["running"]
    assert not runner.running


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


# E15, E16: events and plugins


def test_e15_events_come_in_order_and_a_failing_listener_breaks_nothing(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("listener bug")

    runner = backend.builder().on("*", broken).on("*", heard.append).build()
    results = runner.run([backend.task("bad", fails), backend.task("b", print, ("bad",))])
    assert [(str(event.kind), event.task) for event in heard] == [
        ("workflow_start", ""),
        ("task_start", "bad"),
        ("task_end", "bad"),
        ("task_skipped", "b"),
        ("workflow_end", ""),
    ]
    assert heard[2].result == results["bad"] == runner.snapshot()["bad"]
    assert [event.time for event in heard] == sorted(event.time for event in heard)
    assert "listener bug" in caplog.text


def test_e15_a_listener_can_leave_again(backend: Backend) -> None:
    heard: list[Event] = []
    runner = backend.build()
    leave = runner.on("task_end", heard.append)
    runner.run([backend.task("a", int)])
    leave()
    runner.run([backend.task("a", int)])
    assert len(heard) == 1


def test_e15_pause_holds_back_starts_until_resume(backend: Backend, board: Board) -> None:
    kinds: list[str] = []
    ended = threading.Event()

    def body() -> None:
        board.note("first")
        board.pass_gate("go on")

    runner = backend.builder().on("task_end", lambda event: ended.set()).build()
    runner.on("*", lambda event: kinds.append(str(event.kind)))
    board.shut("go on")
    handle = runner.start([backend.task("a", body), backend.task("b", lambda: 1, ("a",))])
    board.wait_for("first")
    handle.pause()
    board.open("go on")
    assert ended.wait(WAIT)
    with pytest.raises(TimeoutError):
        handle.wait(0.05)
    assert list(runner.snapshot()) == ["a"]
    assert runner.paused
    handle.resume()
    assert handle.wait(WAIT)["b"].data == 1
    assert kinds == [
        "workflow_start",
        "task_start",
        "paused",
        "task_end",
        "resumed",
        "task_start",
        "task_end",
        "workflow_end",
    ]


def test_e15_progress_reaches_the_listeners(backend: Backend) -> None:
    heard: list[tuple[str, str]] = []
    runner = backend.builder().on("task_progress", lambda event: heard.append((event.task, event.message))).build()
    runner.run([backend.task("a", lambda progress: progress("half"))])
    assert heard == [("a", "half")]


def test_e16_a_plugin_installs_itself_and_a_broken_one_is_left_out(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    class Counting:
        name, version = "counting", "1"

        def install(self, context: PluginContext) -> None:
            context.on("task_end", lambda event: heard.append(event.task))

    class Broken(Counting):
        name = "broken"

        def install(self, context: PluginContext) -> None:
            raise RuntimeError("cannot")

    backend.builder().with_plugin(Broken()).with_plugin(Counting()).build().run([backend.task("a", int)])
    assert heard == ["a"]
    assert "'broken'" in caplog.text
    with pytest.raises(UsageError, match="install"):
        TaskRunnerBuilder().with_plugin(object()).build()  # type: ignore[arg-type]


# E17, E18: logs and drawings


@pytest.mark.parametrize("style", ["text", "json"])
def test_e17_events_are_logged(backend: Backend, style: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    backend.builder().with_logger(style).build().run([backend.task("bad", fails)])
    lines = [record.message for record in caplog.records if record.name == "milepost.run"]
    (line,) = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    if style == "json":
        assert [json.loads(line)["event"] for line in lines] == [
            "workflow_start",
            "task_start",
            "task_end",
            "workflow_end",
        ]
        data = json.loads(line)
        assert (data["event"], data["task"], data["status"]) == ("task_end", "bad", "failure")
        assert data["error"] == "ValueError: no luck"
    else:
        assert lines == ["workflow start", "task start bad", line, "workflow end"]
        assert line.startswith("task end bad failure ValueError: no luck (")


def test_e18_a_runner_gives_its_graph(backend: Backend) -> None:
    runner = backend.build()
    runner.add(backend.task('a "quoted" --> name', print))
    runner.add(backend.task("b", print, ('a "quoted" --> name',)))
    graph = runner.graph()
    assert isinstance(graph, TaskGraph)
    assert graph.to_mermaid() == 'graph TD\n  t0["a #34;quoted#34; --#62; name"]\n  t1["b"]\n  t0 --> t1\n'
    assert "t0 -> t1;" in graph.to_dot()


def test_e19_each_result_is_there_as_soon_as_its_task_has_ended(backend: Backend) -> None:
    runner = backend.build()
    seen: list[Any] = []
    runner.on("task_end", lambda event: seen.append(dict(runner.snapshot())[event.task].data))
    runner.run([backend.task("a", lambda: 1), backend.task("b", lambda a: a + 1, ("a",))])
    assert seen == [1, 2]
