"""What a value is made of, as JSON of bounded size: enough to say where two values of two kernels differ.

A part is `[type, digest, size, text, {label: part}]`: `size` is its length or shape, `text` a short form of an atom.
"""

from __future__ import annotations

import reprlib
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

from milepost.analysis.digest import digest, outline
from milepost.analysis.flat import ATOMS

Part = list[Any]

_MOST = 200
"""Parts of one value; of longer sequences and arrays as many stretches."""

_ALL = 5_000
"""Parts of one value with all those within: where many lead to the same ones, they would never end."""

_DEEPEST = 4

_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 60


def kind_of(value: object) -> str:
    """The type's full name, without `builtins`."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def parts(value: object, home: Mapping[str, Any]) -> Part:
    """One value taken apart."""
    return _apart(value, home, _DEEPEST, iter(range(_ALL)))


def _apart(value: object, home: Mapping[str, Any], depth: int, room: Iterator[int]) -> Part:
    known = digest(value, home).hex
    found = known or outline(value, home)
    try:
        deeper = depth > 0 and (bool(known) or _own(value))
        items = zip(_items(value), room, strict=False) if deeper else ()
        inner = {label: _apart(item, home, depth - 1, room) for (label, item), _ in items}
        return [kind_of(value), found, _size(value), _text(value), inner]
    except Exception:  # a class of the user's may do anything when it is looked at
        return [kind_of(value), found, "", "", {}]


def _own(value: object) -> bool:
    """A container or an object of the notebook's own: each part of an installed package's figure leads to all of it."""
    kind = type(value)
    return isinstance(value, dict | list | tuple) or kind.__module__ == "__main__"


def _items(value: Any) -> Iterator[tuple[str, object]]:
    if isinstance(value, type | types.ModuleType):
        return
    if isinstance(value, dict):
        yield from ((f"[{_short.repr(key)}]", item) for key, item in list(value.items())[:_MOST])
    elif isinstance(value, list | tuple):
        yield from _stretches(value)
    elif is_a(value, "numpy", "ndarray"):
        yield from _stretches(value.reshape(-1)) if not value.dtype.names else ()
    elif is_a(value, "torch", "Tensor"):
        yield from _stretches(value.detach().cpu().reshape(-1))
    elif is_a(value, "pandas", "DataFrame"):
        yield ".columns", value.columns
        yield ".index", value.index
        yield from ((f"[{value.columns[i]!r}]", value.iloc[:, i].array) for i in range(min(value.shape[1], _MOST)))
    elif is_a(value, "pandas", "Series"):
        yield from ((".name", value.name), (".index", value.index), (".array", value.array))
    elif is_a(value, "pandas", "Index") or (hasattr(value, "dtype") and hasattr(value, "isna")):
        yield from _stretches(value)
    elif isinstance(attributes := getattr(value, "__dict__", None), dict):
        yield from ((f".{name}", attributes[name]) for name in sorted(attributes, key=str)[:_MOST])


def _stretches(items: Any) -> Iterator[tuple[str, object]]:
    """Each item of few, else stretches of them."""
    count = len(items)
    if count <= _MOST:
        yield from ((f"[{i}]", items[i]) for i in range(count))
        return
    step = -(-count // _MOST)
    yield from ((f"[{i}:{min(i + step, count)}]", items[i : i + step]) for i in range(0, count, step))


def _size(value: Any) -> str:
    if hasattr(value, "dtype") and isinstance(getattr(value, "shape", None), tuple):
        return f"shape {tuple(value.shape)} of {value.dtype}"
    if is_a(value, "pandas", "DataFrame"):
        return f"shape {value.shape}"
    return f"length {len(value)}" if isinstance(value, str | bytes | list | tuple | dict | set | frozenset) else ""


def _text(value: object) -> str:
    kind = type(value)
    return _short.repr(value) if kind in ATOMS or is_a(value, "numpy", "generic") else ""


def is_a(value: object, library: str, name: str) -> bool:
    """Whether it is of a library's type; a library that is not loaded has made nothing."""
    kind = getattr(sys.modules.get(library), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
