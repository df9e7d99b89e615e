"""Items that what gives them goes on with: a buffer that it fills again, folders that a person may strike out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

LOOKS = 8
"""Items of which it is looked whether they are lent: one that lends does so from the first on."""


class Lent:
    """The item under way, where it is lent, and whether the loop has changed one of these.

    Parameters
    ----------
    told : function
        What an object of any kind comes to, as a text.
    holds : function
        Whether an iterator that has just given an item may still read it, and no variable tells when it changes.
    """

    def __init__(self, told: Callable[[Any], str], holds: Callable[[Iterator[Any], Any], bool]) -> None:
        self._told = told
        self._holds = holds
        self._changed = False
        self._item: Any = None
        self._before = ""
        self.any = False
        """Whether one was."""

    def lend(self, source: Iterator[Any], item: Any, count: int) -> None:
        """An item is given, the one with this number."""
        if count <= LOOKS and not self.any:
            self.any = self._holds(source, item)
        if self.any and not self._changed:
            self._item, self._before = item, self._told(item)

    def take_back(self) -> None:
        """The next one is asked for."""
        if self._item is not None:
            _ = self.changed
            self._item = None

    @property
    def changed(self) -> bool:
        """Whether the loop has changed one: what gives them goes on otherwise then."""
        if self._item is not None and self._told(self._item) != self._before:
            self._changed = True
        return self._changed

    def without(self, values: list[Any]) -> list[Any]:
        """Values but for the item under way and its parts, as the variables of the loop have them."""
        own = list(_flat(self._item))
        return [value for value in values if not any(value is part for part in own)]


def _flat(item: Any) -> Iterator[Any]:
    yield item
    if isinstance(item, tuple):
        for part in item:
            yield from _flat(part)
