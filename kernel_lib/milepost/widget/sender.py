"""Sends the newest state at most so often, and never forgets the last one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

INTERVAL = 0.1

_log = logging.getLogger(__name__)


class Sender:
    """Calls `send` soon after each `wake`, many wakes in one call, in one daemon thread that lives while there is work.

    `send` must take the newest state itself. Calls never overlap. A failing `send` is logged and not repeated: the page
    may be gone. `pause` waits between two calls (tests pass their own).
    """

    def __init__(self, send: Callable[[], None], pause: Callable[[], None] | None = None) -> None:
        self._send = send
        self._pause = pause or self._rest
        self._took = 0.0
        self._state = threading.Lock()
        self._sending = threading.RLock()
        self._dirty = False
        self._alive = False

    def wake(self) -> None:
        """There is something new. Never blocks on sending; any thread."""
        with self._state:
            self._dirty = True
            if self._alive:
                return
            self._alive = True
        threading.Thread(target=self._loop, name="milepost-widget", daemon=True).start()

    def flush(self) -> None:
        """Send now, in this thread, whatever was sent before."""
        with self._state:
            self._dirty = False
        self._call()

    def _loop(self) -> None:
        while self._take():
            self._call()
            self._pause()

    def _take(self) -> bool:
        """Whether there is work; when not, the thread ends (a later wake starts another)."""
        with self._state:
            self._alive = self._dirty
            self._dirty = False
            return self._alive

    def _call(self) -> None:
        with self._sending:
            begin = time.monotonic()
            try:
                self._send()
            except Exception:
                _log.debug("the widget could not be updated", exc_info=True)
            self._took = time.monotonic() - begin

    def _rest(self) -> None:
        """At least `INTERVAL`, and long enough that sending takes a quarter of the time at most."""
        time.sleep(max(INTERVAL, 3 * self._took))
