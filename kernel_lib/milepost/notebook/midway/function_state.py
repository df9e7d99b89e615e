"""What a loop of a function changes: the objects that the function hands over as `state`."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from milepost.analysis.digest import digest
from milepost.analysis.names import cell_names
from milepost.model.errors import LoopNotResumed, UsageError
from milepost.notebook.activity import parts_of
from milepost.notebook.midway.needs import needed, read_first
from milepost.notebook.midway.reads import Reads
from milepost.notebook.midway.scopes import Scope, can_change, of_functions, scopes_of
from milepost.notebook.midway.used_up import is_of_c, used_up
from milepost.notebook.midway.variables import NOTHING, STATE, Captured, OfTask, Refused, names_in, shown
from milepost.notebook.namespace import Namespace, state_of
from milepost.tracking.filling import Parts, Path, fill, fixed, held_loosely, in_words, leads_to, misfit, nameless
from milepost.tracking.loop import Track
from milepost.tracking.site import Site

SAME, WHOLE = "parts that stayed", "what it comes to"
"""Beside the state."""


class FunctionState:
    """What a function hands over; that it changes nothing else is looked after as far as that can be seen.

    `alone`: nothing else runs that could change variables of the notebook meanwhile.
    """

    rebinds = False

    def __init__(
        self, frame: FrameType, site: Site, loop: Track[Any], task: OfTask, namespace: Namespace, *, alone: bool
    ) -> None:
        self._frame = frame
        self._bound = dict(frame.f_locals)
        self._state = self._objects(loop.state)
        self._needed = self._to_be_kept(site, ends=loop.total is not None)
        self._parts = Parts.of(self._state)
        """As the code before the loop made them, in this process."""
        self._stiff = dict(self._stiff_parts())
        self._namespace = namespace
        self._before = namespace.fix() if alone else None
        self._scopes = list(scopes_of(frame, task, self._before, namespace.home))
        self._functions = [value for scope in self._scopes for value in scope.now().values()]
        self._held = dict(of_functions(self._functions))
        reads = Reads.of(set(cell_names(site.body).reads) - site.targets, self._bound, namespace)
        both = (namespace.data, namespace.home)
        self._reached = [(data, name, data.get(name, NOTHING)) for data in both for name in reads.names]
        self._obstacle = used_up(reads.values, reads.digests)

    def _objects(self, state: Any) -> Any:
        """A state that content can be put back into."""
        if set(names_in(state) or ("",)) <= self._bound.keys():
            words = f"state={state!r} names variables of a function, and nobody can exchange these"
            raise UsageError(f"{words}: hand over the objects, as in state={{{state[0]!r}: {state[0]}}}")
        if reason := misfit(state):
            raise Refused(reason)
        return state

    def _to_be_kept(self, site: Site, *, ends: bool) -> frozenset[str]:
        """The variables that items need of each other; where it `ends`, not those that its last items surely bind."""
        late = {name for name in needed(site) - read_first(site) if name not in self._bound}
        return needed(site) - site.targets - (late if ends else set())

    def _stiff_parts(self) -> Iterator[tuple[Path, str]]:
        for path, part in self._parts.stiff.items():
            content = digest(part, self._frame.f_globals).hex
            if not content and not fixed(part):
                raise Refused(in_words(path, part))
            yield path, content

    def found(self) -> Mapping[str, str]:
        """Of all variables around it that hold nothing of the state."""
        return {scope.label(name): scope.states[name] for scope, name, _ in self._apart}

    @functools.cached_property
    def _apart(self) -> list[tuple[Scope, str, Any]]:
        """The variables around it that held nothing of the state."""
        every = ((scope, name, value) for scope in self._scopes for name, value in scope.values.items())
        return [(scope, name, value) for scope, name, value in every if not self._parts.meets(value)]

    def captured(self, of_modules: list[Any]) -> Captured:
        """The state, and where in it the objects still are those of the beginning."""
        if self._obstacle:
            raise Refused(self._obstacle)
        now = Parts.of(self._state)
        self._look_at_stiff_parts(now)
        self._look_at_places(now)
        self._look_at_classes(now)
        self._look_at_own_variables()
        self._look_at_others(now)
        self._look_at_notebook(now)
        values = {STATE: self._state, SAME: self._parts.still_in(now), WHOLE: self._whole()}
        return Captured(values, self._outside, mutated=parts_of([self._state]), found=self.found())

    def live(self, name: str) -> Any:
        """What a variable around the loop holds, by the name under which the state shares it."""
        return self._outside.get(name)

    @functools.cached_property
    def _outside(self) -> dict[str, Any]:
        """What the state may come to hold, and is none of it: it is found compared, so it is the same again."""
        return {scope.label(name): value for scope, name, value in self._apart if can_change(value)}

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Fill the function's objects."""
        theirs = any(scope.of_cell for scope, _, _ in self._holding())
        before = copy.deepcopy(self._state) if theirs else None
        try:
            self._fill(values)
        except Exception:  # what the notebook holds counts as it was
            if theirs:
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
        holding = {scope.label(name): state_of(value, scope.home) for scope, name, value in self._holding()}
        return {"": state_of(self._state, self._frame.f_globals), **holding}

    def _holding(self) -> Iterator[tuple[Scope, str, Any]]:
        """The variables that still hold what they held before the loop, and with it something of the state."""
        for scope in self._scopes:
            for name, value in scope.now().items():
                if scope.values.get(name, NOTHING) is value and self._parts.meets(value):
                    yield scope, name, value

    def _look_at_stiff_parts(self, state: Parts) -> None:
        for path, known in self._stiff.items():
            part = self._parts.stiff[path]
            if state.objects.get(path) is part and digest(part, self._frame.f_globals).hex != known:
                raise Refused(in_words(path, part))

    def _look_at_places(self, state: Parts) -> None:
        """Content goes back by the places of objects: what a variable holds too must have stayed where it was."""
        stayed = frozenset(id(state.objects[path]) for path in self._parts.still_in(state))
        loose = parts_of(held_loosely(state, stayed))
        if loose is None or not loose.isdisjoint(stayed):
            raise Refused("a key, a set or a new tuple in its state holds another part of that: keep numbers there")
        moved = self._parts.identities - stayed
        for _, name, value in self._holding() if moved else ():
            if leads_to(moved, value, closed=stayed):
                raise Refused(f"{name!r} holds a part of `state` that the loop puts elsewhere, or takes out")

    def _look_at_classes(self, state: Parts) -> None:
        """A class or function that the function makes is another one each time, and what it has is of no other."""
        for path in nameless(state):
            raise Refused(in_words(path, nameless, why="which has no name: define it outside of the function"))
        for path, part in state.objects.items():
            if not self._parts.holds(part) and _is_local(type(part)):
                raise Refused(in_words(path, part, why="a class within a function: define that outside of it"))

    def _look_at_own_variables(self) -> None:
        for name, value in self._frame.f_locals.items():
            if name in self._needed and value is not self._bound.get(name, NOTHING):
                words = f"the loop gives its variable {name!r} another value"
                raise Refused(f"{words}: keep that in a dict that is part of `state`, and use it by way of the dict")
        for name, value in of_functions(self._functions):
            if value is not self._held.get(name, NOTHING):
                raise Refused(f"the loop gives {name!r} another value, which `state` does not hold")

    def _look_at_others(self, state: Parts) -> None:
        """What those who called the function hold, and the notebook, where more than the loop may change that."""
        for scope in self._scopes:
            for name, value in scope.values.items() if not scope.of_cell or self._before is None else ():
                same = not can_change(value) or self._holds(state, value)
                if not same and state_of(value, scope.home) != scope.states[name]:
                    raise Refused(_changed(name))

    def _look_at_notebook(self, state: Parts) -> None:
        data = self._namespace.data
        changes = self._namespace.changes(self._before) if self._before is not None else None
        other = [name for own, name, value in self._reached if own.get(name, NOTHING) is not value]
        for name in changes.bound if changes is not None else other:
            raise Refused(f"the loop binds the notebook's {name!r}, which `state` does not hold")
        for name in changes.mutated if changes is not None else ():
            if not self._holds(state, data[name]):
                raise Refused(_changed(name))

    def _holds(self, state: Parts, value: Any) -> bool:
        """Whether the object itself is a part, of what the state is now or was in the beginning."""
        return state.holds(value) or self._parts.holds(value)


def _is_local(kind: type) -> bool:
    """Whether a class that is written in Python is not what is found by its name."""
    if is_of_c(kind) and not {"__dict__", "__slots__"} & vars(kind).keys():
        return False
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is not kind


def _changed(name: str) -> str:
    return f"the loop changes {name!r}, which `state` does not hold: make it a part of that"
