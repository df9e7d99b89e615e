"""Telling listeners what happened; a listener that fails never breaks a run."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable

from milepost.model.errors import UsageError
from milepost.model.events import Event, EventKind
from milepost.model.graph import did_you_mean

Listener = Callable[..., object]

_log = logging.getLogger("milepost.events")


class EventBus:
    """Listeners by kind of event, called in the order in which they subscribed."""

    def __init__(self) -> None:
        self._listeners: dict[EventKind, list[Listener]] = {kind: [] for kind in EventKind}
        self._broken: list[Listener] = []
        """Listeners that have failed: told once of each."""
        self.heard = False
        """Whether anyone has ever listened: until then no event need be made. A plain attribute, as tasks read it."""

    def on(self, event: str, callback: Listener) -> Callable[[], None]:
        """Subscribe to one kind of event, or to "*" for all; the returned function unsubscribes.

        Raises
        ------
        UsageError
            There is no such event, or the listener is no plain function.
        """
        _check(event, callback)
        kinds = list(EventKind) if event == "*" else [EventKind(event)]
        self.heard = True
        for kind in kinds:
            self._listeners[kind].append(callback)
        return lambda: self._off(kinds, callback)

    def _off(self, kinds: list[EventKind], listener: Listener) -> None:
        for kind in kinds:
            if listener in self._listeners[kind]:
                self._listeners[kind].remove(listener)

    def wanted(self, kind: EventKind) -> bool:
        """Whether anyone listens: an event nobody wants need not be made."""
        return self.heard and bool(self._listeners[kind])

    def emit(self, event: Event) -> None:
        """Call every listener; what one raises is logged, the first time."""
        for listener in tuple(self._listeners[event.kind]):
            try:
                listener(event)
            except BaseException as error:  # also a SystemExit: a thread that ended here would never settle its task
                if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                    raise  # the user's, not the listener's
                self._complain(event, listener)

    def _complain(self, event: Event, listener: Listener) -> None:
        if listener not in self._broken:
            self._broken.append(listener)
            words = "the listener %s failed at %s; the run goes on, and further failures of it are not told"
            _log.exception(words, _name(listener), " ".join(filter(None, (str(event.kind), event.task))))


def _check(event: str, callback: Listener) -> None:
    if event != "*" and event not in set(EventKind):
        hint = did_you_mean(str(event), map(str, EventKind))
        raise UsageError(f"there is no event {event!r}; events are {', '.join(EventKind)}, or * for all{hint}")
    if not callable(callback):
        raise UsageError(f"a listener to {event!r} is a function that takes the event, not {callback!r}")
    if inspect.iscoroutinefunction(callback):
        raise UsageError(f"a listener to {event!r} is a plain function; {_name(callback)} is a coroutine function")


def _name(listener: Listener) -> str:
    named = listener if hasattr(listener, "__qualname__") else type(listener)
    return f"{named.__module__}.{named.__qualname__}"
