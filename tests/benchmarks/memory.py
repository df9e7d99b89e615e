"""Peak memory of a run above the user's own objects."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

from shapes import make

from milepost import TaskRunnerBuilder

_FOLDER = Path(__file__).parent


def traced(shape: str, size: int, executor: str, concurrency: int) -> float:
    """Bytes a task that Python allocated at the peak of a run, the snapshot it gives counted in."""
    tasks, runner = make(shape, size).tasks(), TaskRunnerBuilder().with_executor(executor).build()
    gc.collect()
    tracemalloc.start()
    try:
        results = runner.run(tasks, concurrency=concurrency)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    runner.close()
    assert len(results) == size
    return peak / size


def resident(shape: str, size: int, executor: str, concurrency: int) -> float:
    """Bytes a task by which a fresh process grew, as the operating system counts them."""
    arguments = [shape, str(size), executor, str(concurrency)]
    command = [sys.executable, str(Path(__file__)), *arguments]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, cwd=_FOLDER).stdout)


def peak(*, reset: bool = False) -> int:
    """The most that was resident so far, or from now on. (Linux hands `ru_maxrss` down to child processes.)"""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if reset and clear.exists():
        clear.write_text("5")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def _grow(shape: str, size: int, executor: str, concurrency: int) -> float:
    tasks, runner = make(shape, size).tasks(), TaskRunnerBuilder().with_executor(executor).build()
    runner.run(tasks[:1])
    before = peak()
    results = runner.run(tasks, concurrency=concurrency)
    after = peak()
    assert len(results) == size
    return (after - before) / size


if __name__ == "__main__":
    print(_grow(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
