"""What the tests of the engine share: backends, and notes and gates that work in every thread and process."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milepost import Task, TaskResult, TaskRunner, TaskRunnerBuilder, TaskStatus
from milepost.executors.processes import ProcessesExecutor

WAIT = 30  # seconds until a test that would hang fails


def fails() -> None:
    raise ValueError("no luck")


def build(context: Any = None) -> TaskRunner:
    return TaskRunnerBuilder(context).build()


def statuses(results: Mapping[str, TaskResult]) -> dict[str, str]:
    return {name: str(result.status) for name, result in results.items()}


def success(data: Any = None) -> TaskResult:
    return TaskResult(TaskStatus.SUCCESS, data=data)


@dataclass(frozen=True, slots=True)
class Backend:
    """Where bodies run, and what they are: one set of tests for all."""

    name: str
    executor: str
    coroutines: bool = False
    inline: bool = False
    """Whether one body runs at a time, in the thread of the run."""

    def builder(self, context: Any = None) -> TaskRunnerBuilder:
        executor = shared_processes() if self.executor == "processes" else self.executor
        return TaskRunnerBuilder(context).with_executor(executor)

    def build(self, context: Any = None) -> TaskRunner:
        return self.builder(context).build()

    def body(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as this backend's kind of body."""
        if not self.coroutines:
            return function

        @functools.wraps(function)
        async def body(**arguments: Any) -> Any:
            return await asyncio.to_thread(function, **arguments)

        return body

    def task(self, name: str, function: Callable[..., Any], dependencies: tuple[str, ...] = (), **rules: Any) -> Task:
        return Task(name, self.body(function), dependencies, **rules)


BACKENDS = (
    Backend("main", "main", inline=True),
    Backend("threads", "threads"),
    Backend("coroutines", "threads", coroutines=True),
    Backend("processes", "processes"),
)


@functools.cache
def shared_processes() -> ProcessesExecutor:
    """Worker processes that all tests use, as starting one takes a third of a second."""
    return ProcessesExecutor(4)


class Board:
    """Notes and gates in a folder: bodies take it along to any process.

    A note is a line of a file; a gate is shut while the test holds a lock, and opens for all who wait and come.
    """

    def __init__(self, folder: Path, *, new: bool = True) -> None:
        self._folder = folder
        self._shut: dict[str, int] = {}
        if not new:
            return
        folder.mkdir()
        self._notes.touch()
        os.mkfifo(self._bell)

    def __getstate__(self) -> dict[str, Any]:
        return {"_folder": self._folder, "_shut": {}}

    @property
    def _notes(self) -> Path:
        return self._folder / "notes"

    @property
    def _bell(self) -> Path:
        return self._folder / "bell"

    # for bodies

    def note(self, word: str) -> int:
        """Write the word down; how often it stands there now."""
        with open(self._notes, "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            print(word, file=file, flush=True)
            file.seek(0)
            times = file.read().split("\n").count(word)
        self._ring()
        return times

    def pass_gate(self, name: str) -> None:
        """Wait until the gate is open."""
        with open(self._gate(name), "a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)

    # for tests

    def notes(self) -> list[str]:
        """The words in their order."""
        return self._notes.read_text().splitlines()

    def wait_for(self, word: str, times: int = 1) -> None:
        """Until the word stands there so often. For one waiter at a time."""
        end = time.monotonic() + WAIT
        bell = os.open(self._bell, os.O_RDWR | os.O_NONBLOCK)
        try:
            while self.notes().count(word) < times:
                left = end - time.monotonic()
                assert left > 0, f"nobody noted {word!r} {times} times in {WAIT} s: {self.notes()}"
                if select.select([bell], [], [], left)[0]:
                    os.read(bell, 4096)
        finally:
            os.close(bell)

    def shut(self, *names: str) -> None:
        """Shut gates."""
        for name in names:
            self._shut[name] = os.open(self._gate(name), os.O_CREAT | os.O_RDWR)
            fcntl.flock(self._shut[name], fcntl.LOCK_EX)

    def open(self, *names: str) -> None:
        """Open gates."""
        for name in names:
            descriptor = self._shut.pop(name)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def open_all(self) -> None:
        """Let everybody go."""
        self.open(*self._shut)

    def _gate(self, name: str) -> Path:
        return self._folder / f"gate {name}"

    def _ring(self) -> None:
        bell = os.open(self._bell, os.O_RDWR | os.O_NONBLOCK)
        try:
            os.write(bell, b".")
        except BlockingIOError:
            pass  # full: who listens wakes anyway
        finally:
            os.close(bell)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """The work in a thread that is under way."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
