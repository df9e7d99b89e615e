"""The real clock."""

from __future__ import annotations

import time

from milepost.model.cancel import CancelSignal


class SystemClock:
    """Time as the operating system tells it."""

    def time(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float, signal: CancelSignal) -> None:
        """Wait; wakes early and raises `TaskCancelled` when the signal is set."""
        signal.wait(seconds)
        signal.raise_if_cancelled()
