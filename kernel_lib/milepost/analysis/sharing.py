"""What several inputs of a task share: an object that both hold, memory that both look into, a class of both.

Equal contents do not tell `y = x` from `y = x.copy()`, but what a task that changes one of them comes to does. Each
shared thing is named by its places: how far the walk over each input was when it first met it.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from milepost.analysis.code import digest_text

Walked = Mapping[int, object]
"""The objects that a walk over one input met, by their place in it; held, so that their identity stays theirs."""


def sharing(walks: Mapping[str, Walked]) -> str:
    """A digest of what these inputs share, "" where that is nothing."""
    shared = [*_objects(walks), *_memory(walks), *_classes(walks)]
    return digest_text(*sorted(repr(item) for item in shared)) if shared else ""


def _objects(walks: Mapping[str, Walked]) -> Iterator[Any]:
    """Objects that can change, in more than one input."""
    first: dict[int, tuple[str, int]] = {}
    for name, walked in walks.items():
        places = {id(item): place for place, item in walked.items()}
        for identity in sorted(first.keys() & places.keys(), key=places.__getitem__):
            if _can_change(walked[places[identity]]):
                yield first[identity], (name, places[identity])
        first.update((identity, (name, place)) for identity, place in places.items() if identity not in first)


def _can_change(item: object) -> bool:
    """Whether code can change it in place, and a restore keeps it one object: containers, arrays, own objects."""
    kind = type(item)
    if isinstance(item, type) or (kind.__module__ == "pandas" and kind.__name__.endswith("Index")):
        return False
    if isinstance(item, list | dict | set | bytearray) or kind.__name__ in {"ndarray", "DataFrame", "Series"}:
        return True
    return kind.__module__ == "__main__" and hasattr(item, "__dict__")


def _memory(walks: Mapping[str, Walked]) -> Iterator[Any]:
    """Arrays in more than one input that look into the same memory: who, and how far apart they begin."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return
    arrays = [
        (*_extent(item), name, place, item)
        for name, walked in walks.items()
        for place, item in walked.items()
        if isinstance(item, numpy.ndarray) and item.nbytes
    ]
    arrays.sort(key=lambda found: found[:2])
    pairs = 0
    for place, (begin, end, name, where, one) in enumerate(arrays):
        for low, _, other, there, two in _until(arrays, place + 1, end):
            pairs += 1
            if pairs > _MOST_PAIRS:
                yield (
                    "memory",
                    "more than can be said",
                    secrets.token_hex(),
                )  # like nothing else: such a task runs again
                return
            if name != other and one is not two and numpy.may_share_memory(one, two):
                yield "memory", name, where, other, there, low - begin


_MOST_PAIRS = 1_000_000
"""Of arrays whose extents overlap."""


def _until(arrays: Sequence[Any], first: int, end: int) -> Iterator[Any]:
    for place in range(first, len(arrays)):
        if arrays[place][0] >= end:
            return
        yield arrays[place]


def _extent(array: Any) -> tuple[int, int]:
    """The first byte of an array and the one after its last."""
    begin = end = int(array.__array_interface__["data"][0])
    for size, stride in zip(array.shape, array.strides, strict=True):
        begin, end = begin + min((size - 1) * stride, 0), end + max((size - 1) * stride, 0)
    return begin, end + array.itemsize


def _classes(walks: Mapping[str, Walked]) -> Iterator[Any]:
    """Classes of the notebook that have one name and are two: an instance of the one is none of the other."""
    numbers: dict[str, dict[int, int]] = {}
    met: list[tuple[str, str, int]] = []
    for name, walked in walks.items():
        for item in walked.values():
            if isinstance(item, type) and item.__module__ == "__main__" and "<locals>" not in item.__qualname__:
                known = numbers.setdefault(item.__qualname__, {})
                met.append((item.__qualname__, name, known.setdefault(id(item), len(known))))
    yield from (found for found in met if len(numbers[found[0]]) > 1)
