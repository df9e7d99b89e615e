"""Whether data has the types that a dataclass declares: what somebody else wrote may be of any shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

_BIGGEST = 2**63
Check = Callable[[Any], bool]


def require_shape(value: Any) -> None:
    """Raise `ValueError`, with the field, when a field of a dataclass is not what its annotation says.

    Whole numbers are sizes and counts: from 0 on, and below 2**63. Others must be finite.
    """
    kind: Any = type(value)
    for name, fits in _fields_of(kind):
        if not fits(getattr(value, name)):
            raise ValueError(f"{name} is {getattr(value, name)!r:.40}")


@cache
def _fields_of(kind: Any) -> list[tuple[str, Check]]:
    hints = get_type_hints(kind)
    return [(field.name, _check_of(hints[field.name])) for field in fields(kind)]


@cache
def _check_of(hint: Any) -> Check:
    """What tells whether a value is what an annotation says; made once, as each record that is read is looked at."""
    origin, inner = get_origin(hint), [_check_of(option) for option in get_args(hint) if option is not Ellipsis]
    if origin is tuple:
        return lambda value: type(value) is tuple and all(map(inner[0], value))
    if origin is dict:
        return lambda value: type(value) is dict and all(map(_is_text, value)) and all(map(inner[1], value.values()))
    if origin in (Union, UnionType):
        return lambda value: any(fits(value) for fits in inner)
    if isinstance(hint, type) and is_dataclass(hint):
        parts = _fields_of(hint)
        return lambda value: type(value) is hint and all(fits(getattr(value, name)) for name, fits in parts)
    return _SIMPLE.get(hint) or (lambda value: isinstance(value, hint))


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _BIGGEST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < _BIGGEST and math.isfinite(value)


_SIMPLE: dict[Any, Check] = {Any: lambda value: True, str: _is_text, int: _is_count, float: _is_number}
