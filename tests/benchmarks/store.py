"""The checkpoint store's bars, each beside what it is compared with in the same run.

    python tests/benchmarks/store.py [--mib 512] [--largest 4096] [--folder FOLDER] [--quick]

Times are medians over rounds in which all rivals have their turn. DBOS takes part where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import rivals
import saving
import small
from report import Bar, at_least, at_most, table, verdict

MILLI = 1e3
MIB = 1 << 20
TO_WRITE, TO_FSYNC, TIMES_JOBLIB, TIMES_DILL, TIMES_PICKLE = 0.5, 0.7, 1.5, 4.0, 1.3
RESTORE, GROWTH, MORE = 5.0, 3.0, 64 * 1024
HIT, DURABLE, OPENING, PEAK = 0.5, 1.0, 0.3, 64.0


def main(arguments: list[str] | None = None) -> int:
    """Measure, print; 0 when every bar is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512, help="MiB of the frame that is saved (default: 512)")
    parser.add_argument("--largest", type=int, default=4096, help="MiB of the largest that is restored (default: 4096)")
    parser.add_argument("--folder", help="where the stores lie: the disk that is measured (default: a temporary one)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny: whether this script works, not how fast anything is"
    )
    chosen = parser.parse_args(arguments)
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors")
    for name, there in (("joblib", saving.HAS_JOBLIB), ("dbos", small.HAS_DBOS)):
        if not there:
            print(f"{name} is not installed, so nothing is compared with it: pip install {name}")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        bars = list(all_bars(Path(folder), chosen.mib, chosen.largest, quick=chosen.quick))
    return 0 if verdict(bars) or chosen.quick else 1


def all_bars(folder: Path, mib: int, largest: int, *, quick: bool) -> Iterator[Bar]:
    """Every part in turn, each in a folder of its own."""
    parts = [folder / str(number) for number in range(8)]
    for part in parts:
        part.mkdir()
    yield from large_saves(parts[0], 2 if quick else mib, 1 if quick else 11)
    yield from restores(parts[1], [1, 2] if quick else [64, 512, largest])
    yield from many_dicts(parts[2], 500 if quick else 500_000, 1 if quick else 5)
    yield from changed(parts[3], 2 if quick else 160)
    yield peak(parts[4], 2 if quick else mib)
    yield from steps(parts[5], 3 if quick else 200)
    yield many_tasks(parts[6], 20 if quick else 10_000, 1 if quick else 5)
    yield hits(parts[7], 3 if quick else 200)


# large values


def large_saves(folder: Path, mib: int, rounds: int) -> Iterator[Bar]:
    """A data frame, beside joblib, dill and a bare write."""
    seconds = rivals.side_by_side(saving.Saving(folder / "saves", saving.frame(mib)).runs(), rounds)
    rows = [(name, f"{median(took):.3f}", f"{mib * MIB / median(took) / 1e9:.2f}") for name, took in seconds.items()]
    table(f"Saving a frame of {mib} MiB", ("", "seconds", "GB/s"), rows)

    def over(name: str, below: str) -> float:
        return rivals.median_ratio(seconds[name], seconds[below])

    yield at_least("saved: throughput, of a write without fsync", over("write", "saved"), TO_WRITE, "×")
    yield at_least("durable: throughput, of a write with fsync", over("write, fsync", "durable"), TO_FSYNC, "×")
    if "joblib" in seconds:
        yield at_least("joblib.dump takes", over("joblib", "saved"), TIMES_JOBLIB, "×")
    yield at_least("dill.dump takes", over("dill", "saved"), TIMES_DILL, "×")


def restores(folder: Path, sizes: list[int]) -> Iterator[Bar]:
    """Frames of several sizes, restored by a store that was just opened."""
    took: dict[int, float] = {}
    for mib in sizes:
        part = folder / str(mib)
        part.mkdir()
        store = saving.store_at(part)
        saving.keep(store, saving.frame(mib))
        assert store.flush()
        took[mib] = median(saving.restore(part) for _ in range(7)) * MILLI
    table("Restoring a frame", ("MiB", "ms"), [(str(mib), f"{ms:.2f}") for mib, ms in took.items()])
    yield at_most("restore, the slowest", max(took.values()), RESTORE, "ms")
    yield at_most(f"restore: growth from {sizes[0]} to {sizes[-1]} MiB", took[sizes[-1]] / took[sizes[0]], GROWTH, "×")


def many_dicts(folder: Path, count: int, rounds: int) -> Iterator[Bar]:
    """Small dicts, beside C pickle and the write of what it gives."""
    value = saving.dicts(count)
    ways = {"pickle": lambda: saving.pickle_and_write(folder, value), "saved": lambda: saving.save(folder, value)}
    seconds = rivals.side_by_side(ways, rounds)
    table(f"{count:,} small dicts", ("", "seconds"), [(name, f"{median(took):.3f}") for name, took in seconds.items()])
    yield at_most("dicts: times C pickle and the write", rivals.median_ratio(*seconds_of(seconds)), TIMES_PICKLE, "×")


def seconds_of(seconds: dict[str, list[float]]) -> tuple[list[float], list[float]]:
    """Milepost's above the rival's."""
    return seconds["saved"], seconds["pickle"]


def changed(folder: Path, mib: int) -> Iterator[Bar]:
    """What is written for a value that did not change, and for a frame that got one more column."""
    store, value = saving.store_at(folder), saving.frame(mib)
    saving.keep(store, value)
    assert store.flush()
    written = []
    for change in (lambda: None, lambda: value.insert(len(value.columns), "more", value["x0"] * 2)):
        before = sum(path.stat().st_size for path in objects(folder))
        change()
        saving.keep(store, value)
        assert store.flush()
        written.append(sum(path.stat().st_size for path in objects(folder)) - before)
    column = value["more"].nbytes
    yield at_most("unchanged: object bytes written", written[0], 0, "bytes")
    yield at_most("one column more: written beside it", (written[1] - column) / 1024, MORE / 1024, "KB")


def objects(folder: Path) -> Iterable[Path]:
    """The objects of a store."""
    return (path for path in (saving.store_at(folder).path / "objects").rglob("*") if path.is_file())


def peak(folder: Path, mib: int) -> Bar:
    """By how much a fresh process grows while it saves a frame, as the operating system counts."""
    command = [sys.executable, str(Path(__file__).with_name("store_memory.py")), str(folder), str(mib)]
    grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return at_most("save: memory above the value", grown / MIB, PEAK, "MiB")


# small results


def steps(folder: Path, count: int) -> Iterator[Bar]:
    """One small result."""
    ways = small.Steps(folder)
    if saving.HAS_JOBLIB:
        ways.add_joblib()
    if small.HAS_DBOS:
        ways.add_dbos(steps=20)
    try:
        seconds = rivals.side_by_side(ways.runs, count)
    finally:
        ways.close()
    table("One small result", ("", "ms"), [(name, f"{median(took) * MILLI:.3f}") for name, took in seconds.items()])
    yield at_most("durable small result", median(seconds["durable"]) * MILLI, DURABLE, "ms")
    if "DBOS" in seconds:
        yield at_least(
            "durable small result: DBOS takes", rivals.median_ratio(seconds["DBOS"], seconds["durable"]), 1, "×"
        )


def many_tasks(folder: Path, tasks: int, rounds: int) -> Bar:
    """Opening a store of many tasks."""
    small.fill(folder, tasks)
    took = median(small.opening(folder, tasks) for _ in range(rounds))
    return at_most(f"opening a store of {tasks:,} tasks", took, OPENING, "s")


def hits(folder: Path, count: int) -> Bar:
    """A restored cell with five small inputs, beside a plain cell that does the same; in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("hits.py")), str(folder), str(count)]
    seconds = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    table("A cell with five inputs", ("", "ms"), [(n, f"{median(took) * MILLI:.3f}") for n, took in seconds.items()])
    return at_most("hit: above a plain cell", (median(seconds["hit"]) - median(seconds["plain"])) * MILLI, HIT, "ms")


if __name__ == "__main__":
    sys.exit(main())
