"""Telling listeners what happened; a listener that fails never breaks a run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from milepost.model.errors import UsageError
from milepost.model.events import Event, EventKind

Listener = Callable[..., object]

_log = logging.getLogger("milepost.events")


class EventBus:
    """Listeners by kind of event, called in the order in which they subscribed."""

    def __init__(self) -> None:
        self._listeners: dict[EventKind, list[Listener]] = {kind: [] for kind in EventKind}
        self.heard = False
        """Whether anyone has ever listened: until then no event need be made. A plain attribute, as tasks read it."""

    def on(self, event: str, callback: Listener) -> Callable[[], None]:
        """Subscribe to one kind of event, or to "*" for all; the returned function unsubscribes."""
        if event != "*" and event not in set(EventKind):
            raise UsageError(f"there is no event {event!r}; events are {', '.join(EventKind)}, or * for all")
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
        """Call every listener; what one raises is logged."""
        for listener in tuple(self._listeners[event.kind]):
            try:
                listener(event)
            except Exception:
                _log.exception("a listener to %r failed; the run goes on", str(event.kind))
