"""What a check found, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from milepost.checking.compare import Difference
from milepost.checking.tasks import Again


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference and the cell it belongs to; seen after cell `seen` of a kernel resumed after a kill at `killed`."""

    cell: int
    difference: Difference
    killed: int = 0
    seen: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        found = self.difference
        return {
            "cell": self.cell,
            "kind": found.kind,
            "what": found.what,
            "reason": found.reason,
            "killed_after": self.killed,
            "seen_after": self.seen,
        }


@dataclass(slots=True)
class Verdict:
    """All that a check found. Seconds are of cells, without the start of kernels."""

    cells: int = 0
    kills: list[int] = field(default_factory=list)
    failure: Finding | None = None
    wrong: dict[tuple[str, str, str], list[Finding]] = field(default_factory=dict)
    """Wrong restores, each with every kill point that shows it."""
    changed: list[Finding] = field(default_factory=list)
    """Where the uninterrupted run with Milepost is not what the plain one is."""
    unsteady: list[str] = field(default_factory=list)
    """Variables that differ between two plain runs."""
    tolerated: set[tuple[str, str]] = field(default_factory=set)
    """What differs after a resume and between plain runs, too."""
    blurred: dict[str, str] = field(default_factory=dict)
    """Variables without content to compare, and why."""
    runs: int = 0
    """Cells that were run after a kill and had run before it."""
    restored: int = 0
    again: dict[tuple[int, str, str], list[Again]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    again_seconds: float = 0.0
    saved_seconds: float = 0.0

    def add_wrong(self, finding: Finding) -> None:
        """A wrong restore; the same one at another kill point counts once."""
        found = finding.difference
        self.wrong.setdefault((*found.place, found.reason), []).append(finding)

    def forgive(self, varies: Callable[[Finding], bool]) -> None:
        """Take back what turns out to differ between plain runs, too."""
        for key, findings in list(self.wrong.items()):
            if any(map(varies, findings)):
                self.tolerated.add(findings[0].difference.place)
                del self.wrong[key]
        self.tolerated.update(finding.difference.place for finding in self.changed if varies(finding))
        self.changed = [finding for finding in self.changed if not varies(finding)]

    @property
    def good(self) -> bool:
        """Whether the notebook runs, and resumes as if it had not been interrupted."""
        return not (self.failure or self.wrong or self.changed)

    @property
    def needless(self) -> list[list[Again]]:
        """Tasks that ran again though they need not have, each with all its runs."""
        return [items for items in self.again.values() if items[0].needless]

    @property
    def needless_share(self) -> float:
        """Of all runs of cells that had run before a kill."""
        return sum(map(len, self.needless)) / self.runs if self.runs else 0.0

    def to_json(self) -> dict[str, Any]:
        """As `milepost check --json` prints it."""
        return {
            "good": self.good,
            "cells": self.cells,
            "kills": self.kills,
            "failure": self.failure.to_json() if self.failure else None,
            "wrong": [{**found[0].to_json(), "times": len(found)} for found in self.wrong.values()],
            "changed": [finding.to_json() for finding in self.changed],
            "unsteady": self.unsteady,
            "differs_between_plain_runs_too": [" ".join(place) for place in sorted(self.tolerated)],
            "not_comparable": self.blurred,
            "cell_runs": self.runs,
            "restored": self.restored,
            "needless": [_again(items) for items in self.needless],
            "needless_share": self.needless_share,
            "ran_again": [_again(items) for items in self.again.values() if not items[0].needless],
            "seconds": self.seconds,
            "seconds_again": self.again_seconds,
            "seconds_saved": self.saved_seconds,
        }


def _again(items: Iterable[Again]) -> dict[str, Any]:
    runs = list(items)
    first = runs[0]
    return {
        "cell": first.cell,
        "task": first.task,
        "times": len(runs),
        "seconds": sum(item.seconds for item in runs),
        "why": first.cause,
        "saved": first.saved,
    }
