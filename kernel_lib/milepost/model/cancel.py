"""The thread-safe flag by which a run is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable

from milepost.model.errors import TaskCancelled


class CancelSignal:
    """Set once, seen everywhere; `reason` says why."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self.reason = ""

    @property
    def cancelled(self) -> bool:
        """Whether cancel was asked for."""
        return self._event.is_set()

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask for a stop; the first reason stands."""
        with self._lock:
            if self._event.is_set():
                return
            self.reason = reason
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call `callback` once on cancel (now, if it was); the returned function unsubscribes it."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._drop(callback)
        callback()
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
        if self._event.is_set():
            raise TaskCancelled(self.reason)
