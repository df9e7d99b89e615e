"""What a body in this process uses."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from inspect import CO_COROUTINE
from time import thread_time
from traceback import walk_tb
from types import ModuleType
from typing import Any

resource: ModuleType | None
try:
    import resource
except ImportError:  # Windows
    resource = None

FRESH = 5e-5
"""Seconds for which a reading of the processor's time is used again, as if the thread had computed since."""

_UNIT = 1 if sys.platform == "darwin" else 1024


class ThreadSeconds(threading.local):
    """Processor time of the calling thread, to within `FRESH`: to ask for it at each task would cost 0.6 µs more."""

    def __init__(self) -> None:
        self.at = -math.inf
        """When it was asked for, by a clock that never goes back."""
        self._used = 0.0

    def begin(self, now: float) -> None:
        """Ask."""
        self.at, self._used = now, thread_time()

    def between(self, begin: float, end: float) -> float:
        """Seconds used between two moments, the second of which is now."""
        before, at = self._used, self.at
        self.begin(end)
        return max(0.0, min(end - begin, self._used - before - (begin - at)))


def peak_bytes() -> int | None:
    """The most memory (bytes) that this process has held so far; None where the platform does not tell."""
    return None if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * _UNIT


def raised_here(error: BaseException, body: Callable[..., Any]) -> bool:
    """Whether a body was running in the calling thread when it raised, and not on a loop or in another process."""
    code = getattr(body, "__code__", None)
    if code is None or code.co_flags & CO_COROUTINE:
        return False
    return any(frame.f_code is code for frame, _ in walk_tb(error.__traceback__))
