"""Parameters of a body that nothing would fill: told before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from milepost.model.graph import TaskGraph, did_you_mean
from milepost.model.task import Task

GIVEN = frozenset({"context", "signal", "progress"})
"""What a body gets that names it, besides the data of its dependencies."""

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

_needed: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()


def unfilled(graph: TaskGraph) -> Iterator[str]:
    """A sentence for each parameter without a default that names neither a dependency of its task nor what is given."""
    for task in graph.listed:
        needed = needed_names(task.run)
        if needed:
            known, unnamed = task.dependencies, positional_only(task.run)
            for name in needed:
                if name in unnamed:
                    yield f"the body of task {task.name!r} takes {name!r} by position only; take out the '/' behind it"
                elif name not in known and name not in GIVEN:
                    yield _sentence(task, name, graph)


def _sentence(task: Task, name: str, graph: TaskGraph) -> str:
    words = f"the body of task {task.name!r} has a parameter {name!r}, which names none of its dependencies"
    if name in graph:
        return f"{words}; add {name!r} to them"
    hint = did_you_mean(name, (*task.dependencies, *GIVEN))
    return f"{words}{hint or '; give it a default, or name the task whose data it is for'}"


def needed_names(body: Callable[..., Any]) -> tuple[str, ...]:
    """The parameters of a body without a default; none where Python cannot tell."""
    if type(body) is FunctionType and not body.__dict__:  # says the same as its signature: nothing wraps it
        code = body.__code__
        if not code.co_kwonlyargcount:
            count = code.co_argcount - len(body.__defaults__ or ())
            return code.co_varnames[:count] if count else ()
    try:
        return _needed[body]
    except (KeyError, TypeError):
        needed = _inspect(body)
    try:
        _needed[body] = needed
    except TypeError:  # a body without weak references, such as a built-in function
        return needed
    return needed


def positional_only(body: Callable[..., Any]) -> Collection[str]:
    """The parameters of a body that cannot be given by name."""
    if type(body) is FunctionType and not body.__dict__:
        return body.__code__.co_varnames[: body.__code__.co_posonlyargcount]
    try:
        parameters = inspect.signature(body).parameters.values()
    except (TypeError, ValueError):
        return ()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]


def _inspect(body: Callable[..., Any]) -> tuple[str, ...]:
    if hasattr(body, "__milepost_inputs__"):
        return ()  # it says itself what it takes
    try:
        parameters = inspect.signature(body).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.default is p.empty and p.kind not in _VARIADIC)
