"""What is said between this process and a worker of its own, over a pair of sockets that nobody else has."""

from __future__ import annotations

import pickle
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from milepost.executors.remote.payload import Parcel
from milepost.executors.remote.surroundings import Surroundings


class Request(NamedTuple):
    """To the worker: call the body of this task; `parcel` holds the body and its arguments.

    `surroundings` is None where they are those of the request before.
    """

    task: str
    parcel: Parcel
    surroundings: Surroundings | None


class Cancel(NamedTuple):
    """To the worker: stop what you do. SIGINT follows."""

    reason: str


class Ready(NamedTuple):
    """From the worker, once: it has started."""


class Declined(NamedTuple):
    """From the worker: it ends without having touched the request; ask another."""


class Progress(NamedTuple):
    """From the worker: how far the body has come."""

    message: str


class Finished(NamedTuple):
    """From the worker: the value, and what it took; `peak_bytes` is None where it is not known.

    After its `last` answer it takes no more requests.
    """

    parcel: Parcel
    last: bool
    seconds: float
    cpu: float
    peak_bytes: int | None


class Raised(NamedTuple):
    """From the worker: an exception as text, and as a pickle if it has one that can be opened."""

    type: str
    message: str
    traceback: str
    pickled: bytes | None
    last: bool


def send(connection: Connection[Any, Any], message: NamedTuple) -> None:
    """As `Connection.send`, in a third of the time."""
    connection.send_bytes(pickle.dumps(message, 5))


def receive(connection: Connection[Any, Any]) -> Any:
    """The next message."""
    return pickle.loads(connection.recv_bytes())
