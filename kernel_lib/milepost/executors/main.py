"""Runs work at once, in the thread that hands it over."""

from __future__ import annotations

import contextlib
import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any

from milepost.model.cancel import CancelSignal
from milepost.ports import TaskCall

AGAIN = 0.02
"""Seconds after which a body that did not heed an interrupt gets it again."""

_Place = tuple[int, int]


class MainExecutor:
    """No threads: matplotlib, signals and the debugger work as in plain code.

    In the main thread a body whose signal another thread sets (a cancel, a timeout) is interrupted as by Ctrl-C; where
    the program has its own plans for SIGINT, as an event loop has, at its next line of Python: a call into C, such as a
    long sleep, is over first. A run in another thread (`runner.start`) calls bodies there: only the signal ends them.
    """

    name = "main"
    inline = True
    queues = False

    def __init__(self) -> None:
        self._guard: _Guard | None = None
        """Of the run whose body was called last."""

    def submit(self, work: Callable[[], object]) -> None:
        """Run the work now."""
        work()

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Call the body; `KeyboardInterrupt` when its signal is set meanwhile."""
        guard = self._guard
        if guard is None or guard.signal is not call.signal or guard.thread != get_ident():
            self._guard = guard = _Guard(call.signal)
        try:
            guard.running += 1
            if call.signal.cancelled:  # just before the guard could have seen it
                call.signal.raise_if_cancelled()
            return call.task.run(**arguments)
        finally:
            with guard.lock:
                guard.running -= 1
            if guard.raised:
                guard.arrive()

    def shutdown(self) -> None:
        """Nothing to free."""


class _Guard:
    """Interrupts bodies in the main thread when another thread sets the signal; in other threads it does nothing.

    One serves all bodies of a run, as to subscribe for each would take longer than most of them.
    """

    __slots__ = ("lock", "raised", "running", "signal", "thread")

    def __init__(self, cancel: CancelSignal) -> None:
        self.signal = cancel
        self.lock = threading.Lock()
        self.running = 0
        """How many bodies run, one within the other."""
        self.raised = False
        """Whether an exception is, or was, on its way that no signal brings."""
        self.thread = get_ident()
        if threading.current_thread() is threading.main_thread():
            cancel.on_cancel(self._interrupt)

    def arrive(self) -> None:
        """Have what no signal brings arrive here, after the body, and drop it.

        To take it back by the same call would leave a flag of Python 3.11 up, with which the next step of a debugger
        never ends.
        """
        with contextlib.suppress(KeyboardInterrupt):
            for _ in range(2):  # each turn has Python look for it
                pass

    def _interrupt(self) -> None:
        if self.thread == get_ident():
            return
        if _would_raise():
            self._strike()
            return
        with self.lock:
            self.raised = self.running > 0
            if self.raised:
                _raise_in(self.thread, KeyboardInterrupt)

    def _strike(self, before: _Place | None = None) -> None:
        """Interrupt the body; again while it stays where it was, as the signal may come just before it sleeps."""
        with self.lock:  # so that the interrupt cannot come once the body has been left
            place = _place(self.thread)
            if not self.running or before not in (None, place):
                return
            signal.pthread_kill(self.thread, signal.SIGINT)
        again = threading.Timer(AGAIN, self._strike, (place,))
        again.daemon = True
        again.start()


def _raise_in(thread: int, error: type[BaseException]) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


def _place(thread: int) -> _Place:
    """Where a thread is: as soon as it heeds an interrupt it is somewhere else."""
    frame = sys._current_frames().get(thread)
    return (id(frame), frame.f_lasti) if frame is not None else (0, 0)


def _would_raise() -> bool:
    """Whether SIGINT raises `KeyboardInterrupt` here; a program may have other plans for it."""
    return hasattr(signal, "pthread_kill") and signal.getsignal(signal.SIGINT) is signal.default_int_handler
