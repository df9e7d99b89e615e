"""Small results: a restored cell beside a plain one, a durable step beside DBOS and joblib, a store of many tasks."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from saving import keep, store_at

from milepost.model.trust import make_key

HAS_DBOS = importlib.util.find_spec("dbos") is not None
RESULT = {"rows": 1000, "mean": 0.5, "names": ["a", "b", "c"]}
READS = "a + b['n'] + c[0] + len(d) + e"
INPUTS = "a, b, c, d, e = 1, {'n': 2}, [3, 4], 'five', 6.5"


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work gave; garbage is not collected before, as that leaves the caches cold."""
    begin = perf_counter()
    value = work()
    return perf_counter() - begin, value


class Notebook:
    """A shell with the extension, one cell that is restored each time it runs, and the same cell without Milepost."""

    def __init__(self, folder: Path) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        make_key(folder / "key")
        os.environ.update(JPY_SESSION_NAME=str(folder / "bench.ipynb"), MILEPOST_KEY_FILE=str(folder / "key"))
        self._shell = InteractiveShell.instance()
        self._shell.display_pub.publish = lambda *args, **kwargs: None  # a kernel sends it to the page and goes on
        # As front ends send it with each cell.
        object.__setattr__(self._shell, "get_parent", lambda: {"metadata": {"cellId": "one"}})
        self._run("%load_ext milepost")
        self._run(INPUTS)
        self._run(f"%%task total\ntotal = {READS}")

    def hit(self) -> float:
        """Give the result back."""
        seconds = self._run(f"%%task total\ntotal = {READS}")
        facts = self._shell._milepost_extension.session.facts("total")
        assert facts.result.restored
        return seconds

    def plain(self) -> float:
        """Compute it."""
        return self._run(f"total = {READS}")

    def close(self) -> None:
        """Take the extension out again."""
        self._run("%unload_ext milepost")

    def _run(self, cell: str) -> float:
        seconds, result = timed(lambda: self._shell.run_cell(cell, store_history=False))
        result.raise_error()
        return seconds


class Steps:
    """Ways to have one small result outlive the process, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = store_at(folder)
        self._number = 0
        self.runs: dict[str, Callable[[], float]] = {"saved": self.saved, "durable": self.durable}

    def saved(self) -> float:
        """It survives the death of the process; what is synced afterwards is not counted, nor is it in the way."""
        seconds = timed(lambda: keep(self._store, RESULT, task=self._next()))[0]
        self._store.flush()
        return seconds

    def durable(self) -> float:
        """It survives power loss."""
        return timed(lambda: keep(self._store, RESULT, task=self._next(), durable=True))[0]

    def add_joblib(self) -> None:
        """A miss of `joblib.Memory`, which syncs nothing, and a hit."""
        import joblib

        cached = joblib.Memory(self._folder / "joblib", verbose=0).cache(_step)
        self.runs["joblib, not durable"] = lambda: timed(lambda: cached(self._next()))[0]
        self.runs["joblib, hit"] = lambda: timed(lambda: cached("known"))[0]
        cached("known")

    def add_dbos(self, steps: int) -> None:
        """A step of a DBOS workflow on SQLite: the mean of some, as a workflow has a cost of its own."""
        from dbos import DBOS

        DBOS(config={"name": "bench", "system_database_url": self._database(), "log_level": "ERROR"})
        step = DBOS.step()(_step)

        @DBOS.workflow()
        def flow(names: list[str]) -> float:
            return timed(lambda: [step(name) for name in names])[0]

        DBOS.launch()
        self.runs["DBOS"] = lambda: flow([self._next() for _ in range(steps)]) / steps

    def close(self) -> None:
        """End what DBOS has started."""
        if "DBOS" in self.runs:
            from dbos import DBOS

            DBOS.destroy()

    def _database(self) -> str:
        return f"sqlite:///{self._folder / 'dbos.sqlite'}"

    def _next(self) -> str:
        self._number += 1
        return f"task {self._number}"


def _step(name: str) -> dict[str, Any]:
    return {**RESULT, "task": name}


def fill(folder: Path, tasks: int) -> None:
    """A store with so many tasks."""
    store = store_at(folder)
    for number in range(tasks):
        keep(store, {**RESULT, "task": number}, task=f"task {number}")
    assert store.flush()


def opening(folder: Path, tasks: int) -> float:
    """Open it and list all tasks."""
    seconds, records = timed(lambda: store_at(folder).records())
    assert len(records) == tasks
    return seconds
