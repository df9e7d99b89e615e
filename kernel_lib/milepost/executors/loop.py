"""One event loop in a thread of its own, for bodies that are coroutines."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

from milepost.executors.fork import begin_in_forks
from milepost.model.cancel import CancelSignal

HEED = 0.1
"""Seconds that a loop has, once a coroutine on it is cancelled, to do anything else."""

GRACE = 1.0
"""Seconds that coroutines have to end once their loop is closed."""


class LoopThread:
    """Starts with the first coroutine; `close` ends it. Interrupting the wait cancels the coroutine.

    One that is forgotten ends too, once what runs on it has ended.
    """

    def __init__(self) -> None:
        self._forgotten: weakref.finalize[..., LoopThread] | None = None
        begin_in_forks(self)

    def begin(self) -> None:
        """Without a thread, as at first."""
        if self._forgotten is not None:
            self._forgotten.detach()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, coroutine: Coroutine[Any, Any, Any], signal: CancelSignal) -> Any:
        """The coroutine's value; what it raises is raised here. The signal cancels it at its next `await`."""
        loop = self._running()
        future = asyncio.run_coroutine_threadsafe(_caught(coroutine), loop)
        unsubscribe = signal.on_cancel(future.cancel)
        try:
            value, error = future.result()
        except BaseException:
            future.cancel()
            if signal.cancelled:
                self._leave_if_blocked(loop)
            raise
        finally:
            unsubscribe()
        if error is not None:
            raise error
        return value

    def _leave_if_blocked(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave a loop behind that a coroutine blocks, so that the next coroutine gets another one."""
        turns = threading.Event()
        with contextlib.suppress(RuntimeError):  # it was closed
            loop.call_soon_threadsafe(turns.set)
            if not turns.wait(HEED):
                self._leave(loop)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if self._loop is loop:
                self._loop = self._thread = None
        asyncio.run_coroutine_threadsafe(_stop_after_rest(), loop)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="milepost-loop", daemon=True)
                self._thread.start()
                self._forgotten = weakref.finalize(self, _stop, self._loop)
                self._forgotten.atexit = False
            return self._loop

    def close(self) -> None:
        """End the loop and its thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            _stop(loop)
            thread.join()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_rest())
    finally:
        loop.close()


async def _stop_after_rest() -> None:
    """Stop this loop once all that runs on it has ended."""
    if rest := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(rest)
    asyncio.get_running_loop().stop()


async def _cancel_rest() -> None:
    """End what runs still, also what was handed over and has not begun; what does not heed it is left behind."""
    await asyncio.sleep(0)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=GRACE)


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # it was closed
        loop.call_soon_threadsafe(loop.stop)


async def _caught(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """Its value, or what would end the loop, and with it all others, if it was raised there."""
    try:
        return await coroutine, None
    except (SystemExit, KeyboardInterrupt) as error:
        return None, error
