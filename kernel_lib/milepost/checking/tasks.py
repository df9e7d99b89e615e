"""What Milepost's own table of tasks says after a resume: which cells were restored, which ran again, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from milepost.checking.compare import State
from milepost.checking.source import Cell
from milepost.notebook.auto.stage import CHEAPLY

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """A task that ran before the kill, and ran again after it. `cell` is 0 for a task without a cell of its own."""

    cell: int
    task: str
    seconds: float
    cause: str
    saved: bool
    """Whether its result had been saved."""
    justified: bool
    """Whether it reads what differs between plain runs, too: then it has to run."""

    @property
    def cheap(self) -> bool:
        """Whether its cell is one of those that nobody marked and that are not worth saving."""
        return not self.saved and CHEAPLY in self.cause

    @property
    def needless(self) -> bool:
        """Whether it should have been restored."""
        return self.saved and not self.justified


@dataclass(frozen=True, slots=True)
class Resumed:
    """What became of the tasks of the cells before the kill."""

    restored: tuple[str, ...]
    again: tuple[Again, ...]


def resumed(killed: State, now: State, cells: Iterable[Cell], unsteady: Collection[str]) -> Resumed:
    """Compare the tasks of a killed kernel with those after its cells have run once more.

    `unsteady` names what differs between plain runs.
    """
    numbers = {cell.cell_id: cell.number for cell in cells}
    before = {row["name"]: row for row in killed.tasks if row["state"] == "success"}
    rows = [row for row in now.tasks if row["name"] in before]
    restored = tuple(row["name"] for row in rows if row["restored"])
    ran = [row for row in rows if not row["restored"] and row["state"] == "success" and _kind(row) != "saved"]
    return Resumed(restored, tuple(_again(before[row["name"]], row, numbers, unsteady) for row in ran))


def _again(before: Row, row: Row, numbers: Mapping[str, int], unsteady: Collection[str]) -> Again:
    cause = _why(row) if before["saved"] else _why(before)
    justified = bool(before["saved"]) and any(repr(name) in _why(row) for name in unsteady)
    seconds = float(row["seconds"] or 0.0)
    return Again(numbers.get(row["cell_id"], 0), row["name"], seconds, cause, bool(before["saved"]), justified)


def _kind(row: Row) -> str:
    return str(row["why"]["kind"]) if row["why"] else ""


def _why(row: Row) -> str:
    return str(row["why"]["text"]) if row["why"] else "Milepost does not say why"
