"""The table of classes: which come back equal, which are computed again and why, and which fail (none may).

`python -m tests.checkpoint.table` prints it as Markdown, `--counts` only how many there are of each.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from milepost.checkpoint.serializers.notebook import NotebookSerializer

from .classes import REFUSED, SAVED
from .comparing import estimators, names, require_same, restored
from .kishu import ROWS

SAVED_AND_EQUAL, RECOMPUTED, FAILED = "saved and equal", "recomputed", "failed"
NOT_INSTALLED, NOT_IN_THIS_VERSION = "not installed", "not in this version"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One class: what became of a value of it, and why it is computed again or what failed."""

    table: str
    name: str
    outcome: str
    why: str = ""


def outcomes() -> Iterator[Outcome]:
    """All rows, those of Kishu's list first."""
    for library, name, code in ROWS:
        there = importlib.util.find_spec(library) is not None
        yield _kishu(name, code) if there else Outcome("Kishu", name, NOT_INSTALLED, library)
    for table, rows in {**SAVED, "refused": tuple(REFUSED)}.items():
        for row in rows:
            known = estimators() if table == "scikit-learn" else names()
            made, _, used = row.partition(" ~ ")
            yield _outcome(table, row, lambda made=made, known=known: eval(made, known), used or "it", dict(known))


def _kishu(name: str, code: str) -> Outcome:
    *before, last = code.split("\n")
    known: dict[str, Any] = {"__name__": "__main__"}
    made, _, used = last.partition(" ~ ")

    def make() -> Any:
        exec("\n".join(before), known)
        return eval(made, known)

    return _outcome("Kishu", name, make, used or "it", known)


def _outcome(table: str, name: str, make: Callable[[], Any], used: str, known: dict[str, Any]) -> Outcome:
    """Make a value, save it, restore it, compare."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = make()
        except Exception as error:
            return Outcome(table, name, NOT_IN_THIS_VERSION, f"{type(error).__name__}: {error}")
        try:
            dump = NotebookSerializer({"__name__": "__main__"}).dump({"value": value, "other": [1]})
            if dump.unsaved:
                return Outcome(table, name, RECOMPUTED, dump.unsaved["value"])
            found = restored(dump)
            require_same(*(eval(used, {**known, "it": it}) for it in (found, value)))
        except Exception as error:
            return Outcome(table, name, FAILED, f"{type(error).__name__}: {str(error)[:300]}")
    return Outcome(table, name, SAVED_AND_EQUAL)


def markdown(found: list[Outcome]) -> Iterator[str]:
    """The table, a line each."""
    yield "| table | class | outcome | why |"
    yield "| --- | --- | --- | --- |"
    for one in found:
        cells = (one.table, f"`{one.name}`", one.outcome, one.why)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"


def counts(found: list[Outcome]) -> Iterator[str]:
    """How many there are of each, in Kishu's list and in all."""
    for label, some in (("Kishu's list", [one for one in found if one.table == "Kishu"]), ("all", found)):
        numbers = Counter(one.outcome for one in some)
        yield f"{label}: {len(some)} classes; " + ", ".join(f"{n} {outcome}" for outcome, n in numbers.most_common())


def main() -> None:
    """Print it."""
    found = list(outcomes())
    print("\n".join([*([] if "--counts" in sys.argv else markdown(found)), *counts(found)]))


if __name__ == "__main__":
    main()
