"""A run in a thread of its own, and what steers it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from milepost.model.cancel import CancelSignal
from milepost.model.snapshot import Snapshot


class Steered(Protocol):
    """The runner whose run it is."""

    @property
    def paused(self) -> bool: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def snapshot(self) -> Snapshot: ...


class RunHandle:
    """A run in a thread of its own."""

    def __init__(self, runner: Steered, signal: CancelSignal) -> None:
        self._runner = runner
        self._signal = signal
        self._snapshot: Snapshot | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def begin(self, run: Callable[[], Snapshot]) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._keep, args=(run,), name="milepost-run", daemon=True)
        self._thread.start()

    def _keep(self, run: Callable[[], Snapshot]) -> None:
        try:
            self._snapshot = run()
        except BaseException as error:
            self._error = error

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
        """The results once the run has ended; raises what it raised, or `TimeoutError` after so many seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                why = ": its runner is paused" if self._runner.paused else ""
                raise TimeoutError(f"the run has not ended within {timeout} s{why}")
        if self._error is not None:
            raise self._error
        return self._snapshot or self._runner.snapshot()
