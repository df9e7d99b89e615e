"""The bookkeeping of a run that several threads work on."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from milepost.engine.schedule import HERE, THERE, Schedule

Entry = int | Callable[[], object]

_PROMPT = sys.getswitchinterval() / 2
"""Seconds within which a thread that is woken runs, if no other thread holds Python's lock."""


class Books:
    """Counts what is left, frees dependents, and asks for threads while there is work for them.

    No thread queues for a lock here: those that do take turns at every task, which costs more than the task. Who finds
    the desk taken leaves its entry to who sits there ("flat combining", Hendler et al., 2010).

    Parameters
    ----------
    schedule : Schedule
    left : int
        Tasks without an outcome.
    limit : int
        Threads at work at most.
    held : callable
        Whether no task may start now.
    ask : callable
        Have one more thread work.
    wake : callable
        Tell the thread that called for the run: it has work, or nothing is left.
    """

    def __init__(
        self,
        schedule: Schedule,
        left: int,
        limit: int,
        *,
        held: Callable[[], bool],
        ask: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._schedule = schedule
        self._limit = limit
        self._held = held
        self._ask = ask
        self._wake = wake
        self._desk = threading.Lock()
        self._news: deque[Entry] = deque()
        self._closed = False
        self._asked = False
        self._called = 0.0
        self._left_before = 0
        self.left = left
        """Tasks without an outcome."""
        self.threads = 0
        """Threads at work, or asked for."""
        self.here = False
        """Whether the thread that called for the run is at work, or asked for."""

    def post(self, entry: Entry) -> None:
        """Have a success (by its place) or a change entered: here, or by the thread that is at the desk now."""
        news, desk, entered = self._news, self._desk, False
        if self._closed:
            return
        news.append(entry)
        while news and desk.acquire(False):
            entered = True
            try:
                while news:
                    self._enter(news.popleft())
                asked, self._asked = self._asked, False
            finally:
                desk.release()
            if asked:
                self._ask()
        while not entered and desk.locked() and not self._closed:
            time.sleep(0)  # what this thread takes next depends on it: a freed task may have a higher priority

    def close(self) -> None:
        """Enter no more: an interrupt may have torn the books, and left the desk taken."""
        self._closed = True

    def _enter(self, entry: Entry) -> None:
        if isinstance(entry, int):
            self._schedule.free_dependents(entry)
            self.left -= 1  # `count_off`, without a call for every task
            if not self.left:
                self._wake()
        else:
            entry()

    def wants_thread(self, lane: int) -> bool:
        """Whether one more thread could work on a lane; a guess, to be settled by `look`."""
        return self.threads < self._limit and self._schedule.has_ready(lane)

    def needs_place_here(self) -> bool:
        """Whether the thread that called for the run has work, and only waits for another one to make room."""
        return not self.here and self.threads >= self._limit and self._schedule.has_ready(HERE)

    def call(self) -> None:
        """Have the thread that watches over the run see whether one more thread is of use."""
        if not self._called:
            self._called = time.monotonic()
            self._wake()

    def more_helps(self) -> bool:
        """Whether one more thread is of use; for the thread that watches.

        Threads that take turns with Python's lock make short tasks slower, not faster. So one more is started only
        where that lock is free, as it is when bodies wait for something: the watching thread then gets here at once
        when it is called. Or where no task was settled since this was asked before.
        """
        called, self._called = self._called, 0.0
        before, self._left_before = self._left_before, self.left
        prompt = called and time.monotonic() - called < _PROMPT
        return bool(prompt or before == self.left or not self.threads)

    # entries

    def count_off(self, number: int) -> None:
        """So many tasks more have an outcome."""
        self.left -= number
        if not self.left:
            self._wake()

    def look(self) -> None:
        """Ask for one more thread, where there is work and room for it; it will have the books looked at again."""
        if not self.left or self._held():  # what was taken over from another run may still look ready
            return
        if self.wants_thread(HERE) and not self.here:
            self.here = True
            self.threads += 1
            self._wake()
        if self.wants_thread(THERE) and not self._asked:
            self._asked = True
            self.threads += 1

    def leave(self) -> None:
        """A thread counts no more."""
        self.threads -= 1
        self.look()

    def leave_here(self) -> None:
        """The thread that called for the run is back at its watch."""
        self.here = False
        self.look()
