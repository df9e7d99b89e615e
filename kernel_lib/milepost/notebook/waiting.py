"""The main thread waits for tasks in the background: it can be interrupted at any moment, and they go on."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterable
from typing import Any, Protocol

from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskFailed
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.notebook.capture import play
from milepost.notebook.job import Job, Upstream
from milepost.notebook.jobs import Jobs
from milepost.notebook.stamp import stamp

TICK = 0.1
"""Seconds between looks for a cancel, and for something new to show."""


class Desk(Protocol):
    """What waiting needs of the session."""

    shell: Any
    jobs: Jobs
    can_resume: bool

    def cancellable(self) -> contextlib.AbstractContextManager[CancelSignal]: ...


class Waiting:
    """Waits in the cell that runs. Where nobody else would show what the tasks print, it does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def for_names(self, names: Iterable[str], after: Iterable[str] = (), reader: str = "") -> None:
        """Wait for the tasks in the background that bind these names, or are named; then publish what they left.

        Where no front end shows what they print, it is shown here, also of those that have ended before.

        Raises
        ------
        TaskFailed
            Where one of them has come to nothing.
        TaskCancelled
            When everything was cancelled.
        """
        self._desk.jobs.publish()
        needed = self._desk.jobs.needed(names, after, reader)
        if needed:
            with self._desk.cancellable() as signal:
                for upstream in needed:
                    self._for(upstream, signal)
            self._desk.jobs.publish()
        if not self._desk.can_resume:
            for ended in self._desk.jobs.unheard(names, after):
                play(self._desk.shell, ended.log.news())

    def _for(self, upstream: Upstream, signal: CancelSignal) -> None:
        job = upstream.job
        if not job.ended.is_set():
            stamp(self._desk.shell, f"waiting for {job.name!r}…", symbol="⧗")
            for earlier in job.chain():
                self._until_ended(earlier, signal, aloud=not self._desk.can_resume)
        if job.blocks and job.result is not None and job.result.status is not TaskStatus.SKIPPED:
            raise _failed(upstream, job.result)

    def follow(self, job: Job) -> TaskResult:
        """Wait for the task of this very cell, and show what it shows, as if it ran here; an interrupt ends it."""
        try:
            with self._desk.cancellable() as signal:
                self._until_ended(job, signal, aloud=True)
        except BaseException:
            job.cancel("interrupted")
            job.ended.wait()
            raise
        self._desk.jobs.publish()
        for note in job.stage.notes:
            stamp(self._desk.shell, note.text, symbol=note.symbol, warning=note.warning)
        return job.result or TaskResult(TaskStatus.CANCELLED)

    def _until_ended(self, job: Job, signal: CancelSignal, *, aloud: bool) -> None:
        ended = False
        while not ended:
            ended = job.ended.wait(TICK)
            signal.raise_if_cancelled()
            if aloud:
                play(self._desk.shell, job.log.news())


def _failed(upstream: Upstream, result: TaskResult) -> TaskFailed:
    """What the waiting cell raises: it names the task and what was wanted of it, and shows where that failed."""
    names = ", ".join(repr(name) for name in upstream.names)
    wanted = f"{names} {'come' if len(upstream.names) > 1 else 'comes'} from" if names else "this cell comes after"
    error = TaskFailed(f"{wanted} task {upstream.job.name!r}, which {how(result)}")
    if result.exception is not None and result.status is TaskStatus.FAILURE:
        lines = traceback.format_exception(result.exception)
        with contextlib.suppress(AttributeError):
            error.add_note("".join(lines))
    return error


def how(result: TaskResult) -> str:
    """How a task ended that did not succeed."""
    if result.status is TaskStatus.CANCELLED:
        return "was cancelled"
    if result.status is TaskStatus.SKIPPED:
        return f"was skipped: {result.message.removeprefix('skipped, ')}"
    return f"failed: {result.error or result.message}"
