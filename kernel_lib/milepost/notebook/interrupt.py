"""Stopping a body that runs in a thread: a cancel raises `KeyboardInterrupt` there, as the stop button does in a cell.

Python delivers it at the next line of Python: a call into C that does not return, such as a long sleep, is over first.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from milepost.model.cancel import CancelSignal


@contextmanager
def interruptible(signal: CancelSignal) -> Iterator[None]:
    """Let a cancel interrupt the body of the `with`, and nothing after it. In any thread but the main one."""
    target = _Target(threading.get_ident())
    unsubscribe = signal.on_cancel(target.strike)
    try:
        yield
    finally:
        unsubscribe()
        target.leave()


class _Target:
    """One thread while it may be interrupted."""

    def __init__(self, thread: int) -> None:
        self._thread = ctypes.c_ulong(thread)
        self._lock = threading.Lock()
        self._inside = True

    def strike(self) -> None:
        """Raise in the thread. From any thread."""
        with self._lock:
            if self._inside:
                _raise_in(self._thread, ctypes.py_object(KeyboardInterrupt))

    def leave(self) -> None:
        """From now on nothing is raised; what is on its way arrives here and is dropped.

        It must arrive: to take it back by the same call would leave a flag of Python 3.11 up, with which the next step
        of a debugger never ends.
        """
        with self._lock:
            self._inside = False
        with contextlib.suppress(KeyboardInterrupt):
            for _ in range(2):  # each turn has Python look for it
                pass


_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
