"""pandas frames, series and indexes: a buffer for each column, and what pandas' own pickles leave out."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from milepost.checkpoint.serializers.arrays import Own
from milepost.checkpoint.serializers.refuse import library_class

COLUMN_FROM = 64 * 1024
"""Columns of at least so many bytes get a buffer of their own, so that only what changed is written again."""

MOST_BLOCKS = 64
"""pandas warns of frames in more than 100 pieces."""

_PANDAS_OWN = {"_mgr", "_attrs", "_flags", "_item_cache", "_is_copy", "_cacher", "_cache", "_name", "_metadata", "_typ"}


def reduce_frame(frame: Any) -> Any:
    """A frame or series, with the attributes that the user gave it."""
    reduced = frame.__reduce_ex__(5)
    if len(reduced) < 3 or type(reduced[2]) is not dict or "_mgr" not in reduced[2]:
        return reduced  # a subclass that pickles in its own way
    state = reduced[2]
    known = _PANDAS_OWN.union(state, frame._internal_names)
    added = {name: value for name, value in vars(frame).items() if name not in known}
    return (*reduced[:2], {**state, **added}, *reduced[3:])


def reduce_manager(manager: Any) -> Any:
    """The columns of a frame, in pieces that are buffers of their own."""
    build, (blocks, axes) = manager.__reduce__()
    room = max(1, MOST_BLOCKS // max(1, len(blocks)))
    whole = len(blocks) == 1 and not _copies_on_write()
    pieces = [piece for block in blocks for piece in _pieces(block, 1 if whole else room)]
    return build, (tuple(pieces), axes)


def reduce_owner(value: Any) -> Any:
    """An index, an extension array or a series' data: pandas keeps the books on who shares their memory."""
    return _owned(value.__reduce_ex__(5), {})


class _Piece:
    """A block of a frame, or some columns of one."""

    def __init__(self, *reduced: Any) -> None:
        self._reduced = reduced

    def __reduce__(self) -> Any:
        return self._reduced


def _pieces(block: Any, most: int) -> list[_Piece]:
    build, (values, places, dimensions) = block.__reduce_ex__(5)[:2]
    if not _is_array(values):
        return [_Piece(build, (values, places, dimensions))]
    step = _step(values, most)
    if step == len(values):
        return [_Piece(build, (Own(values), places, dimensions))]
    columns = _numbers(places)
    starts = range(0, len(values), step)
    return [_Piece(build, (Own(values[at : at + step]), columns[at : at + step], dimensions)) for at in starts]


def _step(values: Any, most: int) -> int:
    """How many columns go together: a power of two, so that it rarely changes when columns are added."""
    count = len(values)
    if values.dtype.hasobject or not values.flags.c_contiguous or values.nbytes < COLUMN_FROM * max(1, count):
        return count
    needed = -(-count // most)
    return min(count, 1 << (needed - 1).bit_length())


def _numbers(places: Any) -> Any:
    import numpy as np

    if isinstance(places, slice):
        return np.arange(places.start, places.stop, places.step or 1)
    return np.asarray(places)


def _copies_on_write() -> bool:
    """Before pandas 3, `values` of a frame in one block is the memory of that block: such a frame is kept in one."""
    return int(sys.modules["pandas"].__version__.partition(".")[0]) >= 3


def _owned(found: Any, known: dict[int, Any]) -> Any:
    """What a value was reduced to, its arrays marked; what holds none stays the object that it is."""
    if _is_array(found):
        return known.setdefault(id(found), Own(found))
    if type(found) is dict:
        items = [_owned(item, known) for item in found.values()]
        return found if _same(items, found.values()) else dict(zip(found, items, strict=True))
    if type(found) in (tuple, list):
        items = [_owned(item, known) for item in found]
        return found if _same(items, found) else type(found)(items)
    return found


def _same(items: list[Any], others: Iterable[Any]) -> bool:
    return all(one is other for one, other in zip(items, others, strict=True))


def _is_array(value: Any) -> bool:
    return type(value) is library_class("numpy", "ndarray")
