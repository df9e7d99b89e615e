"""Short words for values, and sources, for reasons and records."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

_SHOWN = (bool, int, float, complex, type(None))


def short(value: Any, depth: int = 0) -> str:
    """A value in a few words. The text of strings is left out: a reason must not print a password."""
    if isinstance(value, _SHOWN):
        return repr(value)
    if isinstance(value, str | bytes | bytearray):
        return f"{type(value).__name__} of length {len(value)}"
    if isinstance(value, list | tuple | set | dict) and depth == 0 and len(value) <= 6:
        return _small_container(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of shape {shape}"
    return type(value).__name__ + _length(value)


def _length(value: Any) -> str:
    """How long a value says it is; what has no length, or fails to tell it, is described all the same."""
    try:
        return f" of length {len(value)}"
    except Exception:
        return ""


def _small_container(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{short(k, 1)}: {short(v, 1)}" for k, v in value.items()) + "}"
    left, right = "()" if isinstance(value, tuple) else "{}" if isinstance(value, set) else "[]"
    return left + ", ".join(short(item, 1) for item in value) + right


def source_of(thing: Any) -> str:
    """The source of a function or class as far as Python still has it."""
    if isinstance(thing, types.FunctionType):
        thing = getattr(inspect.unwrap(thing), "__code__", thing)
    return _code_source(thing) if isinstance(thing, types.CodeType) else _source(thing)


def _source(thing: Any) -> str:
    try:
        return inspect.getsource(thing)
    except Exception:  # of a module of C++ classes even asking for `__wrapped__` is an error
        return ""


@functools.lru_cache(maxsize=10_000)
def _code_source(code: types.CodeType) -> str:
    return _source(code)  # finding it takes a millisecond, and thousands of tasks may have one function


def kind_of(value: Any) -> tuple[str, str]:
    """The kind of an input, and what to show of it: the source of code, else the value in a few words."""
    if isinstance(value, types.ModuleType):
        return "module", value.__name__
    if isinstance(value, type):
        return "class", source_of(value)
    if isinstance(value, types.FunctionType):
        return "function", source_of(value)
    return "value", short(value)
