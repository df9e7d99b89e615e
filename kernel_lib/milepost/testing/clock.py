"""A clock for tests: sleeping takes no time, and is remembered."""

from __future__ import annotations

from milepost.model.cancel import CancelSignal


class FakeClock:
    """Stands still until `advance` or a sleep moves it.

    Parameters
    ----------
    start : float
        The Unix time (seconds) at which it stands first.
    """

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._start = start
        self._passed = 0.0
        self.sleeps: list[float] = []

    def time(self) -> float:
        """Unix seconds."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return self._passed

    def sleep(self, seconds: float, signal: CancelSignal) -> None:
        """Move on at once; raises `TaskCancelled` when the signal is set."""
        signal.raise_if_cancelled()
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._passed += seconds
