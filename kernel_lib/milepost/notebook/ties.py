"""Ties between variables that no restore could make again: weak references, and memory that another object lends.

What a task leaves comes back as other objects; a weak reference of a plain cell, or an array that looks into a
`bytearray`, would go on with the old ones.
"""

from __future__ import annotations

import array
import mmap
import sys
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from milepost.analysis.digest import digest

_LENDERS = (bytearray, array.array, mmap.mmap)
_WEAK = (weakref.ref, weakref.ProxyType, weakref.CallableProxyType)
_WEAK_HOLDERS = (weakref.WeakValueDictionary, weakref.WeakKeyDictionary, weakref.WeakSet)


def tied(data: Mapping[str, Any], left: Mapping[str, Any]) -> str:
    """Why what a task left must not be saved, "" where nothing ties it; `data` are all variables."""
    held = [(name, item, words) for name, value in list(data.items()) for item, words in _held(value)]
    if not held:
        return ""
    places: dict[int, str] = {}
    for name, value in left.items():
        places.update(dict.fromkeys(map(id, digest(value, data, walked=True).walked or (value,)), name))
    for name, item, words in held:
        place = places.get(id(item))
        if place is not None and (name != place or name not in left):
            return f"{name!r} {words} {place!r} as it is now, and would not do so after a restore"
    return ""


def _held(value: Any) -> Iterator[tuple[Any, str]]:
    """Objects that a variable leads to without holding them as a value does, and how."""
    if isinstance(value, _WEAK):
        yield from ((item, "refers weakly to") for item in _referents(value))
    elif isinstance(value, _WEAK_HOLDERS):
        members = value.values() if isinstance(value, weakref.WeakValueDictionary) else value
        yield from ((item, "refers weakly to") for item in list(members))
    elif (lender := _lender(value)) is not None:
        yield lender, "looks into"


def _referents(value: Any) -> list[Any]:
    if isinstance(value, weakref.ref):
        return [] if (item := value()) is None else [item]
    try:
        return [value.__repr__.__self__]  # a proxy gives the methods of what it stands for
    except (ReferenceError, AttributeError):
        return []


def _lender(value: Any) -> Any:
    """What lends its memory to an array or a view, where that is neither."""
    numpy: Any = sys.modules.get("numpy")
    views = (memoryview,) if numpy is None else (memoryview, numpy.ndarray)
    found = value
    while isinstance(found, views):
        found = found.obj if isinstance(found, memoryview) else found.base
    return found if found is not value and isinstance(found, _LENDERS) else None
