"""What the runner that this one extends could do already, on every backend: rows E1 to E8."""

from __future__ import annotations

import json
import logging
import os
import threading
from itertools import accumulate
from typing import Any

import pytest
from tests.engine.helpers import BACKENDS, Backend, Board, build, fails, in_thread, statuses, success

from milepost import CancelSignal, Snapshot, Task, TaskError, TaskMetrics, TaskResult, TaskRunnerBuilder, TaskStatus
from milepost.model.errors import TaskGraphError, UsageError

# E1, E2: steps and outcomes


def test_e1_a_body_gets_what_its_parameters_name(backend: Backend) -> None:
    def everything(context: Any, signal: CancelSignal, up: int, own: int = 5) -> Any:
        return context, signal.cancelled, up, own

    results = backend.build({"c": 1}).run(
        [
            backend.task("up", lambda: 3),
            backend.task("everything", everything, ("up",)),
            backend.task("later", lambda everything: everything, ("everything", "up")),
        ]
    )
    assert results["later"].data == ({"c": 1}, False, 3, 5)


def test_e1_a_body_that_takes_any_name_gets_the_data_of_all_dependencies(backend: Backend) -> None:
    def collect(one: int, own: int = 5, **rest: Any) -> Any:
        return one, own, rest

    loads = [backend.task(name, lambda: 1) for name in ("one", "two", "with space")]
    body = backend.task("body", collect, ("one", "two", "with space"))
    results = backend.build("context").run([*loads, body])
    assert results["body"].data == (1, 5, {"two": 1, "with space": 1})


def test_e1_a_body_runs_where_its_executor_says(backend: Backend) -> None:
    body = backend.task("a", lambda: (os.getpid(), threading.get_ident()))
    process, thread = backend.build().run([body])["a"].data
    assert (process == os.getpid()) is (backend.name != "processes")
    assert (thread == threading.get_ident()) is backend.inline or backend.name == "processes"


def test_e1_sync_and_async_bodies_work_side_by_side(backend: Backend) -> None:
    async def twice(up: int) -> int:
        return up * 2

    results = backend.build().run([Task("up", lambda: 3), Task("twice", twice, ("up",)), Task("b", int, ("twice",))])
    assert results["twice"].data == 6
    assert results["b"].ok


def test_e2_an_outcome_says_what_happened(backend: Backend) -> None:
    results = backend.build().run([backend.task("ok", lambda: 1), backend.task("bad", fails)])
    assert results["ok"] == TaskResult(TaskStatus.SUCCESS, data=1, metrics=results["ok"].metrics)
    metrics = results["ok"].metrics
    assert isinstance(metrics, TaskMetrics)
    assert metrics.end >= metrics.start > 0
    assert metrics.duration >= 0
    error = results["bad"].error
    assert isinstance(error, TaskError)
    assert (results["bad"].status, error.type, error.message) == (TaskStatus.FAILURE, "ValueError", "no luck")
    assert "in fails" in error.traceback
    assert isinstance(results["bad"].exception, ValueError)


def test_e2_a_result_that_the_body_returns_is_taken_as_it_is(backend: Backend) -> None:
    body = backend.task("a", lambda: TaskResult(TaskStatus.SKIPPED, "nothing to do"))
    results = backend.build().run([body, backend.task("b", print, ("a",))])
    assert statuses(results) == {"a": "skipped", "b": "skipped"}
    assert results["a"].message == "nothing to do"


# E3: the builder


def test_e3_the_builder_puts_strategy_listener_logger_snapshot_and_executor_together(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    heard: list[str] = []
    asked: list[str] = []

    class Asking:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def execute(self, call: Any) -> TaskResult:
            asked.append(call.task.name)
            result: TaskResult = self.inner.execute(call)
            return result

    builder = backend.builder(10)
    assert builder.use_strategy(Asking) is builder
    assert builder.on("task_end", lambda event: heard.append(event.task)) is builder
    assert builder.with_logger("json") is builder
    assert builder.with_snapshot(Snapshot({"kept": success(1)})) is builder
    results = builder.build().run(
        [backend.task("kept", fails), backend.task("b", lambda kept, context: kept + context, ("kept",))]
    )
    assert results["b"].data == 11
    assert asked == heard == ["b"]
    logged = [json.loads(record.message) for record in caplog.records]
    assert {"kept", "b"} <= {line["task"] for line in logged}


def test_e3_the_builder_says_what_it_does_not_know() -> None:
    with pytest.raises(UsageError, match="text"):
        TaskRunnerBuilder().with_logger("xml")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="threads"):
        TaskRunnerBuilder().with_executor("nowhere")
    with pytest.raises(UsageError, match="Snapshot"):
        TaskRunnerBuilder().with_snapshot({})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="task_start"):
        TaskRunnerBuilder().on("task_begin", print).build()


# E4: validation


def test_e4_nothing_runs_when_the_graph_is_wrong(backend: Backend) -> None:
    heard: list[str] = []
    tasks = [
        backend.task("fine", fails),
        Task("fine", print),
        Task("b", print, ("fin",)),
        Task("x", print, ("y",)),
        Task("y", print, ("x",)),
    ]
    runner = backend.builder().on("*", lambda event: heard.append(event.kind)).build()
    with pytest.raises(TaskGraphError, match="x → y → x") as caught:
        runner.run(tasks)
    assert len(caught.value.problems) == 3
    assert heard == []
    assert not runner.snapshot()
    with pytest.raises(TaskGraphError, match="'nobody'"):
        runner.run([Task("a", print)], only=["nobody"])


def chain(backend: Backend, head: Any, length: int) -> list[Task]:
    rest = [backend.task(f"t{n}", int, (f"t{n - 1}",)) for n in range(1, length)]
    return [backend.task("t0", head), *rest]


def test_e4_a_chain_of_many_runs_without_recursion(backend: Backend) -> None:
    length = 5_000 if backend.name in ("main", "threads") else 1_200  # beyond the recursion limit
    results = backend.build().run(chain(backend, int, length))
    assert all(result.ok for result in results.values())


def test_e4_e6_a_failure_at_the_head_of_a_very_long_chain_skips_it_all() -> None:
    results = build().run(chain(BACKENDS[0], fails, 100_000))
    assert sum(result.status is TaskStatus.SKIPPED for result in results.values()) == 99_999


# E5: concurrency and order


def test_e5_as_many_as_concurrency_run_together_and_no_more(backend: Backend, board: Board) -> None:
    def body() -> None:
        board.note("in")
        board.pass_gate("out")
        board.note("out")

    together = 1 if backend.inline else 3
    board.shut("out")
    handle = backend.build().start([backend.task(f"t{n}", body) for n in range(9)], concurrency=3)
    board.wait_for("in", together)
    board.open("out")
    results = handle.wait(30)
    assert all(result.ok for result in results.values())
    steps = [1 if word == "in" else -1 for word in board.notes()]
    assert len(steps) == 18
    assert max(accumulate(steps)) == together


def test_e5_the_higher_priority_comes_first_and_equal_ones_keep_their_order(backend: Backend, board: Board) -> None:
    ranks = {"a": 0, "b": 2, "c": 0, "d": 2, "e": -1}
    tasks = [
        backend.task(name, lambda name=name: board.note(name) and None, priority=rank) for name, rank in ranks.items()
    ]
    backend.build().run(tasks, concurrency=1)
    assert board.notes() == ["b", "d", "a", "c", "e"]


def test_e5_what_becomes_ready_goes_before_what_waits_with_less_priority(backend: Backend, board: Board) -> None:
    tasks = [
        backend.task("first", lambda: board.note("first"), priority=1),
        backend.task("low", lambda: board.note("low")),
        backend.task("urgent", lambda: board.note("urgent"), ("first",), priority=5),
    ]
    backend.build().run(tasks, concurrency=1)
    assert board.notes() == ["first", "urgent", "low"]


# E6, E7, E8: what follows a failure


def test_e6_what_depends_on_a_failure_is_skipped_with_the_reason_and_the_rest_goes_on(backend: Backend) -> None:
    results = backend.build().run(
        [
            backend.task("bad", fails),
            backend.task("b", print, ("bad",)),
            backend.task("c", print, ("b",)),
            backend.task("other", lambda: 1),
            backend.task("more", lambda other: other + 1, ("other",)),
        ]
    )
    assert statuses(results) == {
        "bad": "failure",
        "b": "skipped",
        "c": "skipped",
        "other": "success",
        "more": "success",
    }
    assert "'bad' failed" in results["b"].message
    assert "'b' was skipped" in results["c"].message


def test_e7_continue_on_error_lets_dependents_run_and_stays_a_failure(backend: Backend) -> None:
    bad = backend.task("bad", fails, continue_on_error=True)
    results = backend.build().run([bad, backend.task("b", lambda bad: [bad], ("bad",))])
    assert statuses(results) == {"bad": "failure", "b": "success"}
    assert results["b"].data == [None]


def test_e8_a_condition_decides_and_a_broken_one_fails(backend: Backend) -> None:
    async def never(context: Any) -> bool:
        return False

    def broken(context: Any) -> bool:
        return bool(context["missing"])

    results = backend.build({"on": True, "off": 0}).run(
        [
            backend.task("yes", lambda: 1, condition=lambda context: context["on"]),
            backend.task("no", fails, condition=lambda context: context["off"]),
            backend.task("later", fails, condition=never),
            backend.task("broken", fails, condition=broken),
            backend.task("after", print, ("no",)),
            backend.task("behind", print, ("broken",)),
        ]
    )
    assert statuses(results) == {
        "yes": "success",
        "no": "skipped",
        "later": "skipped",
        "broken": "failure",
        "after": "skipped",
        "behind": "skipped",
    }
    assert "condition" in results["no"].message
    assert results["broken"].error is not None
    assert results["broken"].error.type == "KeyError"


def test_e8_a_condition_is_asked_when_the_task_could_start_and_not_before(backend: Backend, board: Board) -> None:
    asked: list[bool] = []

    def condition(context: Any) -> bool:
        asked.append("a" in board.notes())
        return True

    tasks = [backend.task("a", lambda: board.note("a")), backend.task("b", print, ("a",), condition=condition)]
    thread = in_thread(lambda: backend.build().run(tasks))
    thread.join(30)
    assert asked == [True]
    assert build().run([Task("c", print, condition=lambda context: False)])["c"].data is None
