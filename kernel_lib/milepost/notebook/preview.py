"""A value in a few words of text, without running any code of the user's: read by another thread while cells run."""

from __future__ import annotations

import reprlib
from typing import Any

LENGTH = 400
"""Characters that a preview has at most."""

_PLAIN = (int, float, complex, bool, type(None), str, bytes)
_MANY = 12


class _Short(reprlib.Repr):
    """Of built-in types what Python writes, of others the name of their class: their own `__repr__` may do anything."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxother = 4, 60
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = _MANY
        self.maxstring, self.maxlong = 200, 60

    def repr1(self, x: Any, level: int) -> str:
        if type(x) in (list, tuple, set, frozenset, dict):
            return str(super().repr1(x, level))
        if type(x) in (str, bytes):
            return repr(x[:200]) + ("…" if len(x) > 200 else "")
        if type(x) is int and x.bit_length() > 200:
            return f"a whole number of {x.bit_length():,} bits"
        return repr(x) if type(x) in _PLAIN else f"<{type(x).__name__}>"


def preview(value: Any) -> str:
    """What a value is: its class, its size or shape, and of plain data the beginning."""
    try:
        words = _words(value)
    except Exception:  # another thread changes it
        words = f"<{type(value).__name__}>"
    return words if len(words) <= LENGTH else words[: LENGTH - 1] + "…"


def _words(value: Any) -> str:
    kind = type(value)
    package, name = kind.__module__.partition(".")[0], kind.__name__
    if package in ("pandas", "polars") and name in ("DataFrame", "Series", "Index"):
        return _table(value, name)
    if package == "numpy" and name == "ndarray":
        return f"array of {value.dtype}, {_shape(value.shape)}{_first(value)}"
    if package == "torch" and name in ("Tensor", "Parameter"):
        return f"tensor of {value.dtype}, {_shape(tuple(value.shape))}"
    if kind in (list, tuple, set, frozenset, dict) and len(value) > _MANY:
        return f"{name} of {len(value):,}: {_Short().repr(value)}"
    return _Short().repr(value)


def _table(value: Any, name: str) -> str:
    columns = getattr(value, "columns", None) if name == "DataFrame" else None
    named = ", ".join(str(column)[:40] for column in list(columns)[:_MANY]) if columns is not None else ""
    more = ", …" if columns is not None and len(columns) > _MANY else ""
    return f"{name}, {_shape(value.shape)}{f': {named}{more}' if named else ''}"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape) or "one value"


def _first(value: Any) -> str:
    if value.dtype.kind not in "biufc" or not value.size:
        return ""
    return f": {', '.join(str(item) for item in value.flat[:6].tolist())}{', …' if value.size > 6 else ''}"
