"""What a body in this process uses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import CO_COROUTINE
from traceback import walk_tb
from types import ModuleType
from typing import Any

resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows
    resource = None

_UNIT = 1 if sys.platform == "darwin" else 1024


def peak_bytes() -> int | None:
    """The most memory (bytes) that this process has held so far; None where the platform does not tell."""
    return None if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * _UNIT


def raised_here(error: BaseException, body: Callable[..., Any]) -> bool:
    """Whether a body was running in the calling thread when it raised, and not on a loop or in another process."""
    code = getattr(body, "__code__", None)
    if code is None or code.co_flags & CO_COROUTINE:
        return False
    return any(frame.f_code is code for frame, _ in walk_tb(error.__traceback__))
