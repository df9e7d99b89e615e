"""One event loop in a thread of its own, for bodies that are coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

from milepost.model.cancel import CancelSignal


class LoopThread:
    """Starts with the first coroutine; `close` ends it. Interrupting the wait cancels the coroutine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any], signal: CancelSignal) -> Any:
        """The coroutine's value; what it raises is raised here. The signal cancels it at its next `await`."""
        future = asyncio.run_coroutine_threadsafe(_caught(coroutine), self._running())
        unsubscribe = signal.on_cancel(future.cancel)
        try:
            value, error = future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            unsubscribe()
        if error is not None:
            raise error
        return value

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="milepost-loop", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """End the loop and its thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    @contextlib.contextmanager
    def lasting(self) -> Iterator[LoopThread]:
        """Close at the end of the `with`."""
        try:
            yield self
        finally:
            self.close()


async def _caught(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """Its value, or what would end the loop, and with it all others, if it was raised there."""
    try:
        return await coroutine, None
    except (SystemExit, KeyboardInterrupt) as error:
        return None, error
