"""Whose doing an event is: the body that runs in its context, or that started its thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from milepost.notebook.observed.places import Places
from milepost.notebook.observed.watch import Watch

_current: ContextVar[Watch | None] = ContextVar("milepost_watch", default=None)
_lock = threading.Lock()
watches: dict[int, tuple[Watch, Places]] = {}
"""The watches of bodies that run now, by identity."""
_busy: set[int] = set()
"""Threads in which something is being noted: what that opens itself is not the body's."""


@contextlib.contextmanager
def registered(places: Places) -> Iterator[Watch]:
    """A watch for what runs in the `with`, in contexts copied from it, and in threads started in it."""
    watch = Watch(_current.get())
    with _lock:
        watches[id(watch)] = watch, places
    token = _current.set(watch)
    try:
        yield watch
    finally:
        _current.reset(token)
        with _lock:
            del watches[id(watch)]


@contextlib.contextmanager
def unwatched() -> Iterator[None]:
    """What happens in the `with` is the notebook's bookkeeping."""
    thread = threading.get_ident()
    added = thread not in _busy
    _busy.add(thread)
    try:
        yield
    finally:
        if added:
            _busy.discard(thread)


def current() -> Watch | None:
    """The watch of the body that runs in this context."""
    return _current.get()


def tell(handle: Callable[..., None], *args: Any) -> None:
    """Have `handle(watch, places, *args)` note something for the body at work here, and for those that wait for it."""
    thread = threading.get_ident()
    if thread in _busy:
        return
    _busy.add(thread)
    try:
        for watch, places in _concerned(thread):
            handle(watch, places, *args)
    except Exception as error:
        for watch, _ in _concerned(thread):
            watch.obstacle = watch.obstacle or f"what it touched could not be told ({type(error).__name__}: {error})"
    finally:
        _busy.discard(thread)


def _concerned(thread: int) -> list[tuple[Watch, Places]]:
    watch: Watch | None = _current.get()
    if watch is None:
        return _by_thread(thread)
    found = []
    while watch is not None:
        found += [known for known in (watches.get(id(watch)),) if known is not None]
        watch = watch.outer
    return found


def _by_thread(thread: int) -> list[tuple[Watch, Places]]:
    """Of a thread without our context: that of the body that started it; all, where it may work for any of them."""
    started = getattr(threading, "_active", {}).get(thread)
    watch = getattr(started, "milepost_watch", None)
    if watch is not None:
        known = watches.get(id(watch))
        return [known] if known is not None else []
    return [] if started is None or of_jupyter(started) else list(watches.values())


def of_jupyter(thread: threading.Thread) -> bool:
    """Whether a thread is the kernel's, or ours, and works for no body."""
    module = type(thread).__module__.partition(".")[0]
    if thread is threading.main_thread() or module in ("ipykernel", "IPython", "zmq", "tornado", "milepost"):
        return True
    return thread.name.startswith(("milepost", "IOPub", "Heartbeat", "Control", "asyncio"))
