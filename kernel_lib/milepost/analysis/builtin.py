"""Content of what Python itself brings, beside containers, functions, classes and modules."""

from __future__ import annotations

import array
import functools
import types
from collections.abc import Callable
from typing import Any

from milepost.analysis.adapters import Feed, pack
from milepost.analysis.code import code_token


@functools.lru_cache(maxsize=20_000)
def code_text(code: types.CodeType) -> bytes:
    """What code does, as bytes: made once, as functions are digested before and after each cell."""
    return repr(code_token(code)).encode("utf-8", "surrogatepass")


def content_of_cell(cell: types.CellType) -> object:
    """What a variable of a function holds; `...` where nothing is bound to it yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return Ellipsis


def _bytearray(walk: Feed, data: bytearray) -> None:
    walk.tag("bytearray")
    walk.data(data)


def _array(walk: Feed, items: array.array[Any]) -> None:
    walk.tag("array", items.typecode)
    walk.data(items.tobytes() if items.typecode in "uw" else memoryview(items).cast("B"))


def _bound(walk: Feed, method: types.MethodType) -> None:
    walk.tag("method")
    walk.value(method.__func__)
    walk.value(method.__self__)


def _builtin(walk: Feed, function: Any) -> None:
    walk.tag("builtin", function.__qualname__)
    owner = function.__self__
    walk.value(owner.__name__ if isinstance(owner, types.ModuleType) else owner)


def _wrapped(walk: Feed, descriptor: Any) -> None:
    walk.tag(type(descriptor).__name__)
    walk.value(descriptor.__func__)


def _property(walk: Feed, descriptor: property) -> None:
    walk.tag("property")
    for part in (descriptor.fget, descriptor.fset, descriptor.fdel):
        walk.value(part)


def _mapping_proxy(walk: Feed, proxy: types.MappingProxyType[Any, Any]) -> None:
    walk.value(dict(proxy))


def _code(walk: Feed, code: types.CodeType) -> None:
    walk.packed(pack("code", code_text(code)))


def _cell_value(walk: Feed, cell: types.CellType) -> None:
    walk.value(content_of_cell(cell))


def _cached_property(walk: Feed, descriptor: functools.cached_property[Any]) -> None:
    walk.tag("cached property")
    walk.value(descriptor.func)


def _cached(walk: Feed, function: Any) -> None:
    """A function behind `lru_cache`: what it computes counts, not what it has kept."""
    walk.tag("cached", type(function).__qualname__)
    walk.value(function.__wrapped__)


def _partial(walk: Feed, call: functools.partial[Any]) -> None:
    """Not by its `__reduce__`, which tells whether anybody has ever looked at its dictionary."""
    walk.tag("partial")
    for part in (call.func, call.args, call.keywords, vars(call)):
        walk.value(part)


BUILTIN: dict[type, Callable[[Any, Any], None]] = {
    bytearray: _bytearray,
    array.array: _array,
    types.MethodType: _bound,
    types.BuiltinFunctionType: _builtin,
    types.MappingProxyType: _mapping_proxy,
    types.CodeType: _code,
    types.CellType: _cell_value,
    staticmethod: _wrapped,
    classmethod: _wrapped,
    property: _property,
    functools._lru_cache_wrapper: _cached,
    functools.partial: _partial,
    functools.cached_property: _cached_property,
}
"""How to feed a value of exactly this type."""
