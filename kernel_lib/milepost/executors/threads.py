"""Runs jobs in a pool of threads, each in a copy of the context that handed it over."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from milepost.model.result import TaskResult


class ThreadsExecutor:
    """A pool that lives from the first job to `shutdown`.

    Parameters
    ----------
    workers : int
        How many jobs run at once at most.
    """

    name = "threads"
    inline = False

    def __init__(self, workers: int = 32) -> None:
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, job: Callable[[], TaskResult], done: Callable[[TaskResult], None]) -> None:
        """Queue the job."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="milepost")
        context = contextvars.copy_context()
        self._pool.submit(lambda: done(context.run(job)))

    def shutdown(self) -> None:
        """Wait for running jobs and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None
