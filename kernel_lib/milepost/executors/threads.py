"""Runs work in threads, each in a copy of the context that handed it over."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from milepost.executors.fork import begin_in_forks
from milepost.ports import TaskCall

_Work = Callable[[], object]

IDLE = 60.0
"""Seconds that a thread waits for work before it ends."""


class ThreadsExecutor:
    """As many threads as there is work at once; the run's concurrency limits them. Idle ones are used again.

    The threads are daemons: a body that heeds neither its timeout nor a cancel must not keep Python from ending.

    Parameters
    ----------
    idle : float
        Seconds after which a thread without work ends.
    """

    name = "threads"
    inline = False
    queues = False

    def __init__(self, *, idle: float = IDLE) -> None:
        self._idle = idle
        begin_in_forks(self)

    def begin(self) -> None:
        """Without threads, as at first."""
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads: set[threading.Thread] = set()
        self._unclaimed = 0
        """Threads that wait for work, less the work that waits for them."""

    def submit(self, work: _Work) -> None:
        """Start the work in a thread that is free, or in a new one."""
        context = contextvars.copy_context()
        with self._lock:
            self._work.put(lambda: context.run(work))
            if self._unclaimed > 0:
                self._unclaimed -= 1
            else:
                self._start()

    def _start(self) -> None:
        """One more thread; where the system gives no more, those that are there do the work, too."""
        thread = threading.Thread(target=self._serve, args=(self._work,), name="milepost-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                self._work.get()
                raise
            self._unclaimed -= 1
        else:
            self._threads.add(thread)

    def _serve(self, queued: queue.SimpleQueue[_Work | None]) -> None:
        while self._work_once(queued):
            pass

    def _work_once(self, queued: queue.SimpleQueue[_Work | None]) -> bool:
        """Do what comes next; false when nothing will. A call of its own, so that no thread holds what it has done."""
        work = self._next(queued)
        if work is None:
            return False
        work()
        with self._lock:
            if queued is self._work:  # else a shutdown came in between
                self._unclaimed += 1
        return True

    def _next(self, queued: queue.SimpleQueue[_Work | None]) -> _Work | None:
        """What to do next; None when there was nothing for long, or no more will come."""
        try:
            return queued.get(timeout=self._idle)
        except queue.Empty:
            with self._lock:
                if queued is self._work and self._unclaimed > 0:  # else some work is on its way here
                    self._unclaimed -= 1
                    self._threads.discard(threading.current_thread())
                    return None
        return queued.get()

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Call the body."""
        return call.task.run(**arguments)

    def shutdown(self) -> None:
        """Wait for running work and end the threads; the next work starts new ones."""
        with self._lock:
            threads, self._threads = self._threads, set()
            work, self._work = self._work, queue.SimpleQueue()
            self._unclaimed = 0
        for _ in threads:
            work.put(None)
        for thread in threads - {threading.current_thread()}:
            thread.join()
