"""What `%tasks auto on` costs a notebook of cheap cells: each cell beside the same cell without, in the same kernel.

    python tests/benchmarks/auto.py [--quick]

The bar: at most 5 ms a cell at the median, whatever lies in the namespace; and where cells take their time, at most 5 %
of it for looking at what they read.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, thread_time

from report import at_most, table, verdict

NAMESPACES = {
    "nothing": "pass",
    "1,000 small variables": "for i in range(500): exec(f'n{i} = {i}; l{i} = [{i}, {i}]')",
    "an array of 1 GB": "import numpy; big = numpy.ones(SIZE // 8)",
    "a dict of 500,000 lists": "parts = {i: [i] for i in range(COUNT)}",
    "a frame of 1,000,000 rows": "import pandas; f = pandas.DataFrame({'x': range(COUNT * 2), 'k': ['a'] * COUNT * 2})",
}
"""What lies there, and no measured cell names."""

CELLS = (
    "a = [1, 2, 3]; b = {'x': a}",
    "a.append(len(a)); total = sum(a)",
    "c = sorted(a, reverse=True)[:3]\nc",
    "d = {key: value * 2 for key, value in zip('abc', c)}",
    "print(len(a), total)",
    "e = ' '.join(map(str, a[:5])); e.upper()",
    "f = [x for x in c if x > 1]; b['f'] = f",
    "g = sum(d.values()) + total",
)

READS = {
    "sorts the array": ("rows = numpy.random.default_rng(0).random(SIZE // 80)", "s = numpy.sort(rows)"),
    "groups the frame": (
        "import pandas; rows = pandas.DataFrame({'k': numpy.arange(COUNT * 4) % 7, 'x': numpy.arange(COUNT * 4.0)})",
        "s = pandas.concat([rows.groupby('k').agg(['mean', 'median', 'std']) for _ in range(5)])",
    ),
    "counts words": (
        "words = [f'w{i % 5000}' for i in range(COUNT * 2)]",
        "import collections; s = collections.Counter(w.upper() for w in words for _ in (0, 1, 2))",
    ),
}
"""Cells that take their time, and what they read."""


def main() -> None:
    """Measure in a process each, and print the bars."""
    quick = "--quick" in sys.argv
    overheads = {name: ask("cheap", name, quick) for name in NAMESPACES}
    shares = {name: ask("costly", name, quick) for name in READS}
    keys = ("plain", "auto", "more", "processor")
    rows = [(name, *(f"{found[key] * 1e3:.2f}" for key in keys)) for name, found in overheads.items()]
    table("Milliseconds a cheap cell, median", ("untouched in the namespace", *keys[:3], "more of the processor"), rows)
    costs = [
        (name, *(f"{found[key]:.2f}" for key in ("plain", "auto")), _share(found)) for name, found in shares.items()
    ]
    table("Seconds of a costly cell", ("the cell", "plain", "auto, without saving", "more"), costs)
    bars = [at_most(f"cheap cells beside {name}", found["more"] * 1e3, 5, "ms") for name, found in overheads.items()]
    whole = sum(found["auto"] for found in shares.values()) / sum(found["plain"] for found in shares.values())
    bars.append(at_most("looking at what costly cells read", (whole - 1) * 100, 5, "%"))
    sys.exit(0 if verdict(bars) or quick else 1)


def _share(found: dict[str, float]) -> str:
    return f"{(found['auto'] / found['plain'] - 1) * 100:.1f} %"


def ask(what: str, name: str, quick: bool) -> dict[str, float]:
    """The figures that a process of its own measures."""
    command = [sys.executable, __file__, what, name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


class Notebook:
    """A shell with the extension."""

    def __init__(self, folder: Path, quick: bool) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        from milepost.model.trust import make_key

        make_key(folder / "key")
        os.environ.update(JPY_SESSION_NAME=str(folder / "bench.ipynb"), MILEPOST_KEY_FILE=str(folder / "key"))
        config = Config()
        config.HistoryManager.enabled = False
        self._shell = InteractiveShell.instance(config=config)
        self._shell.display_pub.publish = lambda *args, **kwargs: None  # a kernel sends it to the page and goes on
        self.run("%load_ext milepost")
        self.run(f"SIZE, COUNT = {(64 << 20, 20_000) if quick else (1 << 30, 500_000)}")

    def run(self, cell: str) -> tuple[float, float]:
        """Seconds of a cell, by the clock and of the processor."""
        begin, worked = perf_counter(), thread_time()
        result = self._shell.run_cell(cell, store_history=True)
        seconds = perf_counter() - begin, thread_time() - worked
        result.raise_error()
        return seconds


def cheap(notebook: Notebook, name: str, rounds: int) -> dict[str, float]:
    """A cheap cell at the median: plain and auto by turns, so that a slow moment of the machine hits both."""
    notebook.run(NAMESPACES[name])
    seconds: dict[str, list[tuple[float, float]]] = {"off": [], "on": []}
    for number in range(rounds * 2):
        switch = ("off", "on")[number % 2]
        notebook.run(f"%tasks auto {switch}")
        found = [notebook.run(cell) for cell in CELLS]
        seconds[switch] += found if number > 1 else []
    (plain, idle), (auto, busy) = (map(median, zip(*seconds[switch], strict=True)) for switch in ("off", "on"))
    return {"plain": plain, "auto": auto, "more": auto - plain, "processor": busy - idle}


def costly(notebook: Notebook, name: str, rounds: int) -> dict[str, float]:
    """A costly cell, the quickest of some runs; what it leaves is not worth the disk's time here."""
    from milepost.notebook.checkpoints import Checkpoints, Saved

    Checkpoints.save = lambda self, outcome: Saved(())  # type: ignore[method-assign]
    notebook.run("import numpy")
    notebook.run(READS[name][0])
    best = {"off": float("inf"), "on": float("inf")}
    for number in range(rounds * 2):
        switch = ("off", "on")[number % 2]
        notebook.run(f"%tasks auto {switch}")
        best[switch] = min(best[switch], notebook.run(READS[name][1])[0])
    return {"plain": best["off"], "auto": best["on"]}


def measured() -> None:
    """Measure one row, and print it as JSON."""
    what, name, quick = sys.argv[1], sys.argv[2], "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        notebook = Notebook(Path(folder), quick)
        found = (cheap if what == "cheap" else costly)(notebook, name, 3 if quick else 8)
    print(json.dumps(found))


if __name__ == "__main__":
    measured() if sys.argv[1:2] in (["cheap"], ["costly"]) else main()
