"""OpenTelemetry spans of runs and tasks: a plugin. Needs `opentelemetry-api` (`pip install milepost[telemetry]`)."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from milepost.model.events import Event, EventKind
from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import PluginContext

_OPEN = context.create_key("milepost-open")
"""In a context: the span, of a task, that is the current one there."""


@dataclass(eq=False, slots=True)
class _Open:
    """A span under way, the context with it, and the one around its run; `attempt` counts a task's."""

    span: Span
    inside: Context
    outside: Context
    attempt: int = 1

    def enter(self) -> None:
        """Be the current span here, so that spans which the body starts are its children."""
        context.attach(context.set_value(_OPEN, self, self.inside))

    def leave(self) -> None:
        """Be it no more. Not by a token: a task may end in another thread than it began in, by a timeout."""
        if context.get_value(_OPEN) is self:
            context.attach(self.outside)


class OpenTelemetry:
    """A span for each run and, below it, one for each task; spans that a body starts are below its task's.

    A task's span has the attributes `milepost.task.name`, `.status`, `.restored`, `.attempt`, `.message`, `.seconds`,
    `.cpu_seconds` and `.peak_bytes`, as far as they are known, and events for progress, retries and the exception; a
    failed one, and a run with one, has the status ERROR. What is skipped or given back has a span without length.
    Bodies in worker processes have spans, too, but do not see them.

    Parameters
    ----------
    tracer_provider : TracerProvider, optional
        Where spans go; OpenTelemetry's global one by default.

    Examples
    --------
    >>> TaskRunnerBuilder().with_plugin(OpenTelemetry()).build().run(tasks)
    """

    name = "opentelemetry"
    version = "1"

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("milepost", tracer_provider=tracer_provider)
        self._runs: dict[str, _Open] = {}
        self._tasks: dict[tuple[str, str], _Open] = {}

    def install(self, context: PluginContext) -> None:
        """Listen to all events."""
        context.on("workflow_start", self._run_started)
        context.on("workflow_end", self._run_ended)
        context.on("task_start", self._task_started)
        for kind in ("task_progress", "task_retry"):
            context.on(kind, self._task_went_on)
        for kind in ("task_end", "task_skipped", "task_restored"):
            context.on(kind, self._task_ended)
        for kind in ("paused", "resumed"):
            context.on(kind, self._steered)

    # runs

    def _run_started(self, event: Event) -> None:
        outside = context.get_current()
        span = self._tracer.start_span("milepost run", outside, start_time=_time(event))
        span.set_attribute("milepost.run", event.run)
        self._runs[event.run] = _Open(span, trace.set_span_in_context(span, outside), outside)

    def _run_ended(self, event: Event) -> None:
        run = self._runs.pop(event.run)
        current = context.get_value(_OPEN)
        if isinstance(current, _Open) and current.outside is run.outside:
            current.leave()  # of a task that a timer ended
        if event.message:
            run.span.set_attribute("milepost.run.message", _text(event.message))
        run.span.end(_time(event))

    def _steered(self, event: Event) -> None:
        for run in tuple(self._runs.values()):
            run.span.add_event(str(event.kind), timestamp=_time(event))

    # tasks

    def _task_started(self, event: Event) -> None:
        opened = self._open(event)
        self._tasks[event.run, event.task] = opened
        opened.enter()

    def _open(self, event: Event) -> _Open:
        run = self._runs[event.run]
        span = self._tracer.start_span(_text(event.task), run.inside, start_time=_time(event))
        span.set_attribute("milepost.task.name", _text(event.task))
        return _Open(span, trace.set_span_in_context(span, run.inside), run.outside)

    def _task_went_on(self, event: Event) -> None:
        opened = self._tasks.get((event.run, event.task))
        if opened is None:
            return  # a body that a timer or a cancel has left behind
        told: dict[str, AttributeValue] = {"message": _text(event.message)}
        if event.kind is EventKind.TASK_RETRY and event.result is not None:
            told |= {"attempt": opened.attempt, "error": _text(str(event.result.error or ""))}
            opened.attempt += 1
        opened.span.add_event(event.kind.removeprefix("task_"), told, _time(event))

    def _task_ended(self, event: Event) -> None:
        opened = self._tasks.pop((event.run, event.task), None) or self._open(event)
        opened.leave()
        if event.result is not None:
            opened.span.set_attributes(_attributes(event.result, opened.attempt))
            self._tell_failure(event, opened.span, event.result)
        opened.span.end(_time(event))

    def _tell_failure(self, event: Event, span: Span, result: TaskResult) -> None:
        if result.error is not None and not result.restored:
            span.add_event("exception", _of_error(result.error), _time(event))
        if result.status is TaskStatus.FAILURE:
            span.set_status(Status(StatusCode.ERROR, _text(str(result.error or result.message))))
            self._runs[event.run].span.set_status(Status(StatusCode.ERROR, _text(f"task {event.task!r} failed")))


def _attributes(result: TaskResult, attempt: int) -> dict[str, AttributeValue]:
    facts: dict[str, AttributeValue | None] = {
        "status": str(result.status),
        "restored": result.restored,
        "message": _text(str(result.message)) or None,
    }
    if metrics := result.metrics:
        facts |= {"seconds": metrics.duration, "cpu_seconds": metrics.cpu, "peak_bytes": metrics.peak_bytes}
        facts |= {} if result.restored else {"attempt": attempt}
    return {f"milepost.task.{name}": value for name, value in facts.items() if value is not None}


def _of_error(error: TaskError) -> dict[str, AttributeValue]:
    """As OpenTelemetry's conventions for exceptions have it."""
    facts = {"type": error.type, "message": error.message, "stacktrace": error.traceback}
    return {f"exception.{name}": _text(text) for name, text in facts.items()}


def _time(event: Event) -> int:
    """Unix nanoseconds."""
    return int(event.time * 1e9)


def _text(text: str) -> str:
    """Without halves of characters, which no exporter can write."""
    return text.encode(errors="backslashreplace").decode()
