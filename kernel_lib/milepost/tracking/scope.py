"""What the body at work has around it: set by who runs tasks, looked at by `track` and `progress`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any, NamedTuple, Protocol

from milepost.model.cancel import CancelSignal


class Gate(Protocol):
    """Whether the run is paused; a plain attribute, as it is read for every item."""

    paused: bool


class Scope(NamedTuple):
    """The run of the task at work. `tell(message)` says how far it has come."""

    signal: CancelSignal
    gate: Gate
    tell: Callable[..., None]


class Kept(Protocol):
    """One loop that can go on after a kill. `due` is when its next checkpoint is (by `time.perf_counter`)."""

    due: float

    @property
    def done(self) -> int:
        """Items that were done when it was last saved, by this process or the one before."""

    def items(self) -> Iterator[Any]:
        """What is left of the iterable."""

    def save(self, done: int, *, lasting: bool = False) -> None:
        """Save that so many items are done, with all that goes with it; `lasting`: so that it survives power loss."""

    def leave(self) -> None:
        """The loop has ended."""


class Keeper(Protocol):
    """Keeps what is within one task."""

    def enter(self, loop: Any, frame: FrameType) -> Kept | None:
        """A loop begins in a frame; None where it cannot go on after a kill."""

    def hold(self, held: bool) -> None:
        """The task waits within a loop as the run is paused, or goes on."""

    def show(self, text: str, *, last: bool) -> None:
        """Show a line of progress where the task shows what it says."""


at_work: ContextVar[Scope | None] = ContextVar("milepost_at_work", default=None)
keeper: ContextVar[Keeper | None] = ContextVar("milepost_keeper", default=None)
