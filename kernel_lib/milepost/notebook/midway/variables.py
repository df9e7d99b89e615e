"""What a loop changes: the variables of a cell, or the objects that a function hands over as `state`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType, FunctionType, ModuleType
from typing import Any, Protocol

from milepost.analysis.digest import Digest, digest
from milepost.analysis.flat import ATOMS
from milepost.analysis.names import cell_names
from milepost.model.errors import SerializationError, UsageError
from milepost.model.graph import did_you_mean
from milepost.notebook.namespace import Before, Namespace, state_of
from milepost.notebook.ties import tied
from milepost.tracking.filling import Parts, fill, misfit
from milepost.tracking.loop import Track
from milepost.tracking.site import Site

STATE, SAME = "state of the loop", "parts that stayed"
"""Beside the variables; none has such a name."""


class Refused(Exception):
    """The loop cannot go on after a kill; says why."""


@dataclass(frozen=True, slots=True)
class Captured:
    """What is to be saved: values by name, what they may share, and which of them the loop can do without.

    `mutated` are those that are the objects that the loop found; `found` has the digests of what it left as the code
    before it had made it: on that it goes on only where that code makes the same again.
    """

    values: Mapping[str, Any]
    shared: Mapping[str, Any] = field(default_factory=dict)
    spare: frozenset[str] = frozenset()
    mutated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)


class Variables(Protocol):
    """What one loop changes. `rebinds`: also what it has bound when no item is left to bind it again."""

    rebinds: bool

    def captured(self) -> Captured:
        """As it is now, between two items; raises `Refused`."""

    def found(self) -> Mapping[str, str]:
        """The digests of what the code before the loop made."""

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Put saved values in place."""


def needed(site: Site) -> frozenset[str]:
    """Names whose value goes from one item to the next, or out of the loop, unless each item binds them anew."""
    ends: list[ast.stmt] = [ast.Expr(ast.Name(name, ast.Load())) for name in sorted(site.read_outside)]
    starts: list[ast.stmt] = [ast.Assign([ast.Name(name, ast.Store())], ast.Constant(0)) for name in site.targets]
    return frozenset(cell_names(ast.Module([*starts, *site.body.body, *ends], [])).reads)


class CellVariables:
    """Those of a cell: all that the loop binds or changes, and what `state` adds to that."""

    rebinds = True

    def __init__(self, namespace: Namespace, site: Site, state: Any, task: OfTask) -> None:
        self._namespace = namespace
        self._task = task
        self._needed = needed(site)
        names = _names(state)
        self._wanted = names or ()
        self._state = None if names is not None else state
        known = {*namespace.data, *cell_names(site.body).binds, *site.targets}
        for name in self._wanted:
            if name not in known:
                raise UsageError(f"state names {name!r}, and there is no such variable{did_you_mean(name, known)}")
        with namespace.remembering():
            self._before: Before = namespace.fix()
            self._obstacle = _used_up({n: namespace.digest(n) for n in namespace.bound(cell_names(site.body).reads)})

    def found(self) -> Mapping[str, str]:
        """Of variables that the task has bound by now."""
        made = [name for name in self._task.made if name in self._before.values]
        values, start = self._before.values, self._task.start
        made = [name for name in made if values[name] is not start.get(name, _NOTHING)]
        return {name: self._digest(name) for name in made}

    def _digest(self, name: str) -> str:
        return self._before.digests.get(name) or state_of(self._before.values[name], self._namespace.home)

    def captured(self) -> Captured:
        """What changed since the loop began."""
        if self._obstacle:
            raise Refused(self._obstacle)
        namespace = self._namespace
        changes = namespace.changes(self._before)
        wanted = [name for name in self._wanted if name in namespace.data]
        names = dict.fromkeys((*changes.bound, *changes.mutated, *wanted))
        values = {name: namespace.data[name] for name in names if not isinstance(namespace.data[name], Track)}
        if reason := tied(namespace.data, values):
            raise Refused(reason)
        same = [
            n
            for n in (*self._task.inputs, *self._task.made)
            if n in self._before.values and n in namespace.data and n not in names
        ]
        shared = {name: namespace.data[name] for name in same if type(namespace.data[name]) not in ATOMS}
        own = {} if self._state is None else {STATE: self._state}
        spare = frozenset(name for name in changes.bound if name not in self._needed and name not in wanted)
        found = {name: digest for name, digest in self.found().items() if name not in values}
        return Captured({**values, **own}, shared, spare, changes.mutated, changes.deleted, found)

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Bind them; other objects take the place of those that the code before the loop made."""
        self._state = values.pop(STATE, self._state)
        for name in deleted:
            self._namespace.data.pop(name, None)
        self._namespace.data.update(values)


@dataclass(frozen=True, slots=True)
class OfTask:
    """The inputs of a task, the names that it binds, and what those were bound to when its body began."""

    inputs: tuple[str, ...]
    made: tuple[str, ...]
    start: Mapping[str, Any]


class FunctionState:
    """What a function hands over; that it changes nothing else is looked after as far as that can be seen."""

    rebinds = False

    def __init__(self, frame: FrameType, site: Site, state: Any, namespace: Namespace | None) -> None:
        if _names(state) is not None:
            words = f"state={state!r} names variables of a function, and nobody can exchange these"
            raise UsageError(f"{words}: hand over the objects, as in state={{{state[0]!r}: {state[0]}}}")
        if reason := misfit(state):
            raise Refused(reason)
        self._state = state
        self._frame = frame
        self._needed = needed(site) - site.targets
        self._parts = Parts.of(state)
        """As the code before the loop made them, in this process."""
        self._bound = dict(frame.f_locals)
        self._locals, *self._callers = (_states(each) for each in _frames(frame))
        self._namespace = namespace
        self._before = namespace.fix() if namespace is not None else None
        read = [name for name in cell_names(site.body).reads if name in self._locals]
        self._obstacle = _used_up({name: digest(self._locals[name][0], frame.f_globals) for name in read})

    def found(self) -> Mapping[str, str]:
        """Of its variables that hold nothing of the state, but its arguments: these count as inputs."""
        code = self._frame.f_code
        given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        held = {name for name, (value, _) in self._locals.items() if self._reaches_state(value)}
        return {name: state for name, (_, state) in self._locals.items() if name not in given and name not in held}

    def _reaches_state(self, value: Any) -> bool:
        return any(self._parts.holds(part) for part in Parts.of(value).objects.values())

    def captured(self) -> Captured:
        """The state, and where in it the objects still are those of the beginning."""
        if self._obstacle:
            raise Refused(self._obstacle)
        now = Parts.of(self._state)
        self._look_at_variables(now)
        self._look_at_notebook(now)
        same = self._parts.still_in(now)
        return Captured({STATE: self._state, SAME: same}, found=self.found())

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Fill the function's objects."""
        if fill(self._state, values[STATE], values[SAME]) is not self._state:
            raise SerializationError("its state is another object now")

    def _look_at_variables(self, state: Parts) -> None:
        for name, value in self._frame.f_locals.items():
            if value is not self._bound.get(name, _NOTHING) and name in self._needed and not state.holds(value):
                words = f"the loop gives its variable {name!r} another value, which `state` does not hold"
                raise Refused(f"{words}: keep it in a dict that is part of `state`")
        for variables in (self._locals, *self._callers):
            for name, (value, before) in variables.items():
                if not self._holds(state, value) and state_of(value, self._frame.f_globals) != before:
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


def _changed(name: str) -> str:
    return f"the loop changes {name!r}, which `state` does not hold: make it a part of that"


def _frames(frame: FrameType) -> Iterator[FrameType]:
    """A function's frame, and those of the functions of the same module that called it."""
    found: FrameType | None = frame
    while found is not None:
        if found.f_globals is frame.f_globals:
            if found.f_locals is found.f_globals:  # the cell
                return
            yield found
        found = found.f_back


def _states(frame: FrameType) -> dict[str, tuple[Any, str]]:
    """The variables through which something can be changed, and what tells whether it was."""
    return {n: (v, state_of(v, frame.f_globals)) for n, v in frame.f_locals.items() if _changes(v)}


_NOTHING = object()


def _used_up(digests: Mapping[str, Digest]) -> str:
    """Why a loop cannot go on where it uses something up that no restore could give back."""
    found = next((name for name, known in digests.items() if known.consumable), "")
    return f"the loop uses {found!r}, and that cannot be put back ({digests[found].opaque})" if found else ""


def _changes(value: Any) -> bool:
    return type(value) not in ATOMS and not isinstance(value, ModuleType | FunctionType | type)


def _names(state: Any) -> list[str] | None:
    """The names that a state consists of, None where it is none of these."""
    if isinstance(state, str):
        return [state]
    if isinstance(state, list | tuple) and state and all(isinstance(name, str) for name in state):
        return list(state)
    return None
