"""`_` and `Out`: what a restored cell showed is there for the cells that ask for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from milepost.model.errors import MilepostError
from milepost.notebook.namespace import mutable
from milepost.notebook.plain import read_plain
from milepost.notebook.reach import reach_of

_NAMES = re.compile(r"_{1,3}|_\d+|_oh|Out")
_SAID = re.compile(rf"(?<![\w.])(?:{_NAMES.pattern})(?!\w)")


class NotKept:
    """Stands for a value that was shown by a cell which has been restored since, and that was not saved."""

    def __repr__(self) -> str:
        return "<a value that was shown and not saved>"


def asks(names: Iterable[str]) -> bool:
    """Whether any of these names is one of IPython's history."""
    return any(_NAMES.fullmatch(name) for name in names)


def asked(cells: Iterable[str], shell: Any) -> bool:
    """Whether a cell among these seems to ask for what others have shown."""
    return any(_SAID.search(cell) and _reads(cell, shell) for cell in cells)


def _reads(cell: str, shell: Any) -> bool:
    read = read_plain(shell, cell)
    return read is None or asks((*read.names.reads, *read.names.maybe))


def require_kept(names: Iterable[str], data: dict[str, Any]) -> None:
    """Refuse a cell that asks for what was shown by a restored cell and not saved."""
    found = [data.get(name) for name in names if _NAMES.fullmatch(name)]
    values = [value for item in found for value in (item.values() if isinstance(item, dict) else (item,))]
    if any(isinstance(value, NotKept) for value in values):
        words = "it asks for a value that a restored cell showed and that was not saved"
        raise MilepostError(f"{words}: give the value a name in that cell, or `%tasks forget` it and run it again")


def exchange(old: Iterable[Any], new: Iterable[Any], data: dict[str, Any]) -> None:
    """In IPython's history, put new values in the place of old ones; what hangs together with those is not kept."""
    pairs = [(one, two) for one, two in zip(old, new, strict=True) if one is not two]
    reach = reach_of(*(one for one, _ in pairs))
    for place, number, value in _places(data) if pairs else ():
        found = next((two for one, two in pairs if one is value), None)
        if found is not None or (mutable(value) and reach_of(value).meets(reach)):
            place[number] = found if found is not None else NotKept()


def _places(data: dict[str, Any]) -> list[tuple[dict[Any, Any], Any, Any]]:
    """Where values are kept: the place, the key, the value."""
    shown = data.get("_oh")
    kept = [(shown, number, value) for number, value in shown.items()] if isinstance(shown, dict) else []
    names = [name for name in data if _NAMES.fullmatch(name) and not isinstance(data[name], dict | str)]
    return [*kept, *((data, name, data[name]) for name in names)]
