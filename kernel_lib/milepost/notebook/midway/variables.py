"""What a loop changes: in a cell, its variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any, Protocol

from milepost.analysis.flat import ATOMS
from milepost.analysis.names import cell_names
from milepost.model.errors import UsageError
from milepost.model.graph import did_you_mean
from milepost.notebook.activity import parts_of
from milepost.notebook.midway.by_value import by_value
from milepost.notebook.midway.leads import Leads
from milepost.notebook.midway.needs import needed, read_first
from milepost.notebook.midway.used_up import used_up
from milepost.notebook.namespace import Before, Namespace, state_of
from milepost.notebook.ties import tied
from milepost.tracking.loop import Track
from milepost.tracking.site import COUNTING, LISTING, Site, bound_by_now

OF_NOTEBOOK = "notebook "
"""Before the names of its variables, among those of functions."""

WAY_OUT = "go through numbers there (`for n in range(len(nets))`), or have the loop in a function, with `state`"

STATE = "state of the loop"
"""Beside the variables; none has such a name."""


class Refused(Exception):
    """The loop cannot go on after a kill; says why."""


@dataclass(frozen=True, slots=True)
class Captured:
    """What is to be saved: values by name, what they may share, and which of them the loop can do without.

    `spare` are those that each item binds anew, `late` those that it does where loops within it have an item: read
    before that, such a name would not be there, which is an error and no wrong value.
    `changed` are the names that it bound anew, deleted, or whose value it changed; `mutated` are the parts of these
    last (see `parts_of`), as far as the loop found them. `found` has the digests of what it left as the code before it
    had made it: on that it goes on only where that code makes the same again.
    """

    values: Mapping[str, Any]
    shared: Mapping[str, Any] = field(default_factory=dict)
    spare: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    mutated: frozenset[int] | None = frozenset()
    deleted: tuple[str, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)


class Variables(Protocol):
    """What one loop changes. `rebinds`: also what it has bound when no item is left to bind it again."""

    rebinds: bool

    def captured(self, of_modules: list[Any]) -> Captured:
        """As it is now, between two items; raises `Refused`. `of_modules` are what it changed of what modules hold."""

    def live(self, name: str) -> Any:
        """What a name among the shared ones stands for now."""

    def found(self) -> Mapping[str, str]:
        """The digests of what the code before the loop made."""

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Put saved values in place.

        Raises
        ------
        LoopNotResumed
            Where that has gone only half the way.
        """


class CellVariables:
    """Those of a cell: all that the loop binds or changes, and what `state` adds to that.

    Numbers and texts that the code before the loop has made are kept, too: what it draws or measures may be another
    one the next time.
    """

    rebinds = True

    def __init__(self, namespace: Namespace, frame: FrameType, site: Site, loop: Track[Any], task: OfTask) -> None:
        state = loop.state
        self._namespace = namespace
        self._task = task
        self._site = site
        names = names_in(state)
        self._wanted = names or ()
        self._state = None if names is not None else state
        known = {*namespace.data, *cell_names(site.body).binds, *site.targets}
        for name in self._wanted:
            if name not in known:
                raise UsageError(f"state names {name!r}, and there is no such variable{did_you_mean(name, known)}")
        with namespace.remembering():
            self._before: Before = namespace.fix()
            self._ground = task.made_by(self._before.values, bound_by_now(frame))
            read = namespace.read_by(set(cell_names(site.body).reads) - site.targets)
            mutable = self._before.digests
            self._blind = [name for name in mutable if not namespace.digest(name).hex]
            through = Leads(read.values()).names - set(cell_names(site.body).reads)
            self._needed, self._read_first = needed(site) | through, read_first(site) | through
            known_as_whole = type(loop.iterable) in (range, list, tuple, dict)
            self._parts = {} if known_as_whole else {name: parts_of([value]) for name, value in read.items()}
            """Of what the body reads, as the loop found it: it may gather what it goes through."""
            self._obstacle = used_up(read, {name: namespace.digest(name) for name in read})

    def found(self) -> Mapping[str, str]:
        """Of variables that the task has bound by now, or may have changed."""
        return {name: self._digest(name) for name in self._ground}

    def _digest(self, name: str) -> str:
        return self._before.digests.get(name) or state_of(self._before.values[name], self._namespace.home)

    def captured(self, of_modules: list[Any]) -> Captured:
        """What changed since the loop began."""
        if self._obstacle:
            raise Refused(self._obstacle)
        namespace = self._namespace
        changes = namespace.changes(self._before)
        wanted = [name for name in self._wanted if name in namespace.data]
        names = dict.fromkeys((*changes.bound, *changes.mutated, *wanted))
        values = {name: namespace.data[name] for name in names if not isinstance(namespace.data[name], Track)}
        mutated = [values[name] for name in changes.mutated if name in values]
        replaced = [*mutated, *(values[name] for name in wanted if name in values), self._state]
        reason = tied(namespace.data, values) or self._held_around([*replaced, *of_modules]) or self._hidden(replaced)
        if reason:
            raise Refused(reason)
        free = frozenset(changes.bound) - frozenset(wanted)
        left = {name: self._before.values[name] for name in self._ground if name not in (*values, *changes.deleted)}
        plain = {name: value for name, value in left.items() if self._is_kept(name, value)}
        kept = {**values, **plain, **({} if self._state is None else {STATE: self._state})}
        return Captured(
            values=kept,
            shared=self._shared(kept),
            spare=free - self._needed,
            late=(free & self._needed) - self._read_first - self._before.values.keys(),
            changed=frozenset((*changes.bound, *changes.mutated, *changes.deleted)),
            mutated=self._parts_changed(changes.mutated),
            deleted=changes.deleted,
            found={name: self._digest(name) for name in left if name not in plain},
        )

    def _parts_changed(self, names: Sequence[str]) -> frozenset[int] | None:
        data = self._namespace.data
        each = [self._parts.get(name) or parts_of([data[name]]) for name in names]
        classes = (id(data[name]) for name in names if isinstance(data[name], type))
        return None if None in each else frozenset(classes).union(*(parts for parts in each if parts is not None))

    def _shared(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """What stays as it is: what is saved may hold that."""
        data, before = self._namespace.data, self._before.values
        same = (n for n in (*self._task.inputs, *self._task.made) if n in before and n in data and n not in kept)
        return {name: data[name] for name in same if type(data[name]) not in ATOMS}

    def _is_kept(self, name: str, value: Any) -> bool:
        """Whether what the code before the loop has made comes from there, and need not be made again as it was.

        What a statement around the loop binds belongs to what Python holds for that.
        """
        return by_value(value) and name not in self._site.bound_around

    def live(self, name: str) -> Any:
        """The variable of that name."""
        return self._namespace.home.get(name)

    def _hidden(self, replaced: list[Any]) -> str:
        """Why nothing can take the place of these objects, "" where it can: what shows nothing of itself holds them."""
        data = self._namespace.data
        now = {name: data[name] for name in self._blind if data.get(name) is self._before.values[name]}
        name = next((name for name, value in now.items() if Leads([value]).meets(replaced)), "")
        return f"{name!r} holds what it changes, and cannot be put back" if name else ""

    def _held_around(self, replaced: list[Any]) -> str:
        """Why nothing can take the place of these objects, "" where it can: a statement around the loop holds them."""
        site, namespace = self._site, self._namespace
        held = namespace.read_by(sorted(site.around))
        for name in sorted(site.iterated & namespace.data.keys()):
            items = namespace.data[name]
            held[name] = tuple(items) if type(items) is dict else items
        name = next(
            (n for n, item in held.items() if n in (*COUNTING, *LISTING) or Leads([item]).meets(replaced)),
            "",
        )
        return f"a `for` or `with` around it holds {name!r}, which it changes: {WAY_OUT}" if name else ""

    def put_back(self, values: dict[str, Any], deleted: tuple[str, ...]) -> None:
        """Bind them; other objects take the place of those that the code before the loop made."""
        self._state = values.pop(STATE, self._state)
        for name in deleted:
            self._namespace.data.pop(name, None)
        self._namespace.data.update(values)


@dataclass(frozen=True, slots=True)
class OfTask:
    """The inputs of a task, the names that its code binds, and what all were bound to when its body began."""

    inputs: tuple[str, ...]
    made: tuple[str, ...]
    start: Mapping[str, Any]

    def made_by(self, values: Mapping[str, Any], by_code: frozenset[str] = frozenset()) -> list[str]:
        """The variables that the task may have bound by now, by its code or as they hold another object, or changed."""
        bound = {n for n, value in values.items() if n[0] != "_" and value is not self.start.get(n, NOTHING)}
        mutable = (name for name in self.inputs if type(values.get(name)) not in ATOMS)
        names = dict.fromkeys((*mutable, *sorted(bound | by_code)))
        return [name for name in names if name in values and not isinstance(values[name], ModuleType | Track)]


NOTHING = object()


def shown(variable: str) -> str:
    """The name of a variable of some function, of which there may be several of that name."""
    return variable.rpartition(" ")[2]


def names_in(state: Any) -> list[str] | None:
    """The names that a state consists of, None where it is none of these."""
    if isinstance(state, str):
        return [state]
    if isinstance(state, list | tuple) and state and all(isinstance(name, str) for name in state):
        return list(state)
    return None
