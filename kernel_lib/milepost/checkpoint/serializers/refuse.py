"""What is not saved, and why: things that live outside the value, or whose restored twin would lie."""

from __future__ import annotations

import _thread
import io
import pickle
import socket
import sys
import threading
import types
import weakref


class RefusedError(pickle.PicklingError):
    """A value that no pickler may save, with the reason for people."""


_FILE = "an open file keeps a place in something outside the notebook"
_LOCK = "a lock belongs to the threads that hold and await it"
_RUNNING = "it keeps its place in running code"
_REASONS: dict[type, str] = {
    types.GeneratorType: f"a generator cannot be saved: {_RUNNING}",
    types.CoroutineType: f"a coroutine cannot be saved: {_RUNNING}",
    types.AsyncGeneratorType: f"an asynchronous generator cannot be saved: {_RUNNING}",
    types.FrameType: f"a frame cannot be saved: {_RUNNING}",
    types.TracebackType: "a traceback cannot be saved: it holds the frames of running code",
    io.FileIO: f"{_FILE}",
    io.BufferedReader: _FILE,
    io.BufferedWriter: _FILE,
    io.BufferedRandom: _FILE,
    io.BufferedRWPair: _FILE,
    io.TextIOWrapper: _FILE,
    socket.socket: "a socket is a connection of this process",
    _thread.LockType: _LOCK,
    _thread.RLock: _LOCK,
    threading.Thread: "a thread ends with its process",
    threading.local: "thread-local data ends with its threads",
    weakref.ref: "a weak reference does not keep what it refers to",
}


def refusal(kind: type) -> str:
    """Why no value of this type is saved; empty when some are."""
    if kind.__module__ == "itertools":
        return f"an iterator of itertools ({kind.__name__}) cannot be saved: it keeps its place in a stream"
    found = next((_REASONS[base] for base in kind.__mro__ if base in _REASONS), "")
    return found


def library_class(module: str, name: str) -> type | None:
    """A class of a library that is imported already; never imports."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None
