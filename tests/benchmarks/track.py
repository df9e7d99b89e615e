"""What `track` costs: an item of an empty loop, beside tqdm; and a training that is kept while it runs.

    python tests/benchmarks/track.py [--quick]

The bars: below 2 µs an item; below 5 % of a training's processor time, with all that is kept of it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from report import at_most, table, verdict

from milepost import track

QUICK = "--quick" in sys.argv
ITEMS = 100_000 if QUICK else 1_000_000
ROUNDS = 3 if QUICK else 7
EPOCHS = 20 if QUICK else 200

SETUP = """
%load_ext milepost
import numpy as np
from time import perf_counter, process_time
from milepost import track
seconds = {}

def epoch(weights, rng):
    for _ in range(20):
        x = rng.normal(size=(64, 200))
        hidden = np.maximum(x @ weights[0], 0)
        weights[0] -= 1e-6 * (x.T @ hidden)
        weights[1] += 1e-6 * hidden.T @ hidden
    return float(abs(weights[0]).sum())
"""
TRAIN = """%%task {name}
rng = np.random.default_rng(4)
weights, losses = [rng.normal(size=(200, 300)), np.zeros((300, 300))], []
begin = process_time()
for number in {epochs}:
    losses.append(epoch(weights, rng))
took = process_time() - begin
"""
EMPTY = """%%task {name}
begin = perf_counter()
for item in {items}: pass
took = perf_counter() - begin
"""


def main() -> None:
    """Measure, and print the bars."""
    with notebook() as run:
        kept, rows = trainings(run), empty_in_tasks(run)
    rows = {name: empty(wrapped) for name, wrapped in wrappers().items()} | rows
    table("Nanoseconds an item of an empty loop", ("loop", "ns"), [(name, f"{ns:.0f}") for name, ns in rows.items()])
    more = {
        name: 100 * median(each / plain - 1 for each, plain in zip(took, kept["plain"], strict=True))
        for name, took in kept.items()
    }
    table(
        f"A training of {EPOCHS} epochs: processor seconds, and how much more than the plain loop's of the same round",
        ("loop", "s", "more"),
        [(name, f"{median(took):.2f}", f"{more[name]:+.1f} %") for name, took in kept.items()],
    )
    bars = [at_most(f"an item more, {what}", (rows[f"kept {what}"] - rows[what]) / 1000, 2, "µs") for what in EMPTIES]
    bars += [at_most(f"a training, {name}", share, 5, "%") for name, share in more.items() if name != "plain"]
    met = verdict(bars)
    sys.exit(0 if met or QUICK else 1)


def wrappers() -> dict[str, Callable[[Iterable[Any]], Iterable[Any]]]:
    """What loops go through."""
    from tqdm import tqdm

    return {"plain": lambda items: items, "track": track, "tqdm": tqdm}


def empty(wrapped: Callable[[Iterable[Any]], Iterable[Any]]) -> float:
    """Nanoseconds an item, the quickest of some rounds: others use this machine, too."""
    found = []
    for _ in range(ROUNDS):
        with contextlib.redirect_stderr(io.StringIO()):
            begin = perf_counter()
            for _item in wrapped(range(ITEMS)):
                pass
            found.append(perf_counter() - begin)
    return min(found) / ITEMS * 1e9


@contextlib.contextmanager
def notebook() -> Iterator[Callable[[str], Any]]:
    """Runs cells of a notebook in this process; each gives its `took`."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    from milepost.model.trust import make_key

    with tempfile.TemporaryDirectory() as folder:
        make_key(Path(folder) / "key")
        os.environ.update(
            JPY_SESSION_NAME=str(Path(folder) / "bench.ipynb"), MILEPOST_KEY_FILE=str(Path(folder) / "key")
        )
        config = Config()
        config.HistoryManager.enabled = False
        shell = InteractiveShell.instance(config=config)

        def run(cell: str) -> Any:
            with contextlib.redirect_stderr(io.StringIO()):
                shell.run_cell(cell).raise_error()
            return shell.user_ns.get("took")

        run(SETUP)
        yield run


def trainings(run: Callable[[str], Any]) -> dict[str, list[float]]:
    """Processor seconds of the same training in a plain loop, and kept by default, and as often as may be."""
    loops = {
        "plain": f"range({EPOCHS})",
        "kept": f"track(range({EPOCHS}))",
        "kept often": f"track(range({EPOCHS}), every=0)",
    }
    found: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(ROUNDS):
        for name, epochs in list(loops.items())[
            :: -1 if number % 2 else 1
        ]:  # a machine gets slower or quicker meanwhile
            found[name].append(run(TRAIN.format(name=f"{name.replace(' ', '_')}_{number}", epochs=epochs)))
    return found


EMPTIES = {"range": f"range({ITEMS})", "generator": f"(i for i in range({ITEMS}))"}


def empty_in_tasks(run: Callable[[str], Any]) -> dict[str, float]:
    """Nanoseconds an item, plain and kept: of a range, and of a generator, whose items are compared after a kill."""
    loops = {f"{how}{what}": items.join(call) for what, items in EMPTIES.items() for how, call in CALLS.items()}
    found: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(ROUNDS):
        for name, items in loops.items():
            found[name].append(run(EMPTY.format(name=f"{name.replace(' ', '_')}_{number}", items=items)))
    return {name: min(took) / ITEMS * 1e9 for name, took in found.items()}


CALLS = {"": ("(", ")"), "kept ": ("track(", ")")}


if __name__ == "__main__":
    main()
