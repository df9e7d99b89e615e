"""Runs work at once, in the thread that hands it over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

from milepost.model.cancel import CancelSignal
from milepost.ports import TaskCall


class MainExecutor:
    """No threads: matplotlib, signals and the debugger work as in plain code.

    In the main thread a body whose signal another thread sets (a cancel, a timeout) is interrupted as by Ctrl-C.
    """

    name = "main"
    inline = True

    def submit(self, work: Callable[[], object]) -> None:
        """Run the work now."""
        work()

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Call the body; `KeyboardInterrupt` when its signal is set meanwhile."""
        if threading.current_thread() is not threading.main_thread():
            return call.task.run(**arguments)
        with _Interruptible(call.signal):
            return call.task.run(**arguments)

    def shutdown(self) -> None:
        """Nothing to free."""


class _Interruptible:
    """Interrupts the body of the `with`, in the main thread, when another thread sets the signal."""

    __slots__ = ("_cancel", "_inside", "_lock", "_unsubscribe")

    def __init__(self, cancel: CancelSignal) -> None:
        self._cancel = cancel
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._inside = True
        self._unsubscribe = self._cancel.on_cancel(self._interrupt)

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside = False
        self._unsubscribe()

    def _interrupt(self) -> None:
        main = threading.main_thread().ident
        with self._lock:  # so that the interrupt cannot come once the body has been left
            if self._inside and main and main != threading.get_ident() and _would_raise():
                signal.pthread_kill(main, signal.SIGINT)


def _would_raise() -> bool:
    """Whether SIGINT raises `KeyboardInterrupt` here; a program may have other plans for it."""
    return hasattr(signal, "pthread_kill") and signal.getsignal(signal.SIGINT) is signal.default_int_handler
