"""What is remembered of each variable between cells, so that what nobody touches is not looked at again."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from milepost.notebook.auto.reach import Reach, reach_of
from milepost.notebook.namespace import Namespace, mutable
from milepost.notebook.observed.telling import of_jupyter

NOTHING = Reach()


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

    def clear(self) -> None:
        """Anything may have changed."""
        self._entries.clear()

    def settle(self) -> None:
        """Before a cell: what is not there any more goes, and everything where threads of the user's run."""
        if any(thread.is_alive() and not of_jupyter(thread) for thread in threading.enumerate()):
            self.clear()
            return
        data = self._namespace.data
        for name in [n for n, e in self._entries.items() if n not in data or id(data[n]) != e.identity]:
            del self._entries[name]

    def entry(self, name: str) -> Entry:
        """What is known of a variable that nobody touched."""
        value = self._namespace.data[name]
        known = self._entries.get(name)
        if known is None or known.identity != id(value):
            reach = reach_of(value) if mutable(value) else NOTHING
            known = self._entries[name] = Entry(id(value), reach)
        return known

    def meeting(self, reach: Reach, but: Collection[str]) -> list[str]:
        """The other variables that may be changed by way of what is reached."""
        others = [name for name in self._namespace.names() if name not in but]
        return [name for name in others if self.entry(name).reach.meets(reach)]

    def touched(self, names: Iterable[str]) -> None:
        """These may have changed."""
        for name in names:
            self._entries.pop(name, None)

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
    return 1e-5 + 2e-6 * len(entry.reach.parts) + sum(end - start for start, end in entry.reach.spans) / 2e9


def differing(looks: Mapping[str, tuple[str, str]]) -> list[str]:
    """Variables that are not what they were known to be."""
    return [name for name, (before, now) in looks.items() if before and before != now]
