"""What a loop of a function changes: the objects that the function hands over as `state`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType, FunctionType, ModuleType
from typing import Any

from milepost.analysis.builtin import content_of_cell
from milepost.analysis.digest import digest
from milepost.analysis.flat import ATOMS
from milepost.analysis.names import cell_names
from milepost.model.errors import LoopNotResumed, UsageError
from milepost.notebook.midway.needs import needed, read_first
from milepost.notebook.midway.variables import OF_NOTEBOOK, STATE, Captured, OfTask, Refused, names_in, shown, used_up
from milepost.notebook.namespace import Before, Namespace, state_of
from milepost.tracking.filling import Parts, fill, fixed, in_words, misfit
from milepost.tracking.loop import Track
from milepost.tracking.site import Site, bound_by_now

SAME, WHOLE = "parts that stayed", "what it comes to"
"""Beside the state."""


class FunctionState:
    """What a function hands over; that it changes nothing else is looked after as far as that can be seen."""

    rebinds = False

    def __init__(
        self, frame: FrameType, site: Site, loop: Track[Any], task: OfTask, namespace: Namespace | None
    ) -> None:
        state, total = loop.state, loop.total
        if names_in(state) is not None:
            words = f"state={state!r} names variables of a function, and nobody can exchange these"
            raise UsageError(f"{words}: hand over the objects, as in state={{{state[0]!r}: {state[0]}}}")
        if reason := misfit(state):
            raise Refused(reason)
        self._state = state
        self._frame = frame
        late = {name for name in needed(site) - read_first(site) if name not in frame.f_locals}
        self._needed = needed(site) - site.targets - (late if total is not None else set())
        self._parts = Parts.of(state)
        """As the code before the loop made them, in this process."""
        self._stiff = {path: digest(part, frame.f_globals).hex for path, part in self._parts.stiff.items()}
        for path, part in self._parts.stiff.items():
            if not self._stiff[path] and not fixed(part):
                raise Refused(in_words(path, part))
        self._namespace = namespace
        self._before = namespace.fix() if namespace is not None else None
        self._scopes = list(_scopes(frame, task, self._before))
        self._bound = dict(frame.f_locals)
        self._functions = [value for scope in self._scopes for value in scope.now().values()]
        self._held = dict(_of_functions(self._functions))
        read = {name: self._bound[name] for name in cell_names(site.body).reads if _changes(self._bound.get(name))}
        self._obstacle = used_up({name: digest(value, frame.f_globals) for name, value in read.items()})

    def found(self) -> Mapping[str, str]:
        """Of all variables around it that hold nothing of the state."""
        return {name: state for name, value, state in self._variables() if not self._parts.meets(value)}

    def _variables(self) -> Iterator[tuple[str, Any, str]]:
        for number, scope in enumerate(self._scopes):
            of = OF_NOTEBOOK if scope.of_cell else f"{number} "
            for name, value in scope.values.items():
                yield of + name, value, scope.states[name]

    def captured(self) -> Captured:
        """The state, and where in it the objects still are those of the beginning."""
        if self._obstacle:
            raise Refused(self._obstacle)
        now = Parts.of(self._state)
        self._look_at_stiff_parts(now)
        self._look_at_variables(now)
        self._look_at_notebook(now)
        same = self._parts.still_in(now)
        return Captured({STATE: self._state, SAME: same, WHOLE: self._whole()}, found=self.found())

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Fill the function's objects."""
        before = copy.deepcopy(self._state)
        try:
            self._fill(values)
        except Exception:  # it may be the notebook's: as it was, it counts as it did
            fill(self._state, before, list(self._parts.objects))
            raise

    def _fill(self, values: dict[str, Any]) -> None:
        if fill(self._state, values[STATE], values[SAME]) is not self._state:
            raise LoopNotResumed("its state is another object now")
        then, now = values[WHOLE], self._whole()
        other = next((name for name, state in now.items() if then.get(name, state) != state), None)
        if other is not None:
            words = f"{shown(other)!r} is not what it was" if other else "not all of its state could be put back"
            raise LoopNotResumed(words)

    def _whole(self) -> dict[str, str]:
        """What the state comes to, and each variable of before the loop that holds something of it."""
        holding = (
            (f"{number} {name}", value, scope.home)
            for number, scope in enumerate(self._scopes)
            for name, value in scope.now().items()
            if scope.values.get(name, _NOTHING) is value and self._parts.meets(value)
        )
        return {
            "": state_of(self._state, self._frame.f_globals),
            **{name: state_of(value, home) for name, value, home in holding},
        }

    def _look_at_stiff_parts(self, state: Parts) -> None:
        for path, known in self._stiff.items():
            part = self._parts.stiff[path]
            if state.objects.get(path) is part and digest(part, self._frame.f_globals).hex != known:
                raise Refused(in_words(path, part))

    def _look_at_variables(self, state: Parts) -> None:
        for name, value in self._frame.f_locals.items():
            if value is not self._bound.get(name, _NOTHING) and name in self._needed and not state.holds(value):
                words = f"the loop gives its variable {name!r} another value, which `state` does not hold"
                raise Refused(f"{words}: keep it in a dict that is part of `state`")
        for name, value in _of_functions(self._functions):
            if value is not self._held.get(name, _NOTHING) and not state.holds(value):
                raise Refused(f"the loop gives {name!r} another value, which `state` does not hold")
        for scope in self._scopes:
            for name, value in scope.values.items() if not scope.of_cell or self._before is None else ():
                if (
                    _changes(value)
                    and not self._holds(state, value)
                    and state_of(value, scope.home) != scope.states[name]
                ):
                    raise Refused(_changed(name))

    def _look_at_notebook(self, state: Parts) -> None:
        if self._namespace is None or self._before is None:
            return
        changes = self._namespace.changes(self._before)
        for name in changes.bound:
            raise Refused(f"the loop binds the notebook's {name!r}, which `state` does not hold")
        for name in changes.mutated:
            if not self._holds(state, self._namespace.data[name]):
                raise Refused(_changed(name))

    def _holds(self, state: Parts, value: Any) -> bool:
        """Whether the object itself is a part, of what the state is now or was in the beginning."""
        return state.holds(value) or self._parts.holds(value)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The variables of a function under way, or of the notebook, as the loop found them."""

    frame: FrameType
    of_cell: bool
    values: Mapping[str, Any]
    states: Mapping[str, str]

    @property
    def home(self) -> dict[str, Any]:
        return self.frame.f_globals

    def now(self) -> Mapping[str, Any]:
        return self.home if self.of_cell else self.frame.f_locals


def _scopes(frame: FrameType, task: OfTask, before: Before | None) -> Iterator[_Scope]:
    """Those of a function, of the notebook's or its module's functions that called it, and of the notebook."""
    for each in _frames(frame):
        if _is_cell(each):
            yield _of_notebook(each, task, bound_by_now(each), before)
            return
        yield _scope(each, False, dict(each.f_locals), {})
    if frame.f_globals.get("__name__") == "__main__":  # a task that is a function
        yield _of_notebook(frame, task, frozenset(), before)


def _of_notebook(frame: FrameType, task: OfTask, by_code: frozenset[str], before: Before | None) -> _Scope:
    data = dict(frame.f_globals) if before is None else before.values
    values = {name: data[name] for name in task.made_by(data, by_code)}
    return _scope(frame, True, values, before.digests if before is not None else {})


def _scope(frame: FrameType, of_cell: bool, values: dict[str, Any], known: Mapping[str, str]) -> _Scope:
    values |= dict(_of_functions(values.values()))
    values = {name: value for name, value in values.items() if _is_data(value)}
    states = {name: known.get(name) or state_of(value, frame.f_globals) for name, value in values.items()}
    return _Scope(frame, of_cell, values, states)


def _of_functions(values: Iterable[Any]) -> Iterator[tuple[str, Any]]:
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
            if _is_cell(found):
                return
        found = found.f_back


def _is_cell(frame: FrameType) -> bool:
    return frame.f_locals is frame.f_globals


def _is_data(value: Any) -> bool:
    if isinstance(value, type):
        return value.__module__ == "__main__"
    return not isinstance(value, ModuleType | FunctionType | Track)


def _changes(value: Any) -> bool:
    """Whether something can be changed by way of it."""
    return type(value) not in ATOMS and _is_data(value)


def _changed(name: str) -> str:
    return f"the loop changes {name!r}, which `state` does not hold: make it a part of that"


_NOTHING = object()
