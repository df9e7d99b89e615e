"""Run the body once, with the arguments that its parameters name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskCancelled
from milepost.model.result import TaskError, TaskMetrics, TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import TaskCall

AwaitRunner = Callable[[Coroutine[Any, Any, Any], CancelSignal], Any]
"""Runs a coroutine to its end, or until the signal, and gives its value; whoever has a loop provides it."""

_parameters: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()


class StandardStrategy:
    """Calls the body and turns what it does into a result.

    A parameter gets `context`, `signal`, `progress`, or the data of the dependency it names; others keep their
    defaults. A `TaskResult` that the body returns is taken as it is.
    """

    def __init__(self, run_coroutine: AwaitRunner) -> None:
        self._run_coroutine = run_coroutine

    def execute(self, call: TaskCall) -> TaskResult:
        """The outcome of one call of the body."""
        start, begin = call.clock.time(), call.clock.monotonic()
        try:
            value = call.executor.invoke(call, arguments(call))
            if inspect.iscoroutine(value):
                value = self._run_coroutine(value, call.signal)
            result = value if isinstance(value, TaskResult) else TaskResult(TaskStatus.SUCCESS, data=value)
        except (KeyboardInterrupt, TaskCancelled, CancelledError) as error:
            result = TaskResult(TaskStatus.CANCELLED, _reason(call, error), TaskError.of(error), exception=error)
        except BaseException as error:  # also a SystemExit: a body that ends itself must not end the run
            result = TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)
        metrics = TaskMetrics(start, call.clock.time(), call.clock.monotonic() - begin)
        return TaskResult(result.status, result.message, result.error, result.data, metrics, exception=result.exception)


def _reason(call: TaskCall, error: BaseException) -> str:
    return call.signal.reason or str(error) or "interrupted"


def arguments(call: TaskCall) -> dict[str, Any]:
    """What the body's parameters name."""
    given = {"context": call.context, "signal": call.signal, "progress": call.progress}
    names = parameter_names(call.task.run)
    return {
        name: call.inputs[name] if name in call.inputs else given[name]
        for name in names
        if name in call.inputs or name in given
    }


def parameter_names(body: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of a body that can be given by name; none where Python cannot tell."""
    if type(body) is FunctionType and not body.__dict__ and not body.__code__.co_posonlyargcount:
        code = body.__code__  # says the same as its signature (nothing wraps it), in a tenth of the time
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    try:
        return _parameters[body]
    except (KeyError, TypeError):
        names = _inspect(body)
    try:
        _parameters[body] = names
    except TypeError:  # a body without weak references, such as a built-in function
        return names
    return names


def _inspect(body: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(body).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
