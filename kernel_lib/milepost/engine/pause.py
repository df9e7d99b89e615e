"""A gate that holds back new starts while a run is paused."""

from __future__ import annotations

import threading
from collections.abc import Callable


class PauseGate:
    """Closed by `pause`, opened by `resume`, from any thread; `on_change` is told after each real change."""

    def __init__(self, on_change: Callable[[bool], None] = lambda paused: None) -> None:
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._on_change = on_change

    @property
    def paused(self) -> bool:
        """Whether new starts are held back."""
        return not self._open.is_set()

    def pause(self) -> None:
        """Hold back new starts; what runs goes on."""
        self._set(True)

    def resume(self) -> None:
        """Let tasks start again."""
        self._set(False)

    def _set(self, paused: bool) -> None:
        with self._lock:
            if paused == self.paused:
                return
            if paused:
                self._open.clear()
            else:
                self._open.set()
        self._on_change(paused)
