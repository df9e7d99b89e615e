"""What the runner that this one extends could do already (rows E1 to E8), as users meet it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from milepost import (
    CancelSignal,
    Task,
    TaskError,
    TaskMetrics,
    TaskResult,
    TaskRunner,
    TaskRunnerBuilder,
    TaskStatus,
)
from milepost.model.errors import TaskGraphError, UsageError

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
