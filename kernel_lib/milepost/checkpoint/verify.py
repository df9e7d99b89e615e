"""Looks at every byte of a store, and names what is wrong with it. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from milepost.checkpoint.layout import Layout
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import Objects
from milepost.checkpoint.usage import objects
from milepost.model.errors import CorruptCheckpointError, UnreadableError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a sentence, and the tasks that lose a saved result by it."""

    text: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at (bytes: of objects, each once), and what is wrong now.

    `quarantine` names what was found damaged earlier and put aside: what it costs still is among the problems.
    """

    records: int
    objects: int
    nbytes: int
    problems: tuple[Problem, ...]
    quarantine: tuple[str, ...] = ()


def verify(path: Path, store: LocalStore) -> Report:
    """Check the journals and hash every object that a kept record needs, of strangers' records too."""
    layout = Layout(path)
    records = store.versions()
    needed: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)
    for record in records:
        for part in objects(record).items():
            needed[part][record.task] = None
    problems = [Problem(text) for text in store.problems()]
    problems += _damaged(Objects(layout), needed.items())
    nbytes = sum(size for _, size in needed)
    return Report(len(records), len(needed), nbytes, tuple(problems), _names(layout.quarantine))


def _damaged(store: Objects, needed: Iterable[tuple[tuple[str, int], dict[str, None]]]) -> list[Problem]:
    found = []
    for (address, size), tasks in needed:
        try:
            store.check(address, size)
        except (CorruptCheckpointError, UnreadableError, ValueError, OverflowError) as error:
            found.append(Problem(str(error), tuple(tasks)))
    return found


def _names(folder: Path) -> tuple[str, ...]:
    if folder.is_symlink() or not folder.is_dir():
        return ()
    return tuple(sorted(path.name for path in folder.iterdir()))
