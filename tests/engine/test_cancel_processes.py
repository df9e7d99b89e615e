"""Runs in worker processes, cancelled at a random moment: every task has an outcome, and no process is left behind."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.helpers import WAIT

from milepost import CancelSignal, Event, Task, TaskRunnerBuilder, TaskStatus
from milepost.executors.processes import ProcessesExecutor

RUNS = int(os.environ.get("MILEPOST_CANCELLED_RUNS", "25"))


class Folder:
    """Where each process that a run started leaves its id."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, pid: int | None = None) -> None:
        (self.path / str(pid or os.getpid())).touch()

    def alive(self) -> list[str]:
        return [path.name for path in self.path.iterdir() if _alive(path.name)]


def _alive(pid: str) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")


Body = Callable[[Folder, Callable[[str], None], CancelSignal], object]


def quick(folder: Folder, progress: Callable[[str], None], signal: CancelSignal) -> None:
    progress("half")


def heeding(folder: Folder, progress: Callable[[str], None], signal: CancelSignal) -> None:
    progress("waits")
    signal.wait(WAIT)


def busy(folder: Folder, progress: Callable[[str], None], signal: CancelSignal) -> None:
    progress("is busy")
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        pass


def deaf(folder: Folder, progress: Callable[[str], None], signal: CancelSignal) -> None:
    """Neither the signal nor an interrupt ends it."""
    progress("is deaf")
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            signal.wait(WAIT)
            time.sleep(WAIT)
        except KeyboardInterrupt:
            pass


def parent(folder: Folder, progress: Callable[[str], None], signal: CancelSignal) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    folder.note(child.pid)
    progress("has a child")
    child.wait()


def failing(folder: Folder, progress: Callable[[str], None], signal: CancelSignal) -> None:
    raise ValueError("no luck")


BODIES: tuple[Body, ...] = (quick, quick, quick, failing, heeding, busy, deaf, parent)


def tasks(dice: random.Random, folder: Folder) -> Iterator[Task]:
    for number in range(8):
        body = dice.choice(BODIES)

        def run(
            signal: CancelSignal, progress: Callable[[str], None], body: Body = body, folder: Folder = folder
        ) -> str:
            folder.note()
            body(folder, progress, signal)
            return "done"

        needs = tuple(f"t{place}" for place in range(number) if dice.random() < 0.2)
        yield Task(f"t{number}", run, needs, continue_on_error=dice.random() < 0.5)


@pytest.mark.slow
def test_whenever_the_cancel_comes_no_process_is_left_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    folder, executor = Folder(tmp_path), ProcessesExecutor(2)
    for seed in range(RUNS):
        run_one(random.Random(seed), folder, executor)
    executor.shutdown()
    assert folder.alive() == []
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive(), f"{thread.name} was left behind"


def run_one(dice: random.Random, folder: Folder, executor: ProcessesExecutor) -> None:
    signal, countdown = CancelSignal(), [dice.randrange(20)]
    endless = {"waits", "is busy", "is deaf", "has a child"}

    def hear(event: Event) -> None:
        countdown[0] -= 1
        if countdown[0] <= 0 or event.message in endless:
            signal.cancel("storm")

    graph = list(tasks(dice, folder))
    runner = TaskRunnerBuilder().with_executor(executor).on("*", hear).build()
    results = runner.run(graph, signal=signal, concurrency=dice.randrange(1, 4))
    assert set(results) == {task.name for task in graph}
    for result in results.values():
        assert isinstance(result.status, TaskStatus)
        assert result.data == ("done" if result.ok else None)
