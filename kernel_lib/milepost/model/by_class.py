"""What is worked out once for each class, and forgotten with it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class ByClass(Generic[T]):
    """A function of a class that remembers what it gave.

    `functools.lru_cache` would keep the classes alive that a notebook defines again and again, with all that they hold.
    """

    def __init__(self, compute: Callable[[type], T]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[weakref.ref[type], T]] = {}
        self.__doc__ = compute.__doc__

    def __call__(self, kind: type) -> T:
        """What the function gives for this class."""
        known = self._known.get(id(kind))
        return known[1] if known is not None else self._remember(kind)

    def _remember(self, kind: type) -> T:
        table, number, found = self._known, id(kind), self._compute(kind)
        table[number] = weakref.ref(kind, lambda gone: table.pop(number, None) and None), found
        return found
