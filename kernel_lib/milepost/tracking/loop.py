"""`track`: a loop whose progress is shown, that can be paused between items, and that goes on after a kill."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any, Generic, TypeVar

from milepost.model.cancel import CancelSignal
from milepost.model.errors import UsageError
from milepost.tracking.iterables import length_of
from milepost.tracking.report import clock, fraction, show, speed
from milepost.tracking.scope import Gate, Kept, Scope, at_work, keeper

T = TypeVar("T")

TICK = 0.1
"""Seconds between two looks at how far a loop has come."""

WAIT = 0.02
"""Seconds between two looks at whether a paused run goes on."""

BRIEF = 0.5
"""Seconds below which a loop outside a task shows nothing: it was over before anybody could read it."""

SMOOTH = 0.3
"""Weight of the last tick in the rate."""

_now = time.perf_counter


class Track(Generic[T]):
    """What `track` gives: iterate over it with `for`, or with `async for`. `name` can be changed in the loop."""

    def __init__(
        self, iterable: Iterable[T] | AsyncIterable[T], state: Any, every: float, name: str, total: int | None
    ) -> None:
        self.iterable = iterable
        self.state = state
        self.every = every
        self.name = name
        self.total = total

    def __len__(self) -> int:
        return len(self.iterable)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[T]:
        return _Pass(self, sys._getframe(1)).items()

    def __aiter__(self) -> AsyncIterator[T]:
        return _Pass(self, sys._getframe(1)).later_items()


def track(
    iterable: Iterable[T] | AsyncIterable[T], *, state: Any = None, every: float = 5.0, name: str | None = None
) -> Track[T]:
    """Go through an iterable, showing how far that is: total, rate, time left.

    Within a task, Pause and Cancel take effect between two items. And a loop that is killed goes on after the last item
    that was saved, when its task runs again with the same code and inputs: the code before the loop runs as ever, then
    what the loop had changed is put back, with the random generators and what it had shown.

    In a cell that needs no `state`: the variables that the loop changes are kept by themselves. A function keeps what
    `state` holds, and puts it back into these very objects, as nobody can exchange its local variables.

    Parameters
    ----------
    iterable : iterable or asynchronous iterable
        A generator is made anew and skipped forward, with a warning. One with `state_dict()` and `load_state_dict()`,
        as loaders of data have, or with `seek(n)`, is told where to go on.
    state : object, optional
        In a function: a dict, list, array, model, optimiser, anything whose content can be put back into the same
        object; or a list or dict of such. In a cell: names that are to be kept besides, or such an object.
    every : float
        Seconds between two checkpoints, at least. They take at most a twentieth of the loop's time.
    name : str, optional
        What it says of itself.

    Returns
    -------
    Track
        For a `for` statement of its own: only there can it go on after a kill.

    Raises
    ------
    UsageError
        For what cannot be iterated over, and for a negative `every`.

    Examples
    --------
    >>> for epoch in track(range(200)):
    ...     train(model)
    """
    if not isinstance(iterable, Iterable | AsyncIterable) and not hasattr(type(iterable), "__getitem__"):
        raise UsageError(f"track takes something to go through, and {type(iterable).__name__} cannot be iterated over")
    if isinstance(every, bool) or not isinstance(every, int | float) or not every >= 0:
        raise UsageError(f"every={every!r} must be a number of seconds from 0 on")
    if name is not None and not isinstance(name, str):
        raise UsageError(f"name={name!r} must be a text")
    return Track(iterable, state, float(every), name or "", length_of(iterable))


class _Open:
    """Stands for the gate of a run where there is none."""

    paused = False


_NOWHERE = Scope(CancelSignal(), _Open(), lambda message: None)

_stack: ContextVar[tuple[_Pass, ...]] = ContextVar("milepost_loops", default=())
"""The loops that run in this context, the outermost first."""


class _Pass:
    """One time through."""

    def __init__(self, track: Track[Any], frame: FrameType) -> None:
        found, own = at_work.get(), keeper.get()
        self._track = track
        self._keeper = own
        self._in_task = found is not None
        self._scope = found or _NOWHERE
        self._outer = _stack.get()
        self._begin = self._last = _now()
        self._rate = 0.0
        self._shown = False
        self._kept: Kept | None = own.enter(track, frame) if own is not None else None
        self.done = self._before = self._kept.done if self._kept is not None else 0
        _stack.set((*self._outer, self))

    # the loop itself

    def items(self) -> Iterator[Any]:
        """The items. What is in this loop is paid for each of them."""
        now, signal, gate = _now, self._scope.signal, self._scope.gate
        done, due = self.done, self._due()
        iterable: Any = self._track.iterable
        source = self._kept.items() if self._kept is not None else iter(iterable)
        try:
            for item in source:
                yield item
                done += 1
                if now() >= due or gate.paused or signal.cancelled:
                    self.done = done
                    due = self._look(signal, gate)
        finally:
            self.done = done
            self._end()

    async def later_items(self) -> AsyncIterator[Any]:
        """The items, for `async for`."""
        now, signal, gate = _now, self._scope.signal, self._scope.gate
        due = self._due()
        try:
            async for item in self._later_source():
                yield item
                self.done += 1
                if now() >= due or gate.paused or signal.cancelled:
                    if gate.paused and not signal.cancelled:
                        await self._hold_later(signal, gate)
                    due = self._look(signal, gate)
        finally:
            self._end()

    def _later_source(self) -> AsyncIterable[Any]:
        iterable = self._track.iterable
        if isinstance(iterable, AsyncIterable):  # never kept
            return iterable
        return _Later(self._kept.items() if self._kept is not None else iter(iterable))

    # between two items

    def _due(self) -> float:
        return min(_now() + TICK, self._kept.due if self._kept is not None else float("inf"))

    def _look(self, signal: CancelSignal, gate: Gate) -> float:
        """Stop or wait where that was asked for, save, and say how far it is; when to look again."""
        if signal.cancelled:
            self._save()
            signal.raise_if_cancelled()
        if gate.paused:
            self._hold(signal, gate)
        if self._kept is not None and _now() >= self._kept.due:
            self._kept.save(self.done)
        self._tell()
        return self._due()

    def _save(self, *, lasting: bool = False) -> None:
        if self._kept is not None:
            self._kept.save(self.done, lasting=lasting)

    def _hold(self, signal: CancelSignal, gate: Gate) -> None:
        with _Held(self):
            while gate.paused and not signal.wait(WAIT):
                pass
        signal.raise_if_cancelled()

    async def _hold_later(self, signal: CancelSignal, gate: Gate) -> None:
        with _Held(self):
            while gate.paused and not signal.cancelled:
                await asyncio.sleep(WAIT)

    def hold(self, held: bool) -> None:
        """It waits, with all that it has come to on disk; or goes on."""
        if held:
            self._save(lasting=True)
            self._tell()
        if self._keeper is not None:
            self._keeper.hold(held)
        self._last = _now()

    # what is said of it

    def _tell(self, *, last: bool = False) -> None:
        self._measure()
        text = " › ".join(each.text() for each in (*self._outer, self))
        self._scope.tell(text)
        here = not self._in_task or self._keeper is not None
        if here and (self._shown or self._last - self._begin >= BRIEF):
            self._shown = True
            show(text, last=last and not self._outer)

    def _measure(self) -> None:
        now = _now()
        items, seconds = self.done - self._before, now - self._last
        if seconds > 0 and items:
            rate = items / seconds
            self._rate = SMOOTH * rate + (1 - SMOOTH) * self._rate if self._rate else rate
            self._before, self._last = self.done, now

    def text(self) -> str:
        """Name, items, share, rate and the time left, or taken."""
        total, seconds = self._track.total, _now() - self._begin
        left = ""
        if self._rate and total is not None and self.done < total:
            left = f"{clock((total - self.done) / self._rate)} left"
        parts = (self._track.name, fraction(self.done, total), speed(self._rate), left or clock(seconds))
        return " · ".join(filter(None, parts))

    def _end(self) -> None:
        _stack.set(tuple(each for each in _stack.get() if each is not self))
        if self._kept is not None:
            self._kept.leave()
        if self._shown or (self._in_task and (not self._outer or _now() - self._begin >= TICK)):
            self._tell(last=True)


class _Later:
    """Items that are there at once, for `async for`."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    def __aiter__(self) -> _Later:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration


class _Held:
    """While a loop waits."""

    def __init__(self, loop: _Pass) -> None:
        self._loop = loop

    def __enter__(self) -> None:
        self._loop.hold(True)

    def __exit__(self, *exc: object) -> None:
        self._loop.hold(False)
