"""What a loop goes through: what tells it from another one, and how to go on within it."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import chain, islice
from typing import Any

from milepost.model.errors import MilepostError, UsageError


class Changed(MilepostError):
    """What is gone through is not what it was."""


class Source:
    """One iterable, gone through from the start or from a place.

    Of files and texts the order is checked on the way: a folder may list them in another one.
    """

    def __init__(self, iterable: Any) -> None:
        self._iterable = iterable
        self._names = blake2b(digest_size=16)
        self._checked = True
        self._skipped: list[Any] = []

    @property
    def skips_dearly(self) -> bool:
        """Whether what is skipped is computed once more."""
        own = self._iterable
        return isinstance(own, Iterator) and not _told(own) and type(own).__module__ != "_io" and not _plain(own)

    def place(self, done: int) -> Any:
        """What tells where it is after so many items, to be saved."""
        own = self._iterable
        if hasattr(own, "state_dict") and hasattr(own, "load_state_dict"):
            return {"state": own.state_dict()}
        return {"names": self._names.hexdigest() if self._checked and done else ""}

    def begin(self) -> Iterator[Any]:
        """All items."""
        skipped, self._skipped = self._skipped, []
        return self._noted(chain(skipped, self._iterable) if skipped else iter(self._iterable))

    def go_on(self, done: int, place: Any) -> Iterator[Any]:
        """The items from there on.

        Raises
        ------
        Changed
            Where there are fewer, or the names before are others.
        """
        own = self._iterable
        if "state" in place:
            own.load_state_dict(place["state"])
            return iter(own)
        if _told(own):
            own.seek(done)
            return iter(own)
        items, named = self._noted(iter(own)), bool(place["names"])
        skipped = 0
        for item in islice(items, done):
            skipped += 1
            if named:  # they may have to be given after all
                self._skipped.append(item)
        if skipped < done and isinstance(own, Iterator) and not named:
            words = f"what it goes through has only {skipped} items now, and {done} were done"
            raise UsageError(f"{words}: forget what is kept of the task, and run it again")
        if skipped < done or (named and place["names"] != self.place(done)["names"]):
            self._names = blake2b(digest_size=16)
            raise Changed("what it goes through comes in another order now, or is something else")
        self._skipped.clear()
        return items

    def _noted(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items, with their names taken down as long as they have some."""
        return self._noting(items) if isinstance(self._iterable, Iterator) else items

    def _noting(self, items: Iterator[Any]) -> Iterator[Any]:
        update: Callable[[bytes], None] = self._names.update
        for item in items:
            if type(item) is not str and not isinstance(item, os.PathLike):
                self._checked = False
                yield item
                break
            update(os.fsencode(item) + b"\0")
            yield item
        yield from items


def length_of(iterable: Any) -> int | None:
    """How many items it has, or those that are left, as far as it says so."""
    try:
        return len(iterable)
    except Exception:  # a loader of data without a length says so by any error
        hint = operator.length_hint(iterable, -1) if isinstance(iterable, Iterator) else -1
        return hint if hint >= 0 else None


def _told(own: Iterable[Any]) -> bool:
    """Whether it can be told where to go on: `seek(n)`, but not that of a file, which counts in bytes."""
    return callable(getattr(own, "seek", None)) and not hasattr(own, "readline")


def _plain(own: Iterator[Any]) -> bool:
    """Whether its items lie ready, in a list or a folder."""
    return type(own).__module__ in ("builtins", "itertools", "posix", "nt") and type(own).__name__ != "generator"
