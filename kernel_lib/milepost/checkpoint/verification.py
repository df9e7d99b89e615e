"""What was given back at once, without a look at its bytes, is looked at in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from milepost.checkpoint.background import Background
from milepost.checkpoint.objects import Objects
from milepost.model.errors import CorruptCheckpointError, UnreadableError
from milepost.model.record import Identity, Record

PATIENCE = 2.0
"""Seconds for which the end of the interpreter waits: a script that only restores shall hear of damage, too."""

DELAY = 0.05
"""Seconds for which the disk and the processor are left to the restore itself, and to others that follow at once."""


@dataclass(frozen=True, slots=True)
class Given:
    """An object that was given back as part of a record."""

    record: Record
    address: str
    size: int


class Verification:
    """Verifies objects of a store; `damaged(record, why)` is told, once a record, of what is not what was saved."""

    def __init__(self, objects: Objects, damaged: Callable[[Record, str], None]) -> None:
        self._objects = objects
        self._tell = damaged
        self._told: set[Identity] = set()
        self._background = Background("milepost-verification", self._look, PATIENCE, delay=DELAY)

    def add(self, given: Given) -> None:
        """Have an object verified."""
        self._background.add(given)

    def settle(self) -> None:
        """Wait until all has been verified that was given back so far."""
        self._background.wait()

    def _look(self, batch: Sequence[Given]) -> None:
        for given in batch:
            try:
                self._objects.check(given.address, given.size, lambda: self._background.stopping)
            except (CorruptCheckpointError, UnreadableError) as error:
                self._damaged(given.record, str(error))

    def _damaged(self, record: Record, why: str) -> None:
        if record.identity not in self._told:
            self._told.add(record.identity)
            self._tell(record, why)
