"""Functions of the notebook with other globals: those of a namespace that one task has for itself."""

from __future__ import annotations

import copy
import gc
import types
from collections.abc import Iterable, Mapping
from typing import Any

from milepost.functions import TaskFunction

MAX_PARTS = 100_000
"""Parts of a value that are looked through for functions; what has more counts as holding some."""


class Rebinder:
    """Copies functions whose globals are `home` so that they read and bind names in `namespace`."""

    def __init__(self, home: dict[str, Any], namespace: dict[str, Any]) -> None:
        self._home = home
        self._namespace = namespace
        self._made: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        """The value, or its copy where it is a function of the notebook, also one within decorators."""
        if id(value) in self._made:
            return self._made[id(value)]
        if isinstance(value, TaskFunction):
            made = copy.copy(value)
            made.function = self(value.function)
            return made
        return self._function(value) if self._at_home(value) else value

    def _at_home(self, value: Any) -> bool:
        return isinstance(value, types.FunctionType) and value.__globals__ is self._home

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        cells = function.__closure__ or ()
        copies = tuple(types.CellType() if self._at_home(_content(cell)) else cell for cell in cells)
        made = types.FunctionType(
            function.__code__, self._namespace, function.__name__, function.__defaults__, copies or None
        )
        self._made[id(function)] = made  # before its cells are filled: it may hold itself
        for cell, own in zip(cells, copies, strict=True):
            if own is not cell:
                own.cell_contents = self(cell.cell_contents)
        made.__dict__.update({name: self(value) for name, value in function.__dict__.items()})
        for name in _SLOTS:
            if hasattr(function, name):
                setattr(made, name, getattr(function, name))
        return made


_SLOTS = ("__kwdefaults__", "__qualname__", "__module__", "__doc__", "__annotations__", "__type_params__")


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def holds_code(values: Mapping[str, Any], namespace: dict[str, Any]) -> list[str]:
    """The names whose values hold functions with these globals, as far as Python can tell."""
    functions = (item for item in gc.get_referrers(namespace) if isinstance(item, types.FunctionType))
    if not any(function.__globals__ is namespace for function in functions):
        return []
    return [name for name, value in values.items() if holds(value, namespace)]


def holds(value: Any, namespace: dict[str, Any]) -> bool:
    """Whether a value holds a function with these globals, or an object of a class with such methods."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, types.FunctionType) and part.__globals__ is namespace:
            return True
        if id(part) in seen or not _looked_into(part):
            continue
        seen.add(id(part))
        if len(seen) > MAX_PARTS:
            return True
        waiting += _parts(part)
    return False


def _looked_into(part: Any) -> bool:
    if isinstance(part, types.ModuleType) or not gc.is_tracked(part):
        return False
    return not isinstance(part, type) or part.__module__ == "__main__"


def _parts(part: Any) -> Iterable[Any]:
    if isinstance(part, types.FunctionType):
        return [*(part.__closure__ or ()), part.__defaults__, part.__kwdefaults__, part.__dict__]
    return gc.get_referents(part)
