"""Items that what gives them goes on with: a buffer that it fills again, folders that a person may strike out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

LOOKS = 8
"""Items of which it is looked whether they are lent, and then ever more seldom: most lend from the first on."""

PATIENCE, SHARE = 0.2, 0.03
"""The seconds, and beyond these the share of a loop's time, that it may take to see whether it changes lent items."""


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
        self._seen = 0
        self._began = time.perf_counter()
        self._spent = 0.0
        self.any = False
        """Whether one was."""
        self.skips = False
        """Whether items are only passed over, and nobody could change them."""
        self.gave_up = False
        """Whether it took too long to see."""

    def lend(self, source: Iterator[Any], item: Any) -> None:
        """An item is given that can be changed."""
        self._seen = seen = self._seen + 1
        if not self.any and (seen <= LOOKS or not seen & (seen - 1)):
            self.any = self._holds(source, item)
        if self.any and not (self.skips or self._changed or self.gave_up):
            self._item, self._before = item, self._look(item)

    def take_back(self) -> None:
        """The next one is asked for."""
        if self._item is not None:
            _ = self.changed
            self._item = None

    @property
    def changed(self) -> bool:
        """Whether the loop has changed one: what gives them goes on otherwise then."""
        if self._item is not None and not self._changed and self._look(self._item) != self._before:
            self._changed = True
        return self._changed

    def without(self, values: list[Any]) -> list[Any]:
        """Values but for the item under way and its parts, as the variables of the loop have them."""
        own = list(_flat(self._item))
        return [value for value in values if not any(value is part for part in own)]

    def _look(self, item: Any) -> str:
        begin = time.perf_counter()
        found = self._told(item)
        now = time.perf_counter()
        self._spent += now - begin
        self.gave_up = self.gave_up or self._spent > PATIENCE + SHARE * (now - self._began)
        return found


def _flat(item: Any) -> Iterator[Any]:
    yield item
    if isinstance(item, tuple | list):
        for part in item:
            yield from _flat(part)
