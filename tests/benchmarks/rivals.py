"""What each way of running a shape takes, in seconds; preparing and tidying up are not counted."""

from __future__ import annotations

import gc
import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from shapes import Shape, body

from milepost import TaskGraph, TaskRunnerBuilder, TaskStatus

CONCURRENCY = 64

HAS_DASK, HAS_LOKY = (importlib.util.find_spec(name) is not None for name in ("dask", "loky"))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work gave; earlier garbage is collected before."""
    gc.collect()
    begin = perf_counter()
    value = work()
    return perf_counter() - begin, value


def milepost(shape: Shape, executor: str, concurrency: int = CONCURRENCY) -> float:
    """`runner.run` as a whole: validation, the run, the snapshot."""
    tasks, runner = shape.tasks(), TaskRunnerBuilder().with_executor(executor).build()
    runner.run(tasks[:1])  # the executor has its first thread or process
    seconds, results = timed(lambda: runner.run(tasks, concurrency=concurrency))
    runner.close()
    done = sum(result.status is TaskStatus.SUCCESS for result in results.values())
    assert done == len(tasks), f"{done} of {len(tasks)} tasks succeeded"
    return seconds


def validation(shape: Shape) -> float:
    """Making the graph and checking it."""
    tasks = shape.tasks()
    return timed(lambda: TaskGraph(tasks).validate())[0]


def bare_loop(shape: Shape) -> float:
    """Calling the functions one after the other: what no runner can be faster than."""
    tasks = shape.tasks()
    return timed(lambda: [task.run() for task in tasks])[0]


def pool(shape: Shape) -> float:
    """`ThreadPoolExecutor.submit`, which knows no dependencies."""
    with ThreadPoolExecutor(CONCURRENCY) as threads:
        return timed(lambda: [future.result() for future in [threads.submit(body) for _ in shape.edges]])[0]


def dask(shape: Shape) -> float:
    """`dask.threaded.get`."""
    from dask.threaded import get

    graph, keys = shape.dask()
    seconds, values = timed(lambda: get(graph, keys, num_workers=CONCURRENCY))
    assert len(values) == len(keys)
    return seconds


def loky(size: int, workers: int) -> float:
    """loky's own `submit`, with as many workers."""
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(workers) as processes:
        list(processes.map(_quick, range(workers)))  # they have started
        return timed(lambda: [future.result() for future in [processes.submit(_quick) for _ in range(size)]])[0]


def _quick(number: int = 1) -> int:
    return number


def side_by_side(rivals: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each by round.

    In every round each has its turn, so that a busy machine hits all alike; in another order each time, since what a
    turn leaves behind (freed memory, a disk at work) hits the next.
    """
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    turns, order = list(rivals), Random(0)
    for _ in range(rounds):
        order.shuffle(turns)
        for name in turns:
            seconds[name].append(rivals[name]())
    return seconds


def median_ratio(above: list[float], below: list[float]) -> float:
    """The median of the rounds' ratios."""
    return median(a / b for a, b in zip(above, below, strict=True))
