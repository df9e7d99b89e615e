"""Plain Python data as JSON and back, exactly: what JSON does not know is tagged."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from typing import Any

TAG = "$type"
"""An object with this key is a tagged value; a dict of the user's that has it is tagged itself."""

_MAX_DEPTH = 100
_MAX_INT_BITS = 4_096  # Python refuses to read integers with many digits from text
_SHORT = 1 << 63

_to_json = json.JSONEncoder(check_circular=False).encode  # `encode` found the circles already


class NotPlainError(ValueError):
    """A value that only a pickle keeps exactly; not one of the errors that users meet."""


def encode(value: Any) -> Any:
    """The value as JSON data.

    Raises
    ------
    NotPlainError
        For a type of its own (a subclass too), deep nesting, a cycle, or a container that occurs twice: as
        JSON it would come back as two.
    """
    return _Encoder().encode(value, 0)


def plain_text(value: Any) -> str:
    """What `encode` gives, as JSON text; the usual small values without a walk. Raises as `encode` does."""
    kind = type(value)
    if kind is str:
        return _to_json(value)
    if kind is float and math.isfinite(value):
        return repr(value)
    if kind is int and -_SHORT < value < _SHORT:
        return repr(value)
    return _to_json(encode(value))


def decode(data: Any) -> Any:
    """The value that `encode` was given; raises `ValueError` for what it cannot have written."""
    if type(data) is list:
        return [decode(item) for item in data]
    if type(data) is not dict:
        return data
    if TAG not in data:
        return {key: decode(item) for key, item in data.items()}
    build = _BUILDERS.get(data[TAG]) if isinstance(data[TAG], str) else None
    if build is None:
        raise ValueError(f"its data has the unknown type {data[TAG]!r}")
    return build(data.get("value"))


class _Encoder:
    """One walk over one value; remembers the containers that can be changed in place."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind in (int, float):
            return _number(value)
        if kind is bytes:
            return _tagged("bytes", base64.b64encode(value).decode())
        if kind not in _CONTAINERS:
            raise NotPlainError(f"{kind.__name__} is no plain type")
        self._enter(value, depth)
        return _CONTAINERS[kind](self, value, depth + 1)

    def _enter(self, value: Any, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise NotPlainError("nested too deeply")
        if type(value) in (list, dict, set):
            if id(value) in self._seen:
                raise NotPlainError("a container occurs twice")
            self._seen.add(id(value))

    def items(self, value: Any, depth: int) -> list[Any]:
        return [self.encode(item, depth) for item in value]

    def mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if TAG not in value and all(type(key) is str for key in value):
            return {key: self.encode(item, depth) for key, item in value.items()}
        return _tagged("dict", [self.items(pair, depth) for pair in value.items()])

    def unordered(self, value: Any, depth: int) -> Any:
        return _tagged(type(value).__name__, sorted(self.items(value, depth), key=json.dumps))


_CONTAINERS: dict[type, Callable[[_Encoder, Any, int], Any]] = {
    list: _Encoder.items,
    dict: _Encoder.mapping,
    set: _Encoder.unordered,
    frozenset: _Encoder.unordered,
    tuple: lambda encoder, value, depth: _tagged("tuple", encoder.items(value, depth)),
}


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {TAG: kind, "value": value}


def _number(value: int | float) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else _tagged("float", repr(value))
    return value if value.bit_length() <= _MAX_INT_BITS else _tagged("int", hex(value))


def _items(value: Any) -> list[Any]:
    if type(value) is not list:
        raise ValueError("its data is not a list where it should be")
    return [decode(item) for item in value]


def _float(value: Any) -> float:
    if value not in ("nan", "inf", "-inf"):
        raise ValueError(f"its data has the unknown number {value!r}")
    return float(value)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("its data is not text where it should be")
    return value


_BUILDERS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda value: tuple(_items(value)),
    "set": lambda value: set(_items(value)),
    "frozenset": lambda value: frozenset(_items(value)),
    "dict": lambda value: {key: item for key, item in _items(value)},  # noqa: C416 (dict() would take strings as pairs)
    "bytes": lambda value: base64.b64decode(_text(value), validate=True),
    "float": _float,
    "int": lambda value: int(_text(value), 16),
}
