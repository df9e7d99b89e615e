"""Each row of the table: a notebook that was killed and goes on computes and shows what an uninterrupted one does.

Every kernel has another hash seed than the one before it.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.fidelity import rows
from tests.fidelity.conftest import Server
from tests.fidelity.session import write
from tests.fidelity.trap import Cell, Trap, as_order, unmarked

pytestmark = pytest.mark.slow

TABLES = {
    found.name: importlib.import_module(f"{rows.__name__}.{found.name}").ROWS
    for found in pkgutil.iter_modules(rows.__path__)
}


def _cases() -> list[Any]:
    return [
        pytest.param(trap, id=f"{table}-{trap.name}", marks=marks_of(trap))
        for table, traps in TABLES.items()
        for trap in traps
    ]


def marks_of(trap: Trap) -> list[pytest.MarkDecorator]:
    missing = [name for name in trap.needs if importlib.util.find_spec(name) is None]
    missing += [f"Python {trap.python[0]}.{trap.python[1]}"] if sys.version_info < trap.python else []
    missing += [f"NumPy 2 ({trap.numpy2})"] if trap.numpy2 and int(numpy.__version__.partition(".")[0]) < 2 else []
    marks = [pytest.mark.skip(reason=f"needs {', '.join(missing)}")] if missing else []
    return [*marks, *([pytest.mark.xfail(strict=True, reason=trap.xfail)] if trap.xfail else [])]


def test_the_table_is_large_and_its_names_are_different() -> None:
    names = [(table, trap.name) for table, traps in TABLES.items() for trap in traps]
    assert len(names) >= 750
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("trap", _cases())
def test_a_resumed_notebook_equals_an_uninterrupted_one(
    trap: Trap, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    story = Story(trap, servers, tmp_path)
    for cells in trap.sessions:
        story.killed(cells)
    resumed, plain = story.resumed(), story.plain()
    assert trap.raises or not errors(plain), f"a mistake in the row: {errors(plain)}"
    places = range(len(seen(plain))) if trap.only is None else trap.only
    assert seen(resumed) == [seen(plain)[place] for place in places]
    assert resumed[-1]["values"] == plain[-1]["values"]
    again = {task["name"]: task["why"] for task in tasks(resumed) if not task["restored"]}
    assert sorted(again) == sorted(trap.reruns), f"{again}; unsaved: {unsaved(story.first)}"
    assert {name: text for name, text in trap.reruns.items() if text not in again[name]} == {}, again
    assert unstamped(resumed) == []


def _unmarked_cases() -> list[Any]:
    """The rows of which all cells run again: a cell that nobody marked gives nothing to cells that are run alone."""
    known = [case for case in _cases() if case.values[0].only is None]
    return [case for case in known if not (case.values[0].xfail or case.values[0].marked)]


@pytest.mark.parametrize("trap", _unmarked_cases())
def test_a_notebook_without_marks_resumed_equals_an_uninterrupted_one(
    trap: Trap, servers: tuple[Server, Server], tmp_path: Path
) -> None:
    story = Story(trap, servers, tmp_path, auto=True)
    for cells in trap.sessions:
        story.killed(cells)
    resumed, plain = story.resumed(), story.plain()
    assert seen(resumed) == seen(plain)
    assert resumed[-1]["values"] == plain[-1]["values"]


class Story:
    """The kernels of one row, each in its folder: those with a store, and one without."""

    def __init__(self, trap: Trap, servers: tuple[Server, Server], folder: Path, *, auto: bool = False) -> None:
        self._trap = trap
        self._auto = auto
        self._servers = servers
        self._kernels = 0
        self._folder = folder / "store" / "work"
        self._bare = folder / "bare" / "work"
        self.first: list[dict[str, Any]] = []
        self._write(self._folder, trap.files)

    @staticmethod
    def _write(folder: Path, files: Mapping[str, str | None]) -> None:
        """Make these files what they shall be, as far as they are not."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / name for name in files):
            text = files[str(path.relative_to(folder))]
            if (path.read_text() if path.exists() else None) != text:
                write(path, text)

    def killed(self, cells: tuple[Cell, ...]) -> None:
        """A kernel that runs some cells and is killed."""
        self._write(self._folder, self._trap.files)
        self.first = self._run(cells, self._folder, self._trap.env, sabotage=self._trap.sabotage, store=True)
        assert self._trap.sabotage or self._trap.raises or "values" in self.first[-1], self.first[-1]
        assert self._trap.raises or not errors(self.first), errors(self.first)

    def resumed(self) -> list[dict[str, Any]]:
        """The kernel that goes on."""
        self._write(self._folder, self._trap.files_now)
        return self._run(self._trap.resumed, self._folder, self._trap.env_now, store=True)

    def plain(self) -> list[dict[str, Any]]:
        """The notebook as it is now, without a store."""
        self._write(self._bare, self._trap.files_now)
        return self._run(self._trap.plain, self._bare, self._trap.env_now, store=False)

    def _run(
        self, cells: tuple[Cell, ...], folder: Path, env: Any, *, store: bool, sabotage: str = ""
    ) -> list[dict[str, Any]]:
        self._kernels += 1
        cells = unmarked(cells) if self._auto else cells
        told = self._servers[self._kernels % 2].run(
            {
                "folder": str(folder),
                "cells": as_order(cells),
                "env": {"JPY_SESSION_NAME": str(folder / "nb.ipynb"), **env},
                "store": store,
                "auto": self._auto,
                "sabotage": sabotage,
                "same": self._trap.same,
                "ignore": self._trap.ignore,
                "all_names": self._trap.only is None,
            }
        )
        assert told, "the kernel told nothing"
        assert "broken" not in told[-1], told[-1].get("broken")
        return told


def seen(told: list[dict[str, Any]]) -> list[Any]:
    """What each cell showed."""
    return list(told[-1].get("shown", []))


def errors(told: list[dict[str, Any]]) -> list[Any]:
    return [event for shown in seen(told) for event in shown if event["type"] == "error"]


def tasks(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What tasks came to, in order."""
    return [task for part in told for task in part.get("tasks", ())]


def unstamped(told: list[dict[str, Any]]) -> list[Any]:
    """The cells in which a task was restored and no stamp says so, or the other way round."""
    cells = [part for part in told if "tasks" in part]
    return [cell for cell in cells if _stamps(cell) != sum(task["restored"] for task in cell["tasks"])]


def _stamps(cell: dict[str, Any]) -> int:
    return sum("restored: saved" in text for text in cell["stamps"])


def unsaved(told: list[dict[str, Any]]) -> dict[str, str]:
    return {task["name"]: task["unsaved"] for task in tasks(told) if task["unsaved"]}
