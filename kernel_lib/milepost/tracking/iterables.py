"""What a loop goes through: what tells it from another one, and how to go on within it."""

from __future__ import annotations

import marshal
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import chain, islice
from types import FunctionType
from typing import Any, NoReturn

from milepost.model.errors import LoopNotResumed, MilepostError
from milepost.tracking.lent import Lent

MOST_SKIPPED = 10_000
"""Items that are held until it is sure that they are those of then."""

ATOMS = frozenset({str, bytes, int, float, complex, bool, type(None)})


class Changed(MilepostError):
    """What is gone through is not what it was."""


class Source:
    """One iterable, gone through from the start or from a place.

    What nothing else tells from others (a generator, files in the order of their folder) is known by its items: each
    text, path and number counts, of other objects the first, second, fourth and so on.

    Parameters
    ----------
    iterable : iterable
        What is gone through.
    told : function
        What an object of any kind comes to, as a text; "" where it shows too little of itself.
    known : bool
        Whether its content is known as a whole.
    holds : function
        Whether an iterator that has just given an item goes on with it.
    """

    def __init__(
        self, iterable: Any, told: Callable[[Any], str], holds: Callable[[Iterator[Any], Any], bool], *, known: bool
    ) -> None:
        self._iterable = iterable
        self.iterator: Iterator[Any] | None = None
        """What gives the items."""
        self.lent = Lent(told, holds)
        self._told = told
        self._whole = known and has_content(iterable)
        self._counts = not self._whole and not _seekable(iterable)
        """Whether its items are what it is known by."""
        self._known = blake2b(digest_size=16)
        self._marks: dict[int, str] = {}
        """What the items came to when there were so many."""
        self._count = 0
        self._skipped: list[Any] = []
        self.gives_blindly = False
        """Whether nothing tells its items from others."""
        self.spent = False
        """Whether what was skipped cannot be given once more, as what gave it has gone on with it."""
        self._again: Iterator[Any] | None = None
        """All items once more, after some were taken."""

    @property
    def skips_dearly(self) -> bool:
        """Whether what is skipped is computed once more."""
        own = self._iterable
        return isinstance(own, Iterator) and not _seekable(own) and type(own).__module__ != "_io" and not _plain(own)

    def place(self, done: int) -> Any:
        """What tells where it is after so many items, to be saved."""
        if _tells_its_place(self._iterable):
            return {"state": self._iterable.state_dict()}
        return {"marks": {**self._marks, done: self._known.hexdigest()} if self._counts else {}}

    def begin(self) -> Iterator[Any]:
        """All items."""
        return self._noted(self._again if self._again is not None else iter(self._iterable))

    def go_on(self, done: int, place: Any) -> Iterator[Any]:
        """The items from there on.

        Raises
        ------
        Changed
            Where the items before are others, or fewer, than then.
        LoopNotResumed
            Where that is so, and they cannot be given once more.
        """
        own = self._iterable
        if "state" in place and _tells_its_place(own):
            own.load_state_dict(place["state"])
            return iter(own)
        if _seekable(own):
            own.seek(done)
            return iter(own)
        source = iter(own)
        items = self._noted(source)
        self.lent.skips = True
        skipped = self._skip(items, source, done, place["marks"])
        self.lent.skips = False
        if skipped < done:
            self._refuse(f"what it goes through has only {skipped} items now, and {done} were done", source, skipped)
        self._skipped.clear()
        return items

    def _skip(self, items: Iterator[Any], source: Iterator[Any], done: int, marks: Mapping[int, str]) -> int:
        skipped = 0
        for skipped, item in enumerate(islice(items, done), 1):
            if self._counts and len(self._skipped) < MOST_SKIPPED:
                self._skipped.append(item)
            if skipped in marks and marks[skipped] != self._known.hexdigest():
                self._refuse("what it goes through gives others now, or in another order", source, skipped)
        return skipped

    def _refuse(self, words: str, source: Iterator[Any], skipped: int) -> NoReturn:
        """Begin anew: with what was skipped, where nothing says that it would be given once more."""
        if not self._whole and iter(self._iterable) is source:
            if len(self._skipped) < skipped:
                raise LoopNotResumed(words)
            self.spent = self.lent.any
            self._again = chain(self._skipped, source)
        self._known, self._count = blake2b(digest_size=16), 0
        self._marks.clear()
        raise Changed(words)

    def _noted(self, items: Iterator[Any]) -> Iterator[Any]:
        return self._noting(items) if self._counts else items

    def _noting(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items, taken down before each is given: the loop may change it."""
        update: Callable[[bytes], None] = self._known.update
        due, lent, self.iterator = 1, self.lent, items
        for item in items:
            self._count = count = self._count + 1
            if type(item) in ATOMS or (type(item) is tuple and ATOMS.issuperset(map(type, item))):
                update(marshal.dumps(item, 0))
            elif isinstance(item, os.PathLike):
                update(os.fsencode(item))
            else:
                if count == due:
                    told = self._told(item)
                    self.gives_blindly |= not told
                    update(told.encode())
                lent.lend(items, item)
            if count == due:
                self._marks[count] = self._known.hexdigest()
                due += due
            yield item
            if lent.any:
                lent.take_back()


def length_of(iterable: Any) -> int | None:
    """How many items it has, or those that are left, as far as it says so."""
    try:
        return len(iterable)
    except Exception:  # a loader of data without a length says so by any error
        hint = operator.length_hint(iterable, -1) if isinstance(iterable, Iterator) else -1
        return hint if hint >= 0 else None


def _seekable(own: Iterable[Any]) -> bool:
    """Whether it can be told where to go on: `seek(n)`, but not that of a file, which counts in bytes."""
    return callable(getattr(own, "seek", None)) and not hasattr(own, "readline")


def has_content(own: Any) -> bool:
    """Whether it is known by what it holds, or is a loader, which shuffles by the random generators.

    One whose way of giving items is written in Python may give anything; the order of a set is another one in each
    process.
    """
    if isinstance(own, set | frozenset):
        return False
    method = getattr(type(own), "__iter__", None) or getattr(type(own), "__getitem__", None)
    return hasattr(own, "dataset") or not (isinstance(own, Iterator) or isinstance(method, FunctionType))


def _tells_its_place(own: Any) -> bool:
    """Whether it is a loader with a state of its own; a model has one that is something else."""
    stateful = hasattr(own, "state_dict") and hasattr(own, "load_state_dict")
    return stateful and (hasattr(own, "dataset") or not hasattr(type(own), "__getitem__"))


def _plain(own: Iterator[Any]) -> bool:
    """Whether its items lie ready, in a list or a folder."""
    return type(own).__module__ in ("builtins", "itertools", "posix", "nt") and type(own).__name__ != "generator"
