"""A run in a thread of its own, and what steers it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from milepost.engine.nesting import refuse_to_block
from milepost.model.cancel import CancelSignal
from milepost.model.snapshot import Snapshot


class Steered(Protocol):
    """The runner whose run it is."""

    @property
    def paused(self) -> bool: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


class RunHandle:
    """A run in a thread of its own."""

    def __init__(self, runner: Steered, signal: CancelSignal) -> None:
        self._runner = runner
        self._signal = signal
        self._outcome: Future[Snapshot] = Future()

    def begin(self, run: Callable[[], Snapshot]) -> None:
        """Start the thread."""
        threading.Thread(target=self._keep, args=(run,), name="milepost-run", daemon=True).start()

    def _keep(self, run: Callable[[], Snapshot]) -> None:
        try:
            self._outcome.set_result(run())
        except BaseException as error:
            self._outcome.set_exception(error)

    def pause(self) -> None:
        """Start no more tasks until `resume`: of all runs of the runner, as `runner.pause()`."""
        self._runner.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._runner.resume()

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel this run."""
        self._signal.cancel(reason)

    def wait(self, timeout: float | None = None) -> Snapshot:
        """The results once the run has ended; raises what it raised, or `TimeoutError` after so many seconds.

        Raises
        ------
        UsageError
            In the coroutine of a task, whose loop it would block.
        """
        if not self._outcome.done():
            refuse_to_block()
        try:
            return self._outcome.result(timeout)
        except TimeoutError:
            if self._outcome.done():
                raise
            why = ": its runner is paused" if self._runner.paused else ""
            raise TimeoutError(f"the run has not ended within {timeout} s{why}") from None

    async def ended(self) -> Snapshot:
        """The results once the run has ended; cancelling who awaits them cancels the run, and waits for its end."""
        waiting = asyncio.wrap_future(self._outcome)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self.cancel()
            with contextlib.suppress(Exception):
                await waiting
            raise
