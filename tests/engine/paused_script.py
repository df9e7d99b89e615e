"""A workflow that is paused and saved, then killed; or resumed from what was saved. Run as a program.

`python paused_script.py start|resume BACKEND FOLDER`; the folder has a board, whose gate `held` keeps `slow` waiting.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.engine.helpers import BACKENDS, WAIT, Backend, Board

from milepost import Snapshot, Task


def tasks(backend: Backend, board: Board) -> list[Task]:
    """A chain, of which `slow` waits at the gate."""

    def first() -> complex:
        board.note("first")
        return 1 + 2j  # no plain data: it travels as a signed pickle

    def slow(first: complex) -> list[complex]:
        board.note("slow")
        board.pass_gate("held")
        return [first]

    def held(slow: list[complex]) -> list[complex]:
        board.note("held")
        return [*slow, 3]

    def other() -> None:
        board.note("other")
        raise OSError("not yet")

    return [
        backend.task("first", first),
        backend.task("slow", slow, ("first",)),
        backend.task("held", held, ("slow",)),
        backend.task("last", lambda held: sum(held), ("held",)),
        backend.task("other", other, priority=1),
    ]


def start(backend: Backend, board: Board, saved: Path) -> None:
    """Pause while `slow` runs, save once it has ended and nothing else may start, then wait to be killed."""
    started, ended = threading.Event(), threading.Event()
    runner = backend.build()
    runner.on("task_start", lambda event: event.task == "slow" and started.set())
    runner.on("task_end", lambda event: event.task == "slow" and ended.set())
    handle = runner.start(tasks(backend, board))
    assert started.wait(WAIT)
    handle.pause()
    board.note("paused")
    assert ended.wait(WAIT)
    runner.snapshot().save(saved)
    print("saved", flush=True)
    handle.wait()


def resume(backend: Backend, board: Board, saved: Path) -> None:
    """Go on from what was saved."""
    results = backend.builder().with_snapshot(Snapshot.load(saved)).build().run(tasks(backend, board))
    print({name: (str(result.status), result.data, result.restored) for name, result in results.items()})


if __name__ == "__main__":
    how, name, folder = sys.argv[1:]
    chosen = next(backend for backend in BACKENDS if backend.name == name)
    board = Board(Path(folder) / "board", new=False)
    {"start": start, "resume": resume}[how](chosen, board, Path(folder) / "run.json")
