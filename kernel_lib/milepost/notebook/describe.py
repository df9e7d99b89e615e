"""Short words for values, sources and ages, for reasons and stamps."""

from __future__ import annotations

import inspect
import time
from datetime import datetime
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
    return f"{type(value).__name__} of length {len(value)}" if hasattr(value, "__len__") else type(value).__name__


def _small_container(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{short(k, 1)}: {short(v, 1)}" for k, v in value.items()) + "}"
    left, right = "()" if isinstance(value, tuple) else "{}" if isinstance(value, set) else "[]"
    return left + ", ".join(short(item, 1) for item in value) + right


def source_of(thing: Any) -> str:
    """The source of a function or class as far as Python still has it."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError, IndentationError):
        return ""


def age_seconds(saved_at: str) -> float:
    """Seconds since an ISO 8601 time in UTC."""
    try:
        return max(0.0, time.time() - datetime.fromisoformat(saved_at).timestamp())
    except ValueError:
        return 0.0


def age(saved_at: str) -> str:
    """How long ago, in words."""
    seconds = age_seconds(saved_at)
    if seconds < 2:
        return "just now"
    for limit, unit, step in ((120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{int(seconds // step)} {unit} ago"
    return f"{int(seconds // 86_400)} days ago"
