"""Whether data has the types that a dataclass declares: what somebody else wrote may be of any shape."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_BIGGEST = 2**63


def require_shape(value: Any) -> None:
    """Raise `ValueError`, with the field, when a field of a dataclass is not what its annotation says.

    Whole numbers are sizes and counts: from 0 on, and below 2**63. Others must be finite.
    """
    for name, hint in _hints_of(type(value)):  # type: ignore[arg-type]  # a class can be hashed
        if not _fits(getattr(value, name), hint):
            raise ValueError(f"{name} is {getattr(value, name)!r:.40}")


@cache
def _hints_of(kind: Any) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(field.name, hints[field.name]) for field in fields(kind)]


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is tuple:
        return type(value) is tuple and all(_fits(item, inner[0]) for item in value)
    if origin is dict:
        return type(value) is dict and all(type(key) is str and _fits(item, inner[1]) for key, item in value.items())
    if origin in (Union, UnionType):
        return any(_fits(value, option) for option in inner)
    if isinstance(hint, type) and is_dataclass(hint):
        return type(value) is hint and all(_fits(getattr(value, key), kind) for key, kind in _hints_of(hint))  # type: ignore[arg-type]
    return hint is Any or _is(value, hint)


def _is(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int and 0 <= value < _BIGGEST
    if kind is float:
        return type(value) in (int, float) and abs(value) < _BIGGEST and math.isfinite(value)
    return isinstance(value, kind)
