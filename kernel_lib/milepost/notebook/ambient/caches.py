"""What functions of the notebook under `functools.lru_cache` keep: a call that was made is not made again."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from milepost.analysis.digest import digest
from milepost.checkpoint.serializers.caches import Entry, entries, fill
from milepost.notebook.ambient.aspect import Aspect, Change, State


class FunctionCaches(Aspect):
    """The caches of variables, and of attributes of the notebook's classes. What they keep is no input of a task: it
    follows from what the function reads.
    """

    name = "the cache of"
    module = "functools"
    counts = False

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def read(self) -> State:
        """How much each has computed."""
        return {name: (cached, *cached.cache_info()[1:]) for name, cached in _caches(self._namespace)}

    def change(self, before: State, after: State) -> Change | None:
        """The entries of those that computed something, and those that were emptied."""
        other = {name: state for name, state in after.items() if state != before.get(name)}
        unset = [name for name, state in other.items() if name in before and state[1] < before[name][1]]
        caches = {name: (digest(state[0], self._namespace).hex, entries(state[0])) for name, state in other.items()}
        values = {name: known for name, known in caches.items() if known[1]}
        return {"values": values, "unset": unset} if values or unset else None

    def write(self, values: Mapping[str, tuple[str, list[Entry]]], unset: Sequence[str]) -> None:
        """Put them into those functions that are what they were; one that the task binds itself brings its own."""
        live = dict(_caches(self._namespace))
        for name in live.keys() & set(unset):
            live[name].cache_clear()
        for name, (code, found) in values.items():
            if name in live and digest(live[name], self._namespace).hex == code:
                fill(live[name], found)


def _caches(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in list(namespace.items()):
        kind = type(value)
        if kind is functools._lru_cache_wrapper:
            yield name, value
        elif isinstance(value, type) and value.__module__ == "__main__":
            members = list(vars(value).items())
            yield from ((f"{name}.{n}", m) for n, m in members if type(m) is functools._lru_cache_wrapper)
