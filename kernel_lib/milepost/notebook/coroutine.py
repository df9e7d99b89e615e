"""Coroutines of a cell: each in a thread with a loop of its own, since the kernel's loop is busy running the cell."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any


def run_coroutine(make: Callable[[], Any]) -> Any:
    """Run a coroutine to its end in a thread with a loop of its own; an interrupt here cancels it there."""
    runner = _CoroutineThread(make)
    try:
        runner.start()
        runner.wait()
    except BaseException:
        runner.cancel()
        raise
    return runner.outcome()


class _CoroutineThread:
    """One coroutine, one thread, one loop, in a copy of the caller's context (so that its output is recorded)."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self._value: Any = None
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="milepost-await", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait(self) -> None:
        while self._thread.is_alive():
            self._thread.join(0.2)

    def cancel(self) -> None:
        """Cancel and wait for the coroutine to have ended, so that nothing of the cell runs on."""
        self._cancelled = True
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._cancel_task)
            self._thread.join()

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def outcome(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._value = self._loop.run_until_complete(self._main())
        except BaseException as error:
            self._error = error
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _main(self) -> Any:
        self._task = asyncio.current_task()
        if self._cancelled:  # before it began
            raise asyncio.CancelledError
        return await self._make()
