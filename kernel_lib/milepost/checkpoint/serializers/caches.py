"""What `functools.lru_cache` has kept: read from a function, and put into one without running its code.

No interface gives the entries; the garbage collector does. Entries that are no plain data are left out, as if they
had been dropped for newer ones: what can be saved must not hang on them.
"""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Iterator
from typing import Any

Entry = tuple[tuple[Any, ...], dict[str, Any], Any]
"""The arguments of a call, and what it returned."""

MOST = 10_000
"""Entries of one function; the newest count."""

MOST_BYTES = 16 << 20

_ATOMS = (type(None), bool, int, float, complex, str, bytes)


def entries(cached: Any) -> list[Entry]:
    """The entries of a function under `lru_cache`, from the one that was used the longest ago on."""
    held = gc.get_referents(cached)
    size, typed = cached.cache_info().currsize, cached.cache_parameters()["typed"]
    marks = [item for item in held if type(item) is object]
    found: list[Entry] = []
    room = MOST_BYTES
    for key, result in reversed(list(_pairs(held, size))[-MOST:]):
        entry = (*_call(key, marks[-1] if marks else None, typed), result)
        needed = _plain_bytes(entry)
        if needed < MOST_BYTES:
            room -= needed
            found.append(entry)
        if room < 0:
            break
    return found[::-1]


def _pairs(held: list[Any], size: int) -> Iterator[tuple[Any, Any]]:
    """Keys with results: in a dict, or, where old ones are dropped, in the list of what was used when."""
    kept = next((item for item in held if type(item) is dict and len(item) == size), None) if size else None
    if kept is None:
        return
    if not any(type(item).__name__ == "_lru_list_elem" for item in kept.values()):
        yield from kept.items()
        return
    keys = {id(key) for key in kept}
    before = held[: next(place for place, item in enumerate(held) if item is kept)]
    links = [item for item in before if not (isinstance(item, type) and item.__name__ == "_lru_list_elem")]
    links = links[len(links) - 2 * size :]
    if len(links) == 2 * size and all(id(key) in keys for key in links[::2]):
        yield from zip(links[::2], links[1::2], strict=True)


def _call(key: Any, mark: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that a key was made of."""
    if type(key) is not tuple:
        return (key,), {}
    place = next((place for place, part in enumerate(key) if part is mark), None)
    if place is None:
        return (key[: len(key) // 2] if typed else key), {}
    rest = key[place + 1 :]
    count = (len(rest) - place) // 3 if typed else len(rest) // 2
    return key[:place], dict(zip(rest[: 2 * count : 2], rest[1 : 2 * count : 2], strict=True))


def _plain_bytes(value: Any, depth: int = 0) -> int:
    """About how many bytes plain data take; more than there is room for where it is none."""
    kind = type(value)
    if kind in _ATOMS:
        return sys.getsizeof(value)
    if kind in (tuple, list, set, frozenset) and depth < 20:
        return 8 * len(value) + sum(_plain_bytes(item, depth + 1) for item in value)
    if kind is dict and depth < 20:
        return sum(_plain_bytes(part, depth + 1) for item in value.items() for part in item)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray and not value.dtype.hasobject:
        return int(value.nbytes)
    return MOST_BYTES


def fill(cached: Any, found: list[Entry]) -> None:
    """Have a function under `lru_cache` keep these, too: called with each, its own code gives way to the result."""
    function = getattr(cached, "__wrapped__", None)
    if not isinstance(function, types.FunctionType):
        return
    code, defaults = function.__code__, function.__kwdefaults__
    pending: list[Any] = []
    function.__code__ = _GIVES.replace(co_freevars=code.co_freevars)
    function.__kwdefaults__ = {"milepost_pending": pending}
    try:
        for arguments, named, result in found:
            pending[:] = [result]
            cached(*arguments, **named)
    finally:
        function.__code__, function.__kwdefaults__ = code, defaults


def _gives(*args: Any, milepost_pending: list[Any], **named: Any) -> Any:
    return milepost_pending[0]


_GIVES = _gives.__code__
