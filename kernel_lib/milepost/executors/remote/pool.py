"""Worker processes: one for each body that runs, kept for the next one, at most so many at once."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterator

from milepost.executors.fork import begin_in_forks
from milepost.executors.remote.process import WorkerProcess
from milepost.model.cancel import CancelSignal


class Pool:
    """Lends workers, the one used last first, so that those which are not needed end by themselves.

    The workers of a pool that is forgotten, or that is there when Python ends, end as if it was closed.
    """

    def __init__(self, limit: int, start: Callable[[], WorkerProcess]) -> None:
        self._limit = limit
        self._start = start
        self._forgotten: weakref.finalize[..., Pool] | None = None
        begin_in_forks(self)

    def begin(self) -> None:
        """Without workers, as at first."""
        if self._forgotten is not None:
            self._forgotten.detach()
        self._changed = threading.Condition()
        self._lent = 0
        self._idle: list[WorkerProcess] = []
        self._ending: list[WorkerProcess] = []
        self._forgotten = weakref.finalize(self, _end, self._idle, self._ending)

    @contextlib.contextmanager
    def lend(self, signal: CancelSignal) -> Iterator[WorkerProcess]:
        """A worker for the `with`; waits while all are lent, raises `TaskCancelled` once the signal is set."""
        self._wait_for_turn(signal)
        worker: WorkerProcess | None = None
        try:
            worker = self._take() or self._start()
            yield worker
        finally:
            self._give_back(worker)

    def close(self) -> None:
        """End all workers that are not lent."""
        with self._changed:
            idle, ending = self._idle.copy(), self._ending.copy()
            self._idle.clear()
            self._ending.clear()
        _end(idle, ending)

    def _wait_for_turn(self, signal: CancelSignal) -> None:
        unsubscribe = signal.on_cancel(self._wake)
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._lent < self._limit or signal.cancelled)
                signal.raise_if_cancelled()
                self._lent += 1
        finally:
            unsubscribe()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _take(self) -> WorkerProcess | None:
        with self._changed:
            for worker in [worker for worker in (*self._idle, *self._ending) if not worker.alive]:
                worker.kill()
                (self._idle if worker in self._idle else self._ending).remove(worker)
            return self._idle.pop() if self._idle else None

    def _give_back(self, worker: WorkerProcess | None) -> None:
        with self._changed:
            self._lent -= 1
            self._changed.notify()
            if worker is not None and not worker.ended:
                if not worker.usable:
                    worker.end()
                (self._idle if worker.usable else self._ending).append(worker)


def _end(*lists: list[WorkerProcess]) -> None:
    workers = [worker for workers in lists for worker in workers]
    for worker in workers:
        worker.end()
    for worker in workers:
        worker.wait()
