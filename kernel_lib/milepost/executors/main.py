"""Runs work at once, in the thread that hands it over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from threading import get_ident
from threading import main_thread as _main_thread
from typing import Any

from milepost.model.cancel import CancelSignal
from milepost.ports import TaskCall


class MainExecutor:
    """No threads: matplotlib, signals and the debugger work as in plain code.

    In the main thread a body whose signal another thread sets (a cancel, a timeout) is interrupted as by Ctrl-C.
    """

    name = "main"
    inline = True

    def __init__(self) -> None:
        self._guard: _Guard | None = None
        """Of the run whose body was called last."""

    def submit(self, work: Callable[[], object]) -> None:
        """Run the work now."""
        work()

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Call the body; `KeyboardInterrupt` when its signal is set meanwhile."""
        if get_ident() != _main_thread().ident:
            return call.task.run(**arguments)
        guard = self._guard
        if guard is None or guard.signal is not call.signal:
            self._guard = guard = _Guard(call.signal)
        return guard.run(call.task.run, arguments)

    def shutdown(self) -> None:
        """Nothing to free."""


class _Guard:
    """Interrupts what it runs, in the main thread, when another thread sets the signal.

    One serves all bodies of a run, as to subscribe for each would take longer than most of them.
    """

    __slots__ = ("_lock", "_running", "signal")

    def __init__(self, cancel: CancelSignal) -> None:
        self.signal = cancel
        self._lock = threading.Lock()
        self._running = 0
        """How many bodies run, one within the other."""
        cancel.on_cancel(self._interrupt)

    def run(self, body: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call the body."""
        try:
            self._running += 1
            self.signal.raise_if_cancelled()  # if it was set just before
            return body(**arguments)
        finally:
            with self._lock:
                self._running -= 1

    def _interrupt(self) -> None:
        main = _main_thread().ident
        with self._lock:  # so that the interrupt cannot come once the body has been left
            if self._running and main and main != get_ident() and _would_raise():
                signal.pthread_kill(main, signal.SIGINT)


def _would_raise() -> bool:
    """Whether SIGINT raises `KeyboardInterrupt` here; a program may have other plans for it."""
    return hasattr(signal, "pthread_kill") and signal.getsignal(signal.SIGINT) is signal.default_int_handler
