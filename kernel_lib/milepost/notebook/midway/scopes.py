"""The variables around a loop of a function: its own, those of who called it, and the notebook's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType, FunctionType, ModuleType
from typing import Any

from milepost.analysis.builtin import content_of_cell
from milepost.analysis.flat import ATOMS
from milepost.notebook.midway.variables import OF_NOTEBOOK, OfTask
from milepost.notebook.namespace import Before, state_of
from milepost.tracking.loop import Track
from milepost.tracking.site import bound_by_now


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables of a function under way, or of the notebook, as the loop found them."""

    frame: FrameType
    home: Mapping[str, Any]
    """What functions among them have as their globals."""
    number: int | None
    """Of a function: how far up it is; None for the notebook."""
    values: Mapping[str, Any]
    states: Mapping[str, str]

    @property
    def of_cell(self) -> bool:
        """Whether these are the notebook's."""
        return self.number is None

    def label(self, name: str) -> str:
        """What a variable of it is called among those of all."""
        return OF_NOTEBOOK + name if self.of_cell else f"{self.number} {name}"

    def now(self) -> Mapping[str, Any]:
        return self.frame.f_globals if self.of_cell else self.frame.f_locals


def scopes_of(frame: FrameType, task: OfTask, before: Before | None, home: Mapping[str, Any]) -> Iterator[Scope]:
    """Those of a function, of the notebook's or its module's functions that called it, and of the notebook."""
    for number, each in enumerate(_frames(frame)):
        if is_cell(each):
            yield _of_notebook(each, task, bound_by_now(each), before, home)
            return
        yield _scope(each, number, dict(each.f_locals), {}, home)
    if frame.f_globals.get("__name__") == "__main__":  # a task that is a function
        yield _of_notebook(frame, task, frozenset(), before, home)


def _of_notebook(
    frame: FrameType, task: OfTask, by_code: frozenset[str], before: Before | None, home: Mapping[str, Any]
) -> Scope:
    data = dict(frame.f_globals) if before is None else before.values
    values = {name: data[name] for name in task.made_by(data, by_code)}
    return _scope(frame, None, values, before.digests if before is not None else {}, home)


def _scope(
    frame: FrameType, number: int | None, values: dict[str, Any], known: Mapping[str, str], home: Mapping[str, Any]
) -> Scope:
    values |= dict(of_functions(values.values()))
    values = {name: value for name, value in values.items() if _is_data(value)}
    home = home if frame.f_globals.get("__name__") == "__main__" else frame.f_globals
    states = {name: known.get(name) or state_of(value, home) for name, value in values.items()}
    return Scope(frame, home, number, values, states)


def of_functions(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """What the functions among values hold now, as `function.variable`."""
    waiting = [value for value in values if isinstance(value, FunctionType)]
    seen: set[int] = set()
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        cells = zip(function.__code__.co_freevars, map(content_of_cell, function.__closure__ or ()), strict=True)
        defaults = {str(number): item for number, item in enumerate(function.__defaults__ or ())}
        for name, value in {**dict(cells), **defaults, **(function.__kwdefaults__ or {}), **vars(function)}.items():
            yield f"{function.__name__}.{name}", value
            waiting += [value] if isinstance(value, FunctionType) else []


def _frames(frame: FrameType) -> Iterator[FrameType]:
    found: FrameType | None = frame
    while found is not None and not str(found.f_globals.get("__name__")).startswith("milepost."):
        if found.f_globals is frame.f_globals or found.f_globals.get("__name__") == "__main__":
            yield found
            if is_cell(found):
                return
        found = found.f_back


def is_cell(frame: FrameType) -> bool:
    return frame.f_locals is frame.f_globals


def _is_data(value: Any) -> bool:
    if isinstance(value, type):
        return value.__module__ == "__main__"
    return not isinstance(value, ModuleType | FunctionType | Track)


def can_change(value: Any) -> bool:
    """Whether something can be changed by way of it."""
    return type(value) not in ATOMS and _is_data(value)
