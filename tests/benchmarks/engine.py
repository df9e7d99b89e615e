"""The engine's bars, each beside what it is compared with in the same run.

    python tests/benchmarks/engine.py [--tasks 100000] [--quick]

A dask graph is given in its documented form. Times are medians over rounds in which all rivals have their turn.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

import memory
import resuming
import rivals
from report import Bar, at_least, at_most, table, verdict
from shapes import SHAPES, make

EXECUTORS = ("main", "threads")

MICRO = 1e6
PER_TASK, AIM, TIMES_DASK, GROWTH, SHARE = 15.0, 8.0, 5.0, 1.5, 0.25
BYTES, FIRST_START = 1_500.0, 0.5


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of one shape by round: of every executor, of validation and of the rivals that take part."""

    shape: str
    size: int
    seconds: dict[str, list[float]]

    def micro(self, name: str) -> float:
        """Microseconds a task."""
        return median(self.seconds[name]) / self.size * MICRO

    def over(self, name: str, below: str) -> float:
        """How many times longer `name` took than `below`."""
        return rivals.median_ratio(self.seconds[name], self.seconds[below])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print; 0 when every bar is met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks of the largest graphs (default: 100000)")
    parser.add_argument(
        "--quick", action="store_true", help="tiny: whether this script works, not how fast anything is"
    )
    chosen = parser.parse_args(arguments)
    size = 300 if chosen.quick else chosen.tasks
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, concurrency {rivals.CONCURRENCY}")
    for name, there in (("dask", rivals.HAS_DASK), ("loky", rivals.HAS_LOKY)):
        if not there:
            print(f'{name} is not installed, so nothing is compared with it: pip install -e ".[test]"')
    bars = [*speeds(size), *memories(size), *resumes(size), *processes(200 if chosen.quick else 2_000)]
    return 0 if verdict(bars) or chosen.quick else 1


def sizes(largest: int) -> list[int]:
    """A hundredth, a tenth and all of it."""
    return [largest // part for part in (100, 10, 1)]


# speed


def speeds(largest: int) -> list[Bar]:
    """Time a task, validation, growth and dask, for each shape."""
    measured = [speed(shape, size) for shape in SHAPES for size in sizes(largest)]
    head = ("shape", "tasks", *EXECUTORS, "validation", "of the run", *RIVALS, *(f"dask/{e}" for e in EXECUTORS))
    table("Microseconds a task", head, map(speed_row, measured))
    return [bar for shape in SHAPES for bar in speed_bars([m for m in measured if m.shape == shape])]


RIVALS = ("dask", "pool", "bare")


def speed(shape: str, size: int) -> Speed:
    """Everything that runs this shape, in turn."""
    made = make(shape, size)
    runs: dict[str, Callable[[], float]] = {name: partial(rivals.milepost, made, name) for name in EXECUTORS}
    runs |= {"validation": partial(rivals.validation, made), "bare": partial(rivals.bare_loop, made)}
    if rivals.HAS_DASK:
        runs["dask"] = partial(rivals.dask, made)
    if shape == "independent":
        runs["pool"] = partial(rivals.pool, made)
    return Speed(shape, size, rivals.side_by_side(runs, rounds(size)))


def rounds(size: int) -> int:
    """How often to measure: the shorter it takes the more often, and once where only the script is tried."""
    return next(times for least, times in ((50_000, 3), (5_000, 5), (500, 11), (0, 1)) if size >= least)


def speed_row(speed: Speed) -> tuple[str, ...]:
    own = [f"{speed.micro(name):.2f}" for name in (*EXECUTORS, "validation")]
    share = f"{worst_share(speed):.0%}"
    others = [f"{speed.micro(name):.2f}" if name in speed.seconds else "-" for name in RIVALS]
    ratios = [f"{speed.over('dask', name):.1f}×" if "dask" in speed.seconds else "-" for name in EXECUTORS]
    return (speed.shape, f"{speed.size:,}", *own, share, *others, *ratios)


def worst_share(speed: Speed) -> float:
    """Validation's part of the fastest run."""
    return max(speed.over("validation", name) for name in EXECUTORS)


def speed_bars(of_shape: list[Speed]) -> Iterator[Bar]:
    """The bars of one shape, from its smallest and largest graphs."""
    small, large = of_shape[0], of_shape[-1]
    where = f"{large.shape}, {large.size:,}"
    for executor in EXECUTORS:
        what = f"{where}, {executor}"
        yield at_most(f"{what}: a task", large.micro(executor), PER_TASK, "µs", AIM)
        if "dask" in large.seconds:
            yield at_least(f"{what}: dask takes", large.over("dask", executor), TIMES_DASK, "×")
        yield at_most(f"{what}: growth from {small.size:,}", large.micro(executor) / small.micro(executor), GROWTH, "×")
    yield at_most(f"{where}: validation, part of the run", worst_share(large), SHARE, "")


# memory


def memories(size: int) -> list[Bar]:
    """Peak bytes a task for each shape: what Python allocated, and by how much a fresh process grew."""
    rows, bars = [], []
    for shape in SHAPES:
        for executor in EXECUTORS:
            traced = memory.traced(shape, size, executor, rivals.CONCURRENCY)
            resident = memory.resident(shape, size, executor, rivals.CONCURRENCY)
            rows.append((shape, executor, f"{traced:,.0f}", f"{resident:,.0f}"))
            bars.append(at_most(f"{shape}, {size:,}, {executor}: memory a task", max(traced, resident), BYTES, "bytes"))
    table(f"Peak bytes a task, {size:,} tasks", ("shape", "executor", "allocated", "resident"), rows)
    return bars


# resuming


def resumes(size: int) -> Iterator[Bar]:
    """A snapshot of which 99 % succeeded."""
    remaining = max(1, size // 100)
    seconds, ran = resuming.measure("layered", size, remaining, rivals.CONCURRENCY)
    rows = [(source, f"{seconds[source]:.3f}", f"{ran[source]:,}") for source in seconds]
    table(f"A snapshot of {size:,} tasks, {remaining:,} of them left", ("from", "seconds to the first", "ran"), rows)
    for source in seconds:
        exact = ran[source] == remaining
        yield Bar(f"from {source}: bodies that ran", f"= {remaining:,}", f"{ran[source]:,}", exact)
        yield at_most(f"from {source}: first start", seconds[source], FIRST_START, "s")


# processes


def processes(size: int) -> Iterator[Bar]:
    """What a task in a worker process costs, beside loky's own `submit`."""
    workers = os.cpu_count() or 2
    shape = make("independent", size)
    runs: dict[str, Callable[[], float]] = {"milepost": partial(rivals.milepost, shape, "processes", workers)}
    if rivals.HAS_LOKY:
        runs["loky"] = partial(rivals.loky, size, workers)
    speed = Speed("independent", size, rivals.side_by_side(runs, 3))
    rows = [(name, f"{speed.micro(name):.0f}") for name in runs]
    table(f"Processes: microseconds a task, {size:,} tasks, {workers} workers", ("", "µs"), rows)
    if rivals.HAS_LOKY:
        yield at_most("processes: times loky's own submit", speed.over("milepost", "loky"), 2.0, "×")


if __name__ == "__main__":
    sys.exit(main())
