"""A bound on how deep a pickler goes: Python 3.11's would overflow the C stack and end the kernel with it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MOST_LEVELS = 10000
_LOCK = threading.Lock()
_BOUNDS: list[int] = []
"""The recursion limit of the user's, while it is lowered; then one more entry for each pickler under way."""


@contextmanager
def bounded_depth() -> Iterator[None]:
    """Lower a recursion limit that the user has raised; later versions of Python watch the C stack themselves."""
    if sys.version_info >= (3, 12) or sys.getrecursionlimit() <= MOST_LEVELS:
        yield
        return
    with _LOCK:
        lowered = _lower()
    try:
        yield
    finally:
        with _LOCK:
            _restore(lowered)


def _lower() -> bool:
    here = _depth(sys._getframe())
    others = [frame for thread, frame in sys._current_frames().items() if thread != threading.get_ident()]
    # The limit holds for all threads: one that is deep in a recursion of its own must not suffer.
    if not any(_depth(frame) > MOST_LEVELS // 2 for frame in others):
        _BOUNDS.append(sys.getrecursionlimit())
        sys.setrecursionlimit(min(here + MOST_LEVELS, sys.getrecursionlimit()))
        return True
    return False


def _restore(lowered: bool) -> None:
    if lowered:
        before = _BOUNDS.pop()
        if not _BOUNDS:
            sys.setrecursionlimit(before)


def _depth(frame: FrameType | None) -> int:
    count = 0
    while frame is not None and count <= 10 * MOST_LEVELS:
        frame, count = frame.f_back, count + 1
    return count
