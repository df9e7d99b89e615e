"""OpenTelemetry spans of runs and tasks, on every backend."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, Board, fails, in_thread, success

from milepost import RetryPolicy, Snapshot, Task, TaskRunner

pytest.importorskip("opentelemetry.sdk")

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from milepost.telemetry import OpenTelemetry


class Tracing:
    """Spans that are kept."""

    def __init__(self) -> None:
        self.kept = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.tracer = self.provider.get_tracer("test")

    def runner(self, backend: Backend, context: Any = None) -> TaskRunner:
        return backend.builder(context).with_plugin(OpenTelemetry(self.provider)).build()

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        """By name."""
        return {span.name: span for span in self.kept.get_finished_spans()}

    def children(self, parent: ReadableSpan) -> list[str]:
        found = self.kept.get_finished_spans()
        return sorted(s.name for s in found if s.parent and s.parent.span_id == parent.context.span_id)


@pytest.fixture
def tracing() -> Tracing:
    return Tracing()


def facts(span: ReadableSpan) -> dict[str, Any]:
    return {key.removeprefix("milepost.task."): value for key, value in (span.attributes or {}).items()}


def test_a_run_has_a_span_and_each_task_one_below_it(backend: Backend, tracing: Tracing) -> None:
    tracing.runner(backend).run([backend.task("a", lambda: 1), backend.task("b", lambda a: a, ("a",))])
    spans = tracing.spans
    assert set(spans) == {"milepost run", "a", "b"}
    run = spans["milepost run"]
    assert run.parent is None
    assert tracing.children(run) == ["a", "b"]
    told = facts(spans["a"])
    assert {key: told[key] for key in ("name", "status", "attempt", "restored")} == {
        "name": "a",
        "status": "success",
        "attempt": 1,
        "restored": False,
    }
    assert told["seconds"] > 0
    assert ("cpu_seconds" in told) is (backend.name != "coroutines")
    for span in spans.values():
        assert span.status.is_unset
        assert run.start_time <= span.start_time <= span.end_time <= run.end_time  # type: ignore[operator]


def test_a_failure_is_an_error_with_its_exception_and_its_attempts(
    backend: Backend, tracing: Tracing, board: Board
) -> None:
    def body(progress: Any) -> None:
        progress(f"call {board.note('call')}")
        raise ValueError("no luck")

    tasks = [backend.task("bad", body, retry=RetryPolicy(2)), backend.task("next", print, ("bad",))]
    tracing.runner(backend).run(tasks)
    spans = tracing.spans
    bad = spans["bad"]
    assert not bad.status.is_ok
    assert bad.status.description == "ValueError: no luck"
    assert spans["milepost run"].status.description == "task 'bad' failed"
    assert facts(bad)["attempt"] == 2
    assert facts(bad)["message"] == "no luck (attempt 2 of 2)"
    told = [(event.name, dict(event.attributes or {})) for event in bad.events]
    assert [name for name, _ in told] == ["progress", "retry", "progress", "exception"]
    assert told[1][1]["attempt"] == 1
    assert told[1][1]["error"] == "ValueError: no luck"
    assert (told[3][1]["exception.type"], told[3][1]["exception.message"]) == ("ValueError", "no luck")
    assert "in body" in str(told[3][1]["exception.stacktrace"])
    assert facts(spans["next"])["status"] == "skipped"
    assert spans["next"].status.is_unset


def test_what_is_restored_has_a_span_that_says_so(backend: Backend, tracing: Tracing) -> None:
    runner = backend.builder().with_snapshot(Snapshot({"kept": success(1)}))
    runner.with_plugin(OpenTelemetry(tracing.provider)).build().run([backend.task("kept", fails)])
    kept = tracing.spans["kept"]
    assert (facts(kept)["status"], facts(kept)["restored"]) == ("success", True)
    assert kept.start_time == kept.end_time


def test_spans_of_the_body_are_below_its_tasks_and_the_caller_is_above_the_run(
    backend: Backend, tracing: Tracing
) -> None:
    if backend.name == "processes":
        pytest.skip("a body in a worker process does not see its span")

    def body() -> None:
        with tracing.tracer.start_as_current_span("query"):
            pass

    async def later() -> None:
        body()

    with tracing.tracer.start_as_current_span("caller") as caller:
        runner = tracing.runner(backend)
        runner.run([backend.task("a", body), Task("b", later), backend.task("c", int)])
        assert trace.get_current_span() is caller, "the run leaves the context as it was"
    spans = tracing.spans
    assert tracing.children(spans["caller"]) == ["milepost run"]
    assert tracing.children(spans["milepost run"]) == ["a", "b", "c"]
    assert tracing.children(spans["a"]) == tracing.children(spans["b"]) == ["query"]


def test_a_task_that_a_timer_ends_leaves_no_span_open_or_current(backend: Backend, tracing: Tracing) -> None:
    def waits(signal: Any) -> None:
        signal.wait(WAIT)
        signal.raise_if_cancelled()

    runner = tracing.runner(backend)
    runner.run([backend.task("first", int)])  # has what it runs in
    runner.run([backend.task("next", int), backend.task("late", waits, timeout=0.1)])
    assert trace.get_current_span() is trace.INVALID_SPAN
    spans = tracing.spans
    assert spans["late"].status.description == "TaskTimeout: it took longer than its 0.1 s"
    assert tracing.children(spans["milepost run"]) == ["late", "next"]


def test_a_cancelled_run_says_why(backend: Backend, tracing: Tracing) -> None:
    runner = tracing.runner(backend)
    runner.on("task_start", lambda event: runner.cancel("enough"))
    runner.run([backend.task("a", fails), backend.task("b", int, ("a",))])
    spans = tracing.spans
    assert (spans["milepost run"].attributes or {})["milepost.run.message"] == "enough"
    assert facts(spans["b"])["status"] == "cancelled"


def test_runs_side_by_side_have_their_own_tasks(backend: Backend, tracing: Tracing, board: Board) -> None:
    runner = tracing.runner(backend)
    board.shut("out")

    def body() -> None:
        board.note("in")
        board.pass_gate("out")

    threads = [in_thread(lambda name=name: runner.run([backend.task(name, body)])) for name in ("a", "b")]
    board.wait_for("in", 2)
    board.open("out")
    for thread in threads:
        thread.join(WAIT)
    runs = [span for span in tracing.kept.get_finished_spans() if span.name == "milepost run"]
    assert sorted(tracing.children(run) for run in runs) == [["a"], ["b"]]


def test_odd_names_can_be_exported(tracing: Tracing) -> None:
    backend = Backend("threads", "threads")
    for name in ("two\nlines", "half \ud800", "日本 🎉", " "):
        tracing.runner(backend).run([backend.task(name, fails)])
    for span in tracing.kept.get_finished_spans():
        span.to_json().encode()
        span.name.encode()


def test_milepost_itself_does_not_import_it() -> None:
    code = "import sys, milepost; assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
