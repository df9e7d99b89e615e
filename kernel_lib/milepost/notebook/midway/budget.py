"""The time that may go into keeping loops."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from milepost.notebook.observed.telling import unwatched

SHARE = 0.03
"""The share of a loop's time that may go into keeping it: with what showing it takes, and what the loop then no longer
finds in the processor's caches, less than a twentieth."""


@dataclass(slots=True)
class Budget:
    """The time that keeping has taken (seconds), of the time since the first loop began."""

    began: float = 0.0
    spent: float = 0.0
    last: float = 0.0
    """What the last look, or the last save, took: the next will take about as long."""

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time of the `with`; what it opens is no file of the body's."""
        start = time.perf_counter()
        self.began = self.began or start
        try:
            with unwatched():
                yield
        finally:
            self.last = time.perf_counter() - start
            self.spent += self.last

    def next(self, every: float) -> float:
        """When there is time for more."""
        return max(time.perf_counter() + every, self.began + (self.spent + self.last) / SHARE)

    @property
    def allows_more(self) -> bool:
        """Whether there is time for another look now."""
        return not self.spent or self.spent + self.last <= SHARE * (time.perf_counter() - self.began)
