"""What stands, in a worker process, for the signal and the progress function of the call that it works on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from milepost.model.cancel import CancelSignal
from milepost.model.errors import UsageError
from milepost.tracking.scope import Scope, at_work


@dataclass(slots=True)
class _Current:
    signal: CancelSignal
    progress: Callable[..., None]
    opening: bool = False


@dataclass(slots=True)
class _Open:
    """The gate of a worker process: nothing pauses a body there."""

    paused: bool = False


_OPEN = _Open()
_current = _Current(CancelSignal(), lambda message: None)


def begin(signal: CancelSignal, progress: Callable[..., None]) -> None:
    """A call begins."""
    _current.signal, _current.progress = signal, progress
    at_work.set(Scope(signal, _OPEN, progress))


def current_signal() -> CancelSignal:
    """The signal of the call."""
    return _current.signal


def current_progress() -> Callable[..., None]:
    """The function by which the call says how far it has come."""
    return _current.progress


@contextlib.contextmanager
def opening() -> Iterator[None]:
    """While a call is built from what was sent, modules of the user's are imported."""
    _current.opening = True
    try:
        yield
    finally:
        _current.opening = False


def refuse_while_opening() -> None:
    """Raise `UsageError` where the import of a module starts a run: its workers would import that module again."""
    if _current.opening:
        raise UsageError(
            "a module that a worker process imports starts worker processes itself, which would import it in turn; "
            'put what starts the run under: if __name__ == "__main__"'
        )
