"""Exceptions on their way from a worker process: as a pickle if that can be opened, and always as text."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

from milepost.executors.remote.messages import Raised
from milepost.model.errors import RemoteError
from milepost.pickling import dumps


class RemoteTraceback(Exception):
    """The cause of an exception from a worker process: shows where it was raised there."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    def __str__(self) -> str:
        return f"\n{self.text}"


def to_message(error: BaseException) -> Raised:
    """What is sent of an exception."""
    text = "".join(traceback.format_exception(error))
    return Raised(type(error).__name__, _message(error), text, _pickled(error))


def from_message(raised: Raised) -> BaseException:
    """The exception again, or a `RemoteError` that bears its name; its cause shows the worker's traceback."""
    error: BaseException | None = _opened(raised.pickled)
    if error is None:
        error = type(raised.type, (RemoteError,), {"__module__": RemoteError.__module__})(raised.message)
    error.__cause__ = RemoteTraceback(raised.traceback)
    return error


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def _pickled(error: BaseException) -> bytes | None:
    """None where the pickle cannot be made, or not be opened: an `__init__` that takes other arguments."""
    try:
        pickled = dumps(error)
    except Exception:
        return None
    return pickled if isinstance(_opened(pickled), type(error)) else None


def _opened(pickled: bytes | None) -> Any:
    try:
        return pickle.loads(pickled) if pickled else None
    except Exception:
        return None
