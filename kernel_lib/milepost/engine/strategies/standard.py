"""Run the body once, with the arguments that its parameters name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from dataclasses import replace
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from milepost.engine.nesting import noted
from milepost.engine.usage import FRESH, ThreadSeconds, peak_bytes, raised_here
from milepost.model import checks
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskCancelled, UsageError
from milepost.model.graph import did_you_mean
from milepost.model.parameters import NOTHING, data_names, parameters_of
from milepost.model.result import TaskError, TaskMetrics, TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import Measured, TaskCall

AwaitRunner = Callable[[Coroutine[Any, Any, Any], CancelSignal], Any]
"""Runs a coroutine to its end, or until the signal, and gives its value; whoever has a loop provides it."""

SHORT = 2e-5
"""Seconds below which a body has no time to wait, so that its duration is what it computed; asking takes 0.6 µs."""

LONG = 1e-3
"""Seconds from which on a body's memory is asked for: asking takes longer the more threads there are."""

_SUCCESS = TaskStatus.SUCCESS
_processor = ThreadSeconds()
_LATER = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})
"""What the call of a function may give before any of its code has run."""


class StandardStrategy:
    """Calls the body and turns what it does into a result.

    A parameter gets `context`, `signal`, `progress`, or the data of the dependency it names; others keep their
    defaults, and `**` gets the data of all dependencies. A `TaskResult` that the body returns is taken as it is.
    """

    def __init__(self, run_coroutine: AwaitRunner) -> None:
        self._run_coroutine = run_coroutine

    def execute(self, call: TaskCall) -> TaskResult:
        """The outcome of one call of the body."""
        clock, peak = call.clock, None
        start, begin, processor = clock.time(), clock.monotonic(), _processor
        if not 0 <= begin - processor.at < FRESH:
            processor.begin(begin)
        cpu: float | None
        try:
            value = call.executor.invoke(call, arguments(call))
            end = clock.monotonic()
            duration = end - begin
            cpu = duration if duration < SHORT else processor.between(begin, end)
            if type(value) in _LATER:
                if isinstance(value, CoroutineType):
                    value, cpu = self._run_coroutine(noted(value), call.signal), None
                    duration = clock.monotonic() - begin
                elif problem := checks.body("its body", inspect.unwrap(call.task.run)):
                    raise UsageError(problem)  # of what a decorator hid from the check of the task
        except BaseException as error:  # also a SystemExit: a body that ends itself must not end the run
            end = clock.monotonic()
            cpu = processor.between(begin, end) if raised_here(error, call.task.run) else None
            return _ended_by(error, call, TaskMetrics(start, clock.time(), end - begin, cpu))
        if isinstance(value, Measured):
            waited = 0.0 if value.seconds is None else duration - value.seconds
            start, duration = start + waited, duration - waited
            value, cpu, peak = value.value, value.cpu, value.peak_bytes
        elif duration > LONG:
            peak = peak_bytes()
        metrics = (start, start + duration, duration, cpu, peak)  # as a `TaskResult` keeps it
        if isinstance(value, TaskResult):
            return _given(value, TaskMetrics._make(metrics))
        return TaskResult(_SUCCESS, "", None, value, metrics)


def _given(result: TaskResult, metrics: TaskMetrics) -> TaskResult:
    """A result that the body made itself."""
    metrics = result.metrics or metrics
    try:
        return replace(result, status=TaskStatus(result.status), metrics=metrics, restored=False)
    except ValueError:
        hint = did_you_mean(str(result.status), map(str, TaskStatus))
        error = UsageError(f"the body gave a result with the status {result.status!r}, which is none{hint}")
        return TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), metrics=metrics, exception=error)


def _ended_by(error: BaseException, call: TaskCall, metrics: TaskMetrics) -> TaskResult:
    record = TaskError.of(error)
    if isinstance(error, KeyboardInterrupt | TaskCancelled | CancelledError):
        reason = call.signal.reason or record.message or "interrupted"
        return TaskResult(TaskStatus.CANCELLED, reason, record, metrics=metrics, exception=error)
    return TaskResult(TaskStatus.FAILURE, record.message, record, metrics=metrics, exception=error)


def arguments(call: TaskCall) -> dict[str, Any]:
    """What the body's parameters name."""
    task = call.task
    parameters = parameters_of(task.run)
    if parameters is NOTHING:
        return {}
    names = data_names(task.run, task.dependencies) if parameters.any_name else parameters.named
    if not names:
        return {}
    inputs = call.inputs
    found = {name: inputs[name] for name in names if name in inputs}
    if len(found) < len(names):
        given = {"context": call.context, "signal": call.signal, "progress": call.progress}
        found |= {name: given[name] for name in names if name in given and name not in inputs}
    return found
