"""Values without content: what of them can be seen nevertheless, and which of them no one can vouch for."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

from milepost.model.by_class import ByClass

_ALIVE = (
    ("ipywidgets.widgets.widget", "Widget"),
    ("IPython.core.interactiveshell", "InteractiveShell"),
    ("ipykernel.kernelbase", "Kernel"),
)
"""What lives in the kernel and in the front end at once: what using it does there cannot be put back."""

LOOKED_INTO = frozenset({"collections", "functools", "types"})
"""Modules whose classes hold other values and nothing else."""


def seen(value: object) -> tuple[Any, ...]:
    """What tells that a value without content was used; empty where nothing does."""
    look = next((look for kind, look in _LOOKS if isinstance(value, kind)), None)
    return look(value) if look else ()


def alive(value: Any) -> bool:
    """Whether a value is a widget, the shell or the kernel."""
    kind: Any = type(value)
    return _lives(kind)


@ByClass
def _lives(kind: type) -> bool:
    return any((base.__module__, base.__qualname__) in _ALIVE for base in kind.__mro__)


def _queue(value: Any) -> tuple[Any, ...]:
    return list(value.queue), value.unfinished_tasks


def _database(value: sqlite3.Connection) -> tuple[Any, ...]:
    """How much was written through a connection; one that another thread uses, or that is closed, shows less."""
    try:
        version = value.execute("PRAGMA schema_version").fetchone()[0]
        return value.total_changes, value.in_transaction, version
    except (sqlite3.Error, LookupError, TypeError):  # the last two by way of its own `row_factory`
        return ("closed",)


_LOOKS: tuple[tuple[type | tuple[type, ...], Callable[[Any], tuple[Any, ...]]], ...] = (
    (queue.Queue, _queue),
    (queue.SimpleQueue, lambda value: (value.qsize(),)),
    (threading.Event, lambda value: (value.is_set(),)),
    (threading.Semaphore, lambda value: (value._value,)),
    (threading.Thread, lambda value: (value.ident is not None,)),
    (type(threading.Lock()), lambda value: (value.locked(),)),
    (sqlite3.Connection, _database),
)
