"""A gate that holds back new starts while a run is paused."""

from __future__ import annotations

import threading

from milepost.model.cancel import CancelSignal


class PauseGate:
    """Closed by `pause`, opened by `resume`, from any thread; each says whether that changed anything."""

    def __init__(self) -> None:
        self.paused = False
        """Whether new starts are held back; a plain attribute, since it is read for every task."""
        self._lock = threading.RLock()  # a signal handler may resume in the middle of a pause
        self._waiting: list[threading.Event] = []

    def pause(self) -> bool:
        """Hold back new starts; what runs goes on."""
        with self._lock:
            changed = not self.paused
            self.paused = True
        return changed

    def resume(self) -> bool:
        """Let tasks start again."""
        with self._lock:
            changed = self.paused
            self.paused = False
            for woken in self._waiting:
                woken.set()
        return changed

    def wait(self, signal: CancelSignal) -> None:
        """Wait until resumed: a safe point for long bodies. Raises `TaskCancelled` once the signal is set."""
        woken = threading.Event()
        with self._lock:
            self._waiting.append(woken)
        unsubscribe = signal.on_cancel(woken.set)
        try:
            while self.paused and not signal.cancelled:
                woken.wait()
                woken.clear()
        finally:
            unsubscribe()
            with self._lock:
                self._waiting.remove(woken)
        signal.raise_if_cancelled()
