"""What is remembered of each variable between cells, so that what nobody touches is not looked at again."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from milepost.notebook.auto.threads import own_threads
from milepost.notebook.namespace import Namespace, mutable
from milepost.notebook.reach import Reach, reach_of

NOTHING = Reach()

FEW = 1_000
"""Parts up to which a variable is found by each of them."""


@dataclass(slots=True)
class Entry:
    """One variable: which object it was, what can be changed by way of it, and its state, where that was looked at."""

    identity: int
    reach: Reach
    state: str = ""
    seconds: float = 0.0
    """What looking at the state took."""


class Memo:
    """By name. An entry goes as soon as anything may have changed it."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._entries: dict[str, Entry] = {}
        self._by_part: dict[int, set[str]] = {}
        """The variables that have a part, those of few parts only."""
        self._large: set[str] = set()
        """The other variables that reach anything."""

    def clear(self) -> None:
        """Anything may have changed."""
        self._entries.clear()
        self._by_part.clear()
        self._large.clear()

    def settle(self) -> None:
        """Before a cell: what is not there any more goes, and everything where threads of the user's run."""
        if own_threads():
            self.clear()
        now = self._namespace.identities()
        self.touched([name for name, entry in self._entries.items() if now.get(name) != entry.identity])

    def entry(self, name: str) -> Entry:
        """What is known of a variable that nobody touched."""
        value = self._namespace.data[name]
        known = self._entries.get(name)
        if known is not None and known.identity == id(value):
            return known
        self.touched([name])
        made = self._entries[name] = Entry(id(value), reach_of(value) if mutable(value) else NOTHING)
        self._file(name, made.reach)
        return made

    def _file(self, name: str, reach: Reach) -> None:
        if reach.spans or reach.frames or reach.everything or len(reach.parts) > FEW:
            self._large.add(name)
            return
        for part in reach.parts:
            self._by_part.setdefault(part, set()).add(name)

    def meeting(self, reach: Reach, but: Collection[str]) -> list[str]:
        """The other variables that may be changed by way of what is reached."""
        new = [name for name in self._namespace.data.keys() - self._entries.keys() if self._namespace.is_user(name)]
        for name in new:
            self.entry(name)
        if reach.everything:
            found = set(self._entries)
        else:
            found = {name for part in reach.parts for name in self._by_part.get(part, ())}
            found |= {name for name in self._large if self._entries[name].reach.meets(reach)}
        others = found.difference(but)
        return (
            [name for name in self._namespace.data if name in others and self._namespace.is_user(name)]
            if others
            else []
        )

    def touched(self, names: Iterable[str]) -> None:
        """These may have changed."""
        for name in names:
            known = self._entries.pop(name, None)
            if known is not None and name not in self._large:
                self._unfile(name, known.reach)
            self._large.discard(name)

    def _unfile(self, name: str, reach: Reach) -> None:
        for part in reach.parts:
            owners = self._by_part[part]
            owners.discard(name)
            if not owners:
                del self._by_part[part]

    def look(self, names: Iterable[str], budget: float) -> dict[str, tuple[str, str]]:
        """Look at the states of variables, the quickest first, as long as the seconds last; what was known, and is."""
        found: dict[str, tuple[str, str]] = {}
        entries = {name: self.entry(name) for name in names}
        for name in sorted(entries, key=lambda name: _estimate(entries[name])):
            entry = entries[name]
            budget -= _estimate(entry)
            if budget < 0:
                break
            before, began = entry.state, time.perf_counter()
            entry.state = self._namespace.state(name)
            entry.seconds = time.perf_counter() - began
            found[name] = before, entry.state
        return found


def _estimate(entry: Entry) -> float:
    """Seconds that a look at a variable takes."""
    if entry.seconds:
        return entry.seconds
    reach = entry.reach
    nbytes = sum(end - start for start, end in (*reach.spans, *reach.frames))
    return 1e-5 + 2e-6 * len(reach.parts) + 1e-6 * reach.passed + nbytes / 2e9


def differing(looks: Mapping[str, tuple[str, str]]) -> list[str]:
    """Variables that are not what they were known to be."""
    return [name for name, (before, now) in looks.items() if before and before != now]
