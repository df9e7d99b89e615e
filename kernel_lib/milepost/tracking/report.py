"""How far something has come, in one line, and where that line goes."""

from __future__ import annotations

import contextlib
import numbers
import sys
import time
from collections.abc import Callable
from typing import Any

from milepost.model.errors import UsageError
from milepost.tracking.scope import at_work, keeper

SELDOM = 10.0
"""Seconds between two lines where no line can be written over: in a log file."""


def progress(done: Any, total: float | None = None, message: str = "") -> None:
    """Say how far the task at work has come: for code without a loop to `track`.

    Parameters
    ----------
    done : float or str
        What is done, in any unit; or only a message.
    total : float, optional
        All that there is to do, in the same unit.
    message : str
        More words.

    Raises
    ------
    UsageError
        For numbers below 0, and for what is no number.

    Examples
    --------
    >>> progress(3, 10, "downloading")  # shown as: 3/10 · 30 % · downloading
    """
    text, scope = progress_text(done, total, message), at_work.get()
    if scope is not None:
        scope.tell(text)
    if scope is None or keeper.get() is not None:
        show(text)


def progress_text(done: Any, total: float | None = None, message: str = "") -> str:
    """What `progress` says."""
    if total is None:
        return " · ".join(filter(None, (fraction(done, None) if _number(done) else str(done), str(message))))
    if not (_number(done) and _number(total)):
        words = "progress takes how much is done and how much there is in all, numbers from 0 on, or only a message"
        raise UsageError(f"{words}; not {done!r} of {total!r}")
    return " · ".join(filter(None, (fraction(done, total), str(message))))


def _number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and float(value) >= 0


def fraction(done: float, total: float | None) -> str:
    """`3/10 · 30 %`; pages read it."""
    if not total:
        return f"{done:g}" if isinstance(done, float) else str(done)
    share = f"{min(done / total, 1):.0%}".replace("%", " %")
    return f"{done:g}/{total:g} · {share}" if isinstance(done, float) else f"{done}/{total} · {share}"


def clock(seconds: float) -> str:
    """`0:07`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def speed(rate: float) -> str:
    """Items a second, or seconds an item."""
    if rate >= 100:
        return f"{rate:,.0f}/s"
    return f"{rate:.3g}/s" if rate >= 1 else f"{1 / rate:.3g} s each" if rate else ""


def show(text: str, *, last: bool = False) -> None:
    """A line for people who have no widget to look at."""
    own = keeper.get()
    if own is not None:
        own.show(text, last=last)
    else:
        line(text, last=last)


def line(text: str, *, last: bool = False) -> None:
    """A line on stderr."""
    _terminal.write(text, last=last)


class _Terminal:
    """A line on stderr that is written over; in a file, a line now and then."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._width = 0
        self._next = 0.0

    def write(self, text: str, *, last: bool) -> None:
        stream = sys.stderr
        if stream is None:
            return
        with contextlib.suppress(OSError, ValueError):  # closed: no reason for a loop to fail
            if _live(stream):
                stream.write(f"\r{text.ljust(self._width)}" + "\n" * last)
                self._width = 0 if last else len(text)
            elif last or self._now() >= self._next:
                stream.write(f"{text}\n")
                self._next = self._now() + SELDOM
            stream.flush()


def _live(stream: Any) -> bool:
    """Whether a line can be written over: in a terminal, and below a cell."""
    own = getattr(stream, "milepost_stream", stream)
    return type(own).__module__.startswith("ipykernel") or bool(stream.isatty())


_terminal = _Terminal()
