"""The user's namespace as the session sees it: whose names count, and what a task changed in it."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from milepost.analysis.code import global_names
from milepost.analysis.digest import Digest, digest, outline
from milepost.analysis.flat import ATOMS, unchanging
from milepost.notebook.rebind import holds

_looks = itertools.count()

_HISTORY = re.compile(r"_+|_i+\d*|_\d+|_dh|_ih|_oh|_exit_code|In|Out")
"""Names in which IPython keeps its history."""


@functools.lru_cache(maxsize=100_000)
def _of_history(name: str) -> bool:
    return (name.startswith("__") and name.endswith("__")) or _HISTORY.fullmatch(name) is not None


SHELL_NAMES = frozenset({"get_ipython", "display", "exit", "quit", "open"})
"""Names that IPython itself binds and that say nothing of the user's data."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What running a body did to the namespace: names bound (new or another object), changed in place, deleted."""

    bound: tuple[str, ...]
    mutated: tuple[str, ...]
    deleted: tuple[str, ...]


class Namespace:
    """A view of `shell.user_ns` without what IPython put there, or of `data`, names of it as they once were.

    `home` is `shell.user_ns` in both cases: what the notebook's functions have as their globals.
    """

    def __init__(self, shell: Any, data: dict[str, Any] | None = None) -> None:
        self.home: dict[str, Any] = shell.user_ns
        self.data: dict[str, Any] = self.home if data is None else data
        self._hidden: Mapping[str, Any] = shell.user_ns_hidden
        self._looked: dict[str, tuple[int, Digest]] | None = None
        self._outlines: dict[int, str] = {}

    def names(self) -> list[str]:
        """The user's own names, in the order they were bound."""
        return [name for name in list(self.data) if self.is_user(name)]

    def identities(self) -> dict[str, int]:
        """Which object each name is bound to, the shell's own names among them."""
        return dict(zip(self.data, map(id, self.data.values()), strict=True))

    def is_user(self, name: str) -> bool:
        """Whether a bound name is the user's: not IPython's, or bound anew by the user."""
        if _of_history(name):
            return False
        return name not in self._hidden or self._hidden[name] is not self.data.get(name)

    def digest(self, name: str, *, walked: bool = False) -> Digest:
        """The content digest of what a name is bound to."""
        value, looked = self.data[name], self._looked
        if looked is not None and name in looked and looked[name][0] == id(value):
            return looked[name][1]
        try:
            found = digest(value, self.home, walked=walked or looked is not None)
        except RuntimeError as error:  # another thread changes it right now
            found = Digest("", opaque=f"it changes while it is read ({error})", consumable=True)
        if looked is not None:
            looked[name] = id(value), found
        return found

    def outline(self, name: str) -> str:
        """Of what a name is bound to, all parts that have content."""
        value = self.data[name]
        if self._looked is None:
            return outline(value, self.home)
        if id(value) not in self._outlines:
            self._outlines[id(value)] = outline(value, self.home)
        return self._outlines[id(value)]

    @contextlib.contextmanager
    def remembering(self) -> Iterator[None]:
        """Look at each variable once: nothing changes them in the `with`."""
        self._looked, self._outlines = {}, {}
        try:
            with unchanging():
                yield
        finally:
            self._looked = None

    def state(self, name: str) -> str:
        """What tells whether a name's value changed in place: its content, as far as it has any."""
        if self._looked is None:
            return state_of(self.data[name], self.home)
        try:
            return self.digest(name).hex or self.outline(name)
        except RuntimeError:  # another thread changes it right now
            return state_of(self.data[name], self.home)

    def reach(self, names: Iterable[str]) -> list[str]:
        """These names, and those that the notebook's functions and classes among them read, and so on."""
        seen: dict[str, None] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop(0)
            if name not in seen:
                seen[name] = None
                waiting += self._read_by(self.data.get(name))
        return list(seen)

    def bound(self, names: Iterable[str]) -> list[str]:
        """Those that `reach` finds and that are bound, without what IPython gives every cell."""
        reached = [name for name in self.reach(names) if name in self.data]
        return [name for name in reached if name not in SHELL_NAMES or self.is_user(name)]

    def read_by(self, names: Iterable[str], known: Collection[str] = ()) -> dict[str, Any]:
        """The values of these names and of all that they read in turn, also by the methods of an object they hold."""
        found: dict[str, Any] = {}
        waiting = list(names)
        while waiting:
            new = {name: self.data[name] for name in self.bound(waiting) if name not in found and name not in known}
            found.update(new)
            waiting = self.read_in(new)
        return found

    def read_in(self, names: Iterable[str]) -> list[str]:
        """What the code reads that the values of these names hold."""
        held = {name: self.data[name] for name in names}
        coded = [name for name, value in held.items() if mutable(value) and holds(value, self.home)]
        return [read for name in coded for read in self.digest(name).globals]

    def _is_own(self, function: types.FunctionType) -> bool:
        """Whether what a function reads are these variables; a task in a thread may have some of its own."""
        return function.__globals__ is self.home or function.__globals__ is self.data

    def _read_by(self, value: Any) -> Iterable[str]:
        if isinstance(value, types.FunctionType):
            members: Iterable[Any] = (value,)
        elif isinstance(value, type) and value.__module__ == "__main__":
            members = vars(value).values()
        else:
            return ()
        functions = [item for item in members if isinstance(item, types.FunctionType) and self._is_own(item)]
        return [name for function in functions for name in global_names(function.__code__)]

    def fix(self) -> Before:
        """Remember what every name holds, to tell afterwards what changed."""
        values = {name: self.data[name] for name in self.names()}
        return Before(values, {name: self.state(name) for name in values if mutable(values[name])})

    def changes(self, before: Before, assigned: Iterable[str] = ()) -> Changes:
        """What changed since `fix`; `assigned` names count as bound even where they hold the same object."""
        assigned = set(assigned)
        names = self.names()
        bound = [n for n in names if n in assigned or n not in before.values or self.data[n] is not before.values[n]]
        same = [name for name in names if name not in set(bound) and name in before.digests]
        mutated = [name for name in same if self.state(name) != before.digests[name]]
        deleted = [name for name in before.values if name not in self.data]
        return Changes(tuple(bound), tuple(mutated), tuple(deleted))


@dataclass(frozen=True, slots=True)
class Before:
    """Objects and digests by name at one moment; the objects are held, so that their identity stays theirs."""

    values: Mapping[str, Any]
    digests: Mapping[str, str]


def state_of(value: object, home: Mapping[str, Any]) -> str:
    """What tells whether a value changed in place: its content, as far as it has any."""
    try:
        return digest(value, home).hex or outline(value, home)
    except RuntimeError:  # another thread changes it right now
        return f"changing {next(_looks)}"


def mutable(value: object) -> bool:
    """Whether something could change by way of the value; modules are left out: they are shared by everything."""
    if isinstance(value, types.BuiltinFunctionType):  # a method of a list changes that list
        return not isinstance(value.__self__, types.ModuleType)
    return type(value) not in ATOMS and not isinstance(value, types.ModuleType)
