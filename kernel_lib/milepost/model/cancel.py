"""The thread-safe flag by which a run is told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from milepost.model.errors import TaskCancelled


class CancelSignal:
    """Set once, seen everywhere; `reason` says why."""

    def __init__(self) -> None:
        self.cancelled = False
        """Whether cancel was asked for; a plain attribute, since it is read for every task. `cancel` sets it."""
        self._event = threading.Event()
        self._lock = threading.RLock()  # a signal handler may cancel in the middle of any of these
        self._callbacks: list[Callable[[], object]] = []
        self.reason = ""

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask for a stop; the first reason stands."""
        with self._lock:
            if self.cancelled:
                return
            self.reason = reason
            self.cancelled = True
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _call(callback)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` once on cancel (now, if it was); the returned function unsubscribes it.

        What it raises is logged: a cancel reaches all others.
        """
        with self._lock:
            if not self.cancelled:
                self._callbacks.append(callback)
                return lambda: self._drop(callback)
        _call(callback)
        return lambda: None

    def _drop(self, callback: Callable[[], object]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until cancelled or for so many seconds; whether it was cancelled."""
        return self._event.wait(seconds)

    def raise_if_cancelled(self) -> None:
        """Raise `TaskCancelled` once cancel was asked for: a safe point for long bodies."""
        if self.cancelled:
            raise TaskCancelled(self.reason)


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        logging.getLogger("milepost.cancel").exception("what %r was to do on a cancel failed", callback)
