"""The real clock."""

from __future__ import annotations

from time import monotonic, time

from milepost.model.cancel import CancelSignal


class SystemClock:
    """Time as the operating system tells it: Unix seconds, and seconds that never go back."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)

    def sleep(self, seconds: float, signal: CancelSignal) -> None:
        """Wait; wakes early and raises `TaskCancelled` when the signal is set."""
        signal.wait(seconds)
        signal.raise_if_cancelled()
