"""What a body uses, as its result tells: processor time and memory, in this process and in a worker."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from milepost import Task, TaskMetrics, TaskRunner, TaskRunnerBuilder
from milepost.engine.usage import peak_bytes
from milepost.executors.processes import ProcessesExecutor

SECONDS = 0.2
MIB = 1 << 20
LARGE = 64 * MIB


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessesExecutor]:
    made = ProcessesExecutor(2)
    yield made
    made.shutdown()


@pytest.fixture(params=["main", "threads", "processes"])
def runner(request: pytest.FixtureRequest, workers: ProcessesExecutor) -> TaskRunner:
    executor = workers if request.param == "processes" else request.param
    return TaskRunnerBuilder().with_executor(executor).build()


def busy() -> None:
    end = time.thread_time() + SECONDS
    while time.thread_time() < end:
        pass


def sleeping() -> None:
    time.sleep(SECONDS)


def metrics(runner: TaskRunner, *tasks: Task) -> list[TaskMetrics]:
    results = runner.run(tasks)
    found = [results[task.name].metrics for task in tasks]
    assert all(found)
    return [each for each in found if each]


def test_processor_time_is_the_bodys_own(runner: TaskRunner) -> None:
    """They run at once, except in the main thread."""
    metrics(runner, Task("a", sleeping), Task("b", sleeping))  # two workers have loaded this module
    computes, sleeps = metrics(runner, Task("computes", busy), Task("sleeps", sleeping))
    assert computes.cpu is not None
    assert SECONDS <= computes.cpu <= computes.duration + 0.01
    assert sleeps.cpu is not None
    assert sleeps.cpu < SECONDS / 2 < SECONDS <= sleeps.duration


@pytest.mark.parametrize("executor", ["main", "threads"])
@pytest.mark.skipif(sys.platform != "linux", reason="asks for the memory in use")
def test_memory_is_the_most_that_this_process_held(executor: str) -> None:
    runner, before = TaskRunnerBuilder().with_executor(executor).build(), peak_bytes()
    assert before is not None
    in_use = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    more = before - in_use + LARGE
    [used] = metrics(runner, Task("a", lambda: len(b"x" * more)))
    assert used.peak_bytes is not None
    assert 0.9 * LARGE < used.peak_bytes - before < 1.5 * LARGE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_memory_is_the_most_that_the_worker_held_for_this_task() -> None:
    runner = TaskRunnerBuilder().with_executor(ProcessesExecutor(1)).build()
    bodies = {"before": lambda: time.sleep(0.01), "large": lambda: len(b"x" * LARGE), "after": lambda: time.sleep(0.01)}
    before, large, after = (metrics(runner, Task(name, body))[0].peak_bytes for name, body in bodies.items())
    runner.close()
    assert before is not None
    assert large is not None
    assert after is not None
    assert 0.9 * LARGE < large - before < 1.5 * LARGE
    assert abs(after - before) < LARGE / 2
    assert 8 * MIB < before < 1024 * MIB


def test_the_wait_for_a_worker_is_no_part_of_the_duration() -> None:
    executor = ProcessesExecutor(1)
    runner = TaskRunnerBuilder().with_executor(executor).build()
    first, second = sorted(metrics(runner, Task("a", sleeping), Task("b", sleeping)), key=lambda found: found.start)
    executor.shutdown()
    assert first.end <= second.start + 0.01
    assert SECONDS <= second.duration < 2 * SECONDS
