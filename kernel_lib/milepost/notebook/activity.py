"""Which bodies run at the same time, and whether one could have changed what another holds.

An object that two bodies can reach may be changed by either, and no look at it tells by whom. Such a change is put
down to nobody: what a body leaves is saved only where all of it is known to be its own doing.
"""

from __future__ import annotations

import gc
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from milepost.analysis.flat import ATOMS
from milepost.functions import RegisteredFunction, TaskMap

MAX_PARTS = 200_000
"""Parts of what a body can reach that are looked at; beyond it counts as reaching everything."""


class Activity:
    """One body while it runs: the values it started from, and the bodies that ran at some time meanwhile.

    `roots` of None are everything there is.
    """

    def __init__(self, roots: Iterable[Any] | None) -> None:
        self._roots = None if roots is None else list(roots)
        self._reach: frozenset[int] | None = None
        self._known = False
        self.met: list[Activity] = []

    def reaches(self, value: Any) -> bool:
        """Whether the body could have changed the value, or a part of it."""
        reach, parts = self._reached(), parts_of([value])
        return reach is None or parts is None or bool(reach & parts)

    def _reached(self) -> frozenset[int] | None:
        if not self._known:
            self._reach = None if self._roots is None else parts_of(self._roots)
            self._known, self._roots = True, None
        return self._reach

    def others_reach(self, value: Any) -> bool:
        """Whether a body that ran at the same time could have changed the value."""
        return any(other.reaches(value) for other in self.met)

    def own(self, changed: Iterable[str], values: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
        """Those of these names that this body, and no other, can have changed; and what to say where both could."""
        touched = {name for name in changed if self.met and self.others_reach(values[name])}
        unsure = [name for name in changed if name in touched and self.reaches(values[name])]
        names = ", ".join(repr(name) for name in unsure)
        words = f"{names} changed while it ran, and another cell, which ran at the same time, may have done that"
        return tuple(name for name in changed if name not in touched), words if unsure else ""

    def meet(self, other: Activity) -> None:
        """They run at the same time: what each can reach is settled now."""
        self.met.append(other)
        self._reached()


class Activities:
    """The bodies that run now. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[Activity] = []

    @property
    def idle(self) -> bool:
        """Whether no body runs."""
        return not self._running

    def begin(self, roots: Iterable[Any] | None) -> Activity:
        """A body starts; see `Activity`."""
        made = Activity(roots)
        with self._lock:
            for other in self._running:
                made.meet(other)
                other.meet(made)
            self._running.append(made)
        return made

    def end(self, activity: Activity) -> None:
        """The body has ended."""
        with self._lock:
            if activity in self._running:
                self._running.remove(activity)

    @contextmanager
    def running(self, roots: Iterable[Any] | None) -> Iterator[Activity]:
        """While the body of the `with` runs."""
        activity = self.begin(roots)
        try:
            yield activity
        finally:
            self.end(activity)


def parts_of(values: Iterable[Any], within: Callable[[Any], Iterable[Any]] | None = None) -> frozenset[int] | None:
    """What tells the mutable parts of values apart: their `id`, of arrays that of who owns the memory.

    None where there are too many. Modules and classes are shared by everything, and count as no part. `within` gives
    what a part holds, where that shall be more than `inside`.
    """
    seen: set[int] = set()
    found: set[int] = set()
    waiting = list(values)
    while waiting:
        part = owner(waiting.pop())
        if id(part) in seen or type(part) in _UNCHANGING:
            continue
        seen.add(id(part))
        if len(seen) > MAX_PARTS:
            return None
        if not _fixed(part):
            found.add(id(part))
        waiting += (within or inside)(part)
    return frozenset(found)


def _fixed(part: Any) -> bool:
    """Whether the object itself never changes (what it holds may), or everything shares it: a class, a dtype."""
    return type(part) in _LOOKED_THROUGH or isinstance(part, type) or "dtype" in type(part).__name__.lower()


_UNCHANGING = ATOMS | {types.ModuleType, types.CodeType, range, slice}
_LOOKED_THROUGH = (tuple, frozenset, types.MethodType, types.BuiltinFunctionType, types.FunctionType, types.CellType)
"""What cannot change itself but may hold what can."""


def owner(part: Any) -> Any:
    """The array that a view is of; the object that lent its memory."""
    while type(part).__module__ == "numpy" and getattr(part, "base", None) is not None:
        part = part.base
    return part.obj if isinstance(part, memoryview) else part


def inside(part: Any) -> Iterable[Any]:
    """What a part holds."""
    if isinstance(part, types.FunctionType):
        return [*(part.__closure__ or ()), part.__defaults__, part.__kwdefaults__, part.__dict__]
    if isinstance(part, RegisteredFunction | TaskMap):  # where it is registered is no part of it
        return [value for name, value in vars(part).items() if name not in ("_registry", "registry")]
    if isinstance(part, type) and part.__module__ != "__main__":
        return ()
    if type(part).__module__ == "numpy" and getattr(getattr(part, "dtype", None), "hasobject", False):
        return [part.tolist()]  # it shows Python nothing of what it holds
    return gc.get_referents(part)
