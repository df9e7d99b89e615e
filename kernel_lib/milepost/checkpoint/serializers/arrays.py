"""NumPy arrays that share memory: pickled apart, a change to one would no longer show in the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from milepost.checkpoint.serializers import rebuild
from milepost.checkpoint.serializers.refuse import library_class


def shared_roots(values: Iterable[Any]) -> dict[int, Any]:
    """The array that owns the memory, by the `id` of each of the values that is an overlapping view of it.

    Only the values themselves are looked at, not what they hold: libraries such as pandas keep their own books on
    who shares memory, which a restored view would go behind.
    """
    array = library_class("numpy", "ndarray")
    families: dict[int, dict[int, Any]] = defaultdict(dict)
    for value in values:
        if array is not None and type(value) is array and _owned(root := _root(value)):
            families[id(root)][id(value)] = (value, root)
    found: dict[int, Any] = {}
    for family in families.values():
        if len(family) > 1 and _overlap([value for value, _ in family.values()]):
            found.update({key: root for key, (value, root) in family.items() if value is not root})
    return found


def reduce_view(view: Any, root: Any) -> Any:
    """The view as a part of its root."""
    offset = _start(view) - _start(root)
    facts = (offset, view.shape, view.strides, view.dtype, view.flags.writeable)
    return rebuild.array_view, (root, rebuild.array_layout(root), *facts)


def _root(value: Any) -> Any:
    while type(value.base) is type(value):
        value = value.base
    return value


def _owned(root: Any) -> bool:
    contiguous = root.flags.c_contiguous or root.flags.f_contiguous
    return contiguous and root.nbytes > 0 and not root.dtype.hasobject


def _overlap(views: list[Any]) -> bool:
    spans = sorted(_span(view) for view in views if view.nbytes)
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def _span(view: Any) -> tuple[int, int]:
    """The first byte and the one after the last, in memory."""
    steps = [(size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True)]
    start = _start(view)
    return start + sum(step for step in steps if step < 0), start + sum(s for s in steps if s > 0) + view.itemsize


def _start(view: Any) -> int:
    return int(view.__array_interface__["data"][0])
