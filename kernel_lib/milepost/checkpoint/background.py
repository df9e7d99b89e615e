"""Work that nobody waits for: a queue that one thread works off, which ends when there is nothing to do."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")

_log = logging.getLogger("milepost.store")

LINGER = 1.0
"""Seconds that a thread waits for more before it ends. It keeps its store in memory for so long."""


class Background(Generic[Item]):
    """Hands what is added to `work`, all that has come meanwhile at once.

    The thread never keeps the process alive: at the end of the interpreter, what is left is waited for during
    `patience` seconds, then the thread is stopped. A forked child starts with nothing to do, as that is its parent's.

    Parameters
    ----------
    name : str
        Of the thread.
    work : callable
        Tells itself of what fails. Where it takes long, it looks at `stopping` now and then.
    patience : float
        In seconds.
    delay : float
        Seconds after which the work begins, or as soon as it is waited for.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[Item]], None], patience: float, *, delay: float = 0.0
    ) -> None:
        self._name = name
        self._work = work
        self._delay = delay
        self.patience = patience
        self.begin()
        _all[self] = None

    def begin(self) -> None:
        """Forget everything: in a new object, and in a forked child, where no other thread lives."""
        self.stopping = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._waiting: list[Item] = []
        self._added = 0
        self._done = 0
        self._awaited = 0

    def add(self, item: Item) -> None:
        """Have it worked on."""
        with self._changed:
            self._waiting.append(item)
            self._added += 1
            self._start()
            if len(self._waiting) == 1:  # else the thread knows already that there is something to do
                self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all that was added so far has been worked on; whether it has, which the thread itself cannot."""
        with self._changed:
            wanted = self._awaited = self._added
            self._changed.notify_all()
            self._start()
            if self._thread is None:  # the interpreter ends, and no thread can be started any more
                self._work_off()
            if self._thread is not threading.current_thread():
                self._changed.wait_for(lambda: self._done >= wanted or self.stopping, timeout)
            return self._done >= wanted

    def stop(self, timeout: float) -> None:
        """End the thread, soon."""
        with self._changed:
            self.stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _start(self) -> None:
        if self._thread is None and self._waiting and not self.stopping:
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return
            self._thread = thread

    def _run(self) -> None:
        while items := self._take():
            try:
                self._work(items)
            except Exception:
                _log.exception("%s failed", self._name)
            finally:
                self._finish(len(items))

    def _take(self) -> list[Item]:
        with self._changed:
            if self._changed.wait_for(lambda: self._waiting or self.stopping, LINGER):
                self._changed.wait_for(lambda: self._awaited > self._done or self.stopping, self._delay)
            items, self._waiting = ([] if self.stopping else self._waiting), []
            if not items:
                self._thread = None
            return items

    def _finish(self, count: int) -> None:
        with self._changed:
            self._done += count
            self._changed.notify_all()

    def _work_off(self) -> None:
        items, self._waiting = self._waiting, []
        if items:
            self._work(items)
        self._done += len(items)


_all: weakref.WeakKeyDictionary[Background[Any], None] = weakref.WeakKeyDictionary()
"""In the order in which they were made: what one of them adds to a later one is still worked on at the end."""


@atexit.register
def _end() -> None:
    """Give everything its time; then no thread is left, since one that native code returns to at the end may crash."""
    begin = time.monotonic()
    for background in list(_all):
        background.wait(timeout=max(0.0, begin + background.patience - time.monotonic()))
        background.stop(timeout=1.0)


def _in_child() -> None:
    for background in list(_all):
        background.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
