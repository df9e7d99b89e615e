"""What a call uses: CPU seconds and the most memory that the process held meanwhile."""

from __future__ import annotations

import re
import time
from pathlib import Path

_RESET = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_WORTH = 0.001
"""Seconds; a shorter task has no time to take much, and the counter is slow to read."""

_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")


class Usage:
    """Counts from when it is made.

    By Linux's own counter, which can be set back: `getrusage` tells the most memory of the process's whole life, in
    which it had other tasks, and begins with that of the process that started it.
    """

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._cpu = time.process_time()

    def seconds(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._begin

    def cpu(self) -> float:
        """Seconds of all threads."""
        return time.process_time() - self._cpu

    def peak_bytes(self) -> int | None:
        """Bytes, None where the system does not tell and for what took less than a millisecond.

        The counter then starts anew for the next task.
        """
        if self.seconds() < _WORTH:
            return None
        try:
            found = _PEAK.search(_STATUS.read_bytes())
            _RESET.write_bytes(b"5")
        except OSError:
            return None
        return int(found[1]) * 1024 if found else None
