"""What stands, in a worker process, for the signal and the progress function of the call that it works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from milepost.model.cancel import CancelSignal


@dataclass(slots=True)
class _Current:
    signal: CancelSignal
    progress: Callable[[str], None]


_current = _Current(CancelSignal(), lambda message: None)


def begin(signal: CancelSignal, progress: Callable[[str], None]) -> None:
    """A call begins."""
    _current.signal, _current.progress = signal, progress


def current_signal() -> CancelSignal:
    """The signal of the call."""
    return _current.signal


def current_progress() -> Callable[[str], None]:
    """The function by which the call says how far it has come."""
    return _current.progress
