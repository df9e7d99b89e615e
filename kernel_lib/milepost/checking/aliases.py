"""Which places in a namespace hold one object, or one memory: `b` that is `a`, an item of a list that is a name."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from milepost.analysis.flat import ATOMS
from milepost.checking.parts import is_a

_MOST = 1000
"""Items of one container that are looked at."""

_CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
"""What is shared without anybody noticing."""


def shared(values: Mapping[str, Any]) -> list[list[str]]:
    """Groups of places that hold the same changeable object, or arrays in the same memory; sorted."""
    alike: dict[object, list[tuple[str, Any]]] = {}
    for place, value in _places(values):
        if changeable(value):
            alike.setdefault(_identity(value), []).append((place, value))
    groups = [group for items in alike.values() for group in _meeting(items)]
    return sorted(sorted(group) for group in groups if len({_name(place) for place in group}) > 1)


def changeable(value: object) -> bool:
    """Whether sharing it can matter; what is hashed by its content does not change."""
    if is_a(value, "torch", "Tensor"):
        return True
    kind = type(value)
    return kind not in ATOMS and not isinstance(value, _CODE) and kind.__hash__ in (None, object.__hash__)


def _places(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names, and what containers and the notebook's own objects hold directly."""
    for name, value in values.items():
        yield name, value
        if isinstance(value, dict):
            yield from ((f"{name}[{key!r}]", item) for key, item in list(value.items())[:_MOST] if type(key) in ATOMS)
        elif isinstance(value, list | tuple):
            yield from ((f"{name}[{i}]", item) for i, item in enumerate(value[:_MOST]))
        elif type(value).__module__ == "__main__" and isinstance(held := getattr(value, "__dict__", None), dict):
            yield from ((f"{name}.{key}", item) for key, item in list(held.items())[:_MOST])


def _meeting(items: list[tuple[str, Any]]) -> list[list[str]]:
    """The places of those whose memory overlaps: pieces of a split array share only what they were cut from."""
    groups: list[list[tuple[str, Any]]] = []
    for item in items:
        met: list[tuple[str, Any]] = [item]
        apart = []
        for group in groups:
            if any(_meet(item[1], other) for _, other in group):
                met += group
            else:
                apart.append(group)
        groups = [*apart, met]
    return [[place for place, _ in group] for group in groups]


def _meet(one: Any, other: Any) -> bool:
    """Of two with one identity: whether what is written into one can be seen in the other."""
    if one is other or not (is_a(one, "numpy", "ndarray") and is_a(other, "numpy", "ndarray")):
        return True
    return bool(sys.modules["numpy"].may_share_memory(one, other))


def _name(place: str) -> str:
    return place.replace("[", ".").partition(".")[0]


def _identity(value: Any) -> object:
    """The object, or the memory that an array or a tensor is a view of."""
    if is_a(value, "numpy", "ndarray") and value.size:
        while is_a(value.base, "numpy", "ndarray"):
            value = value.base
        return ("memory", value.__array_interface__["data"][0])
    if is_a(value, "torch", "Tensor") and value.numel():
        return ("memory", value.untyped_storage().data_ptr())
    return id(value)
