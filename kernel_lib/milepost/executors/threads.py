"""Runs jobs in threads, each in a copy of the context that handed it over."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable

from milepost.model.result import TaskResult

_Work = Callable[[], None]


class ThreadsExecutor:
    """As many threads as there are jobs at once; the run's concurrency limits them. Idle ones are used again.

    The threads are daemons: a body that heeds neither its timeout nor a cancel must not keep Python from ending.
    """

    name = "threads"
    inline = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._unclaimed = 0
        """Threads that wait for work, less the work that waits for them."""

    def submit(self, job: Callable[[], TaskResult], done: Callable[[TaskResult], None]) -> None:
        """Start the job in a thread that is free, or in a new one."""
        context = contextvars.copy_context()
        with self._lock:
            self._work.put(lambda: done(context.run(job)))
            if self._unclaimed > 0:
                self._unclaimed -= 1
            else:
                thread = threading.Thread(target=self._serve, args=(self._work,), name="milepost-worker", daemon=True)
                self._threads.add(thread)
                thread.start()

    def _serve(self, queued: queue.SimpleQueue[_Work | None]) -> None:
        while (work := queued.get()) is not None:
            work()
            with self._lock:
                if queued is self._work:  # else a shutdown came in between
                    self._unclaimed += 1

    def shutdown(self) -> None:
        """Wait for running jobs and end the threads; the next job starts new ones."""
        with self._lock:
            threads, self._threads = self._threads, set()
            work, self._work = self._work, queue.SimpleQueue()
            self._unclaimed = 0
        for _ in threads:
            work.put(None)
        for thread in threads - {threading.current_thread()}:
            thread.join()
