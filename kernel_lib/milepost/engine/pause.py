"""A gate that holds back new starts while a run is paused."""

from __future__ import annotations

import threading


class PauseGate:
    """Closed by `pause`, opened by `resume`, from any thread; each says whether that changed anything."""

    def __init__(self) -> None:
        self.paused = False
        """Whether new starts are held back; a plain attribute, since it is read for every task."""
        self._lock = threading.RLock()  # a signal handler may resume in the middle of a pause

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
        return changed
