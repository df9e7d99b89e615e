"""Inputs, and parts of inputs, that saved values hold: the stream refers to the live ones instead of copying them.

The pickler is told that it has met these objects already, so it finds them at C speed and writes a reference to its
memo. The prefix of the stream puts the live objects at the same places of the unpickler's memo.
"""

from __future__ import annotations

import functools
import gc
import json
import pickle
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from milepost.checkpoint.serializers.memory import shares_memory
from milepost.checkpoint.serializers.parts import Link, Parts, Path, Survey, follow, may_hide_parts, survey, walk


class Known:
    """What the inputs are made of, by `id`: what a pickler may refer to instead of saving it.

    Parameters
    ----------
    inputs : mapping
        By name.
    """

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self._inputs = inputs

    @functools.cached_property
    def links(self) -> dict[int, Link]:
        """A link for each part, looked for when first needed."""
        return {id(link.target): link for link in walk(self._inputs)}

    @functools.cached_property
    def _survey(self) -> Survey:
        return survey(self._inputs.values())

    @functools.cached_property
    def memory(self) -> list[Link]:
        """Links for the arrays and storages among the parts."""
        if not self._inputs or not may_hide_parts(self._survey.kinds):
            return []
        return [link for link in self.links.values() if shares_memory(type(link.target))]

    def met(self, pickler: Any, first: Any, but: Sequence[Link]) -> list[Link]:
        """Links for what a pickler met, after it has pickled `first`, without those that it had from the start."""
        if not self._inputs:
            return []
        met = self._common(pickler, first) - {id(link.target) for link in but}
        if not met and not may_hide_parts(self._survey.kinds):
            return []
        return [link for key, link in self.links.items() if key in met]

    def _common(self, pickler: Any, first: Any) -> set[int]:
        """The `id` of what may be a part of the inputs and is in the pickler's memo."""
        wanted = {*self._survey.parts, id(first)}
        if may_hide_parts(self._survey.kinds):
            wanted.update(self.links)
        # The garbage collector gives the objects of the memo 40 times faster than `memo.copy()`, where it knows them.
        met: set[int] = wanted.intersection(map(id, gc.get_referents(pickler)))
        if id(first) not in met:
            met = wanted.intersection(pickler.memo.copy())
        cells: set[int] = pickler.cells & wanted
        return (met | cells) - {id(first)}


def outermost(links: Sequence[Link]) -> list[Link]:
    """The links without those to parts of what another leads to."""
    places = {(link.name, link.path) for link in links}
    return [link for link in links if not any((link.name, link.path[:n]) in places for n in range(len(link.path)))]


def spare(links: Sequence[Link], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for the inputs where they are not there: themselves, or the parts that are held."""
    parts: dict[str, dict[Path, Any]] = defaultdict(dict)
    for link in links:
        parts[link.name][link.path] = link.target
    return {name: inputs[name] if () in held else Parts(held) for name, held in sorted(parts.items())}


def seed(pickler: Any, links: Sequence[Link]) -> None:
    """Make a fresh pickler believe that it has met the targets, in this order."""
    memo = {id(link.target): (number, link.target) for number, link in enumerate(links)}
    if len(memo) != len(links):
        raise AssertionError("a target is linked twice: every later reference would be to a wrong object")
    pickler.memo = memo


def prefix(links: Sequence[Link]) -> bytes:
    """The opcodes that load the targets into the first places of the unpickler's memo; the pickle follows."""
    return b"".join(_loaded(json.dumps([link.name, *link.path]).encode()) for link in links)


def _loaded(name: bytes) -> bytes:
    text = pickle.BINUNICODE + len(name).to_bytes(4, "little") + name
    return pickle.PROTO + b"\x05" + text + pickle.BINPERSID + pickle.MEMOIZE + pickle.POP


def name_of(persistent_id: str) -> str:
    """The input that a link leads to, or into."""
    return str(json.loads(persistent_id)[0])


def live(value: Any, persistent_id: str) -> Any:
    """What a link leads to, from the input."""
    name, *path = json.loads(persistent_id)
    return follow(value, name, tuple((kind, where) for kind, where in path))
