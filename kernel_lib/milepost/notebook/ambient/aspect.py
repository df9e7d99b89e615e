"""One aspect of the state of a process: how it is read, compared and put back."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

State = Mapping[str, Any]
"""The entries of an aspect that are not at their defaults, so that "not loaded" equals "untouched"."""

Change = dict[str, Any]
"""What a body changed of an aspect: `values` by entry, and `unset`, the entries that are at their defaults again."""


class Aspect:
    """The base of all aspects.

    Attributes
    ----------
    name : str
        What people call it; the key under which it is saved.
    module : str
        The library that has it, "" for Python itself. Nothing is read before it is loaded.
    shows : bool
        Whether it only decides how things look: what shows nothing does not depend on it.
    counts : bool
        Whether it is an input of tasks; what else a task depends on is known in other ways.
    """

    name = ""
    module = ""
    shows = False
    counts = True

    @property
    def loaded(self) -> bool:
        """Whether its library is there."""
        return not self.module or self.module in sys.modules

    def read(self) -> State:
        """The entries that differ from their defaults, as objects that no later change reaches."""
        raise NotImplementedError

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set some entries, and put others to their defaults."""
        raise NotImplementedError

    def default(self, entry: str) -> Any:
        """The value of an entry that `read` leaves out; for people."""
        return None

    def label(self, entry: str) -> str:
        """What people call an entry."""
        return f"{self.name} {entry!r}" if entry else self.name

    def counted(self, state: State) -> State:
        """Those entries of a state, or what follows from them, that count as inputs of a task."""
        return state

    def quiet(self, entry: str) -> bool:
        """Whether an entry counts for a task that shows nothing."""
        return not self.shows

    def change(self, before: State, after: State) -> Change | None:
        """What happened between two states."""
        values = {name: value for name, value in after.items() if name not in before or not same(before[name], value)}
        unset = [name for name in before if name not in after]
        return {"values": values, "unset": unset} if values or unset else None

    def obstacle(self, change: Change, code: str) -> str:
        """Why a change by a body with this code must not be written to the store, "" if it may."""
        return ""

    def restore(self, change: Change) -> None:
        """Put back what a body changed."""
        if self.module:
            __import__(self.module)
        self.write(change["values"], change["unset"])


class ListAspect(Aspect):
    """A list that bodies add to: what they added and removed is put back, whatever else is in it by then."""

    counts = False

    def items(self) -> Sequence[Any]:
        """The entries now."""
        raise NotImplementedError

    def replace(self, items: list[Any]) -> None:
        """Have these entries."""
        raise NotImplementedError

    def read(self) -> State:
        """All entries, in order."""
        return {"": tuple(self.items())}

    def change(self, before: State, after: State) -> Change | None:
        """What came in front, what came behind, and what went."""
        old, new = list(before.get("", ())), list(after.get("", ()))
        if old == new:
            return None
        back = _new_at_end(old, new)
        front = _moved_to_front(old, new[: len(new) - len(back)])
        gone = [item for item in old if item not in new]
        return {"values": {"front": front, "back": back, "gone": gone}, "unset": []}

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Put them in front, behind, and away."""
        front, back = list(values["front"]), list(values["back"])
        kept = [item for item in self.items() if item not in values["gone"] and item not in front and item not in back]
        self.replace([*front, *kept, *back])


def _new_at_end(old: list[Any], new: list[Any]) -> list[Any]:
    count = 0
    while count < len(new) and new[-1 - count] not in old:
        count += 1
    return new[len(new) - count :] if old else []


def _moved_to_front(old: list[Any], new: list[Any]) -> list[Any]:
    """The shortest start of `new` without which the rest is in the order of `old`."""
    place, end = len(old), len(new)
    while end:
        earlier = [n for n, item in enumerate(old[:place]) if item == new[end - 1]]
        if not earlier:
            break
        place, end = earlier[-1], end - 1
    return new[:end]


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, as far as they can say; without an answer they are not."""
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:
        return False
