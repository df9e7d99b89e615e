"""What a loop goes through: what tells it from another one, and whether the loop changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from milepost.analysis.digest import digest
from milepost.analysis.modules import is_own
from milepost.notebook.activity import owner, parts_of
from milepost.notebook.midway.leads import Leads
from milepost.notebook.midway.variables import Captured
from milepost.tracking.iterables import has_content, length_of


def nature(iterable: Any, home: Mapping[str, Any]) -> dict[str, Any]:
    """What tells an iterable from another: its type, its length, and its content, as a `whole` where it has that."""
    kind, length = type(iterable).__qualname__, length_of(iterable)
    whole = ""
    if hasattr(iterable, "dataset"):
        content = repr((length_of(iterable.dataset), getattr(iterable, "batch_size", None)))
    elif hasattr(type(iterable), "__next__"):
        length, content = None, ""
    elif is_grouping(iterable):
        content = ""
    else:
        content = whole = digest(iterable, home).hex
    return {"kind": kind, "length": length, "content": content, "whole": bool(whole)}


def is_grouping(iterable: Any) -> bool:
    """Whether it is a grouping, a window or the like of pandas: it keeps what it works out as it is gone through."""
    bases = type(iterable).__mro__
    return any(base.__name__ == "SelectionMixin" and base.__module__.startswith("pandas.") for base in bases)


def gives_rows_once(iterable: Any) -> bool:
    """Whether its items are rows of a copy that is its own, each of them in one item: not so those of a window."""
    return is_grouping(iterable) and not type(iterable).__module__.startswith("pandas.core.window")


def difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In what the natures of two iterables differ, for people."""
    if then["kind"] != now["kind"]:
        return f"from a {then['kind']} to a {now['kind']}"
    if then["length"] != now["length"]:
        return f"from {then['length']} items to {now['length']}"
    return "in its content"


def is_read_by_code(iterable: Any, known: Mapping[str, Any]) -> bool:
    """Whether more decides what it gives than the content by which it is known, by its nature."""
    return not known["whole"] or (is_own(type(iterable)) and not has_content(iterable))


def changes(iterable: Any, captured: Captured, of_modules: list[Any], state: Mapping[str, Any]) -> bool:
    """Whether a loop changes such a one, or what it reads, or may do so; `state` is what it changed of the process."""
    leads = Leads([iterable])
    if leads.names & captured.changed or leads.has(captured.mutated) or leads.meets(of_modules):
        return True
    return (leads.runs_code and bool(state)) or _is_blind(iterable)


def goes_on_with(source: Iterator[Any], item: Any, home: Mapping[str, Any]) -> bool:
    """Whether an iterator may still read what it has just given, and no variable tells when that changes."""
    given = item if isinstance(item, tuple) else (item,)
    leads, parts = Leads([source]), parts_of(part for part in given if not isinstance(part, _GROUP))
    if parts is None:
        return True
    shared = {part for part in parts if leads.has(frozenset([part]))}
    if not shared:
        return False
    known = parts_of(v for name, v in home.items() if name in leads.names or leads.has(frozenset([id(owner(v))])))
    return known is None or not shared <= known


def _is_blind(iterable: Any) -> bool:
    """Whether an iterator of a library shows Python nothing of what it holds."""
    kind = type(iterable)
    return isinstance(iterable, Iterator) and kind.__module__ != "builtins" and not kind.__flags__ & HAVE_GC


_GROUP = type(next(groupby([0]))[1])
"""What `groupby` gives: it passes over what nobody has read of a group."""

HAVE_GC = 1 << 14
"""`Py_TPFLAGS_HAVE_GC` of Python's C API."""
