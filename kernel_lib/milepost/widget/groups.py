"""Groups of tasks, for graphs that are too large to be drawn box by box.

Tasks that are equally deep in the graph and called alike (`fetch['a']`, `fetch['b']`; `part_1`, `part_2`) are one
group; where that is still too many, tasks of one depth, or of neighbouring depths, are. All arrows between groups lead
to a greater depth, so groups never make a cycle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from milepost.widget.layered import layers

MOST_NODES = 1000
"""Boxes that are drawn one by one; above that, groups are."""
MOST_GROUPS = 300

_ITEM = re.compile(r"\[.*\]$|[\s_-]*[0-9]+$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Group:
    """A box that stands for several tasks: a name that no task has, what is read in it, and whom it stands for."""

    name: str
    label: str
    members: tuple[str, ...]


def group(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> tuple[list[Group], list[tuple[str, str]]]:
    """The groups of these tasks, and the arrows between them."""
    index = {name: place for place, name in enumerate(names)}
    pairs = [(index[a], index[b]) for a, b in edges if a in index and b in index and a != b]
    depths = layers(len(names), pairs)
    keys = _keys(names, depths)
    members: dict[tuple[int, str], list[str]] = {}
    for name, key in zip(names, keys, strict=True):
        members.setdefault(key, []).append(name)
    called = {key: f"\0group {number}" for number, key in enumerate(members)}
    groups = [Group(called[key], _label(key[1], found), tuple(found)) for key, found in members.items()]
    arrows = dict.fromkeys((called[keys[a]], called[keys[b]]) for a, b in pairs if keys[a] != keys[b])
    return groups, list(arrows)


def _keys(names: Sequence[str], depths: Sequence[int]) -> list[tuple[int, str]]:
    """The group of each task: as fine as `MOST_GROUPS` allows."""
    stems = [_ITEM.sub("", name) or name for name in names]
    fine = [(depth, stem) for depth, stem in zip(depths, stems, strict=True)]
    if len(set(fine)) <= MOST_GROUPS:
        return fine
    height = -(-(max(depths) + 1) // MOST_GROUPS)
    return [(depth // height, "") for depth in depths]


def _label(stem: str, members: Sequence[str]) -> str:
    if len(members) == 1:
        return members[0]
    return f"{stem or members[0]} … ({len(members):,} tasks)"
