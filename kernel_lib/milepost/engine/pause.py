"""A gate that holds back new starts while a run is paused."""

from __future__ import annotations

import threading

from milepost.model.cancel import CancelSignal


class PauseGate:
    """Closed by `pause`, opened by `resume`, from any thread; each says whether that changed anything."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._waiting: list[threading.Event] = []

    @property
    def paused(self) -> bool:
        """Whether new starts are held back."""
        return not self._open.is_set()

    def pause(self) -> bool:
        """Hold back new starts; what runs goes on."""
        with self._lock:
            changed = self._open.is_set()
            self._open.clear()
        return changed

    def resume(self) -> bool:
        """Let tasks start again."""
        with self._lock:
            changed = not self._open.is_set()
            self._open.set()
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
