"""Hydrating: how soon the first remaining task of a large snapshot starts, and that exactly the remaining ones run."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from shapes import Shape, make

from milepost import Snapshot, Task, TaskResult, TaskRunnerBuilder, TaskStatus
from milepost.model.trust import make_key


class Remaining:
    """A body that counts its calls and takes note of the first."""

    def __init__(self) -> None:
        self.calls: list[float] = []

    def __call__(self) -> int:
        self.calls.append(perf_counter())
        return 1


def saved(shape: Shape, remaining: int) -> Snapshot:
    """All but the last `remaining` tasks succeeded; of those half failed and half were skipped."""
    names = [name for name, _ in shape.edges]
    kept = names[: len(names) - remaining]
    results = {name: TaskResult(TaskStatus.SUCCESS, data=1) for name in kept}
    for place, name in enumerate(names[len(kept) :]):
        results[name] = TaskResult(TaskStatus.FAILURE if place % 2 else TaskStatus.SKIPPED)
    return Snapshot(results)


def until_first(tasks: list[Task], load: Callable[[], Snapshot], body: Remaining, concurrency: int) -> float:
    """Seconds from asking for the snapshot to the first call of a remaining task's body."""
    gc.collect()
    begin = perf_counter()
    runner = TaskRunnerBuilder().with_snapshot(load()).build()
    results = runner.run(tasks, concurrency=concurrency)
    runner.close()
    assert len(results) == len(tasks)
    assert all(result.ok for result in results.values())
    return min(body.calls) - begin


def measure(shape: str, size: int, remaining: int, concurrency: int) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds, and how many bodies ran, with the snapshot in memory and in a file."""
    made = make(shape, size)
    snapshot = saved(made, remaining)
    seconds, ran = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        make_key(Path(folder) / "key")
        os.environ["MILEPOST_KEY_FILE"] = str(Path(folder) / "key")
        path = Path(folder) / "state.json"
        snapshot.save(path)
        for source, load in (("memory", lambda: snapshot), ("a file", lambda: Snapshot.load(path))):
            body = Remaining()
            seconds[source] = until_first(made.tasks(body), load, body, concurrency)
            ran[source] = len(body.calls)
    return seconds, ran
