"""Exceptions on their way from a worker process: as a pickle if that can be opened, and always as text."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Mapping
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


def to_message(error: BaseException, *, last: bool) -> Raised:
    """What is sent of an exception."""
    text = "".join(traceback.format_exception(error))
    return Raised(type(error).__name__, _message(error), text, _pickled(error), last)


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
    """None where it can be built again neither as usual nor without the `__init__` of its class."""
    return _tried(error, error) or _tried(_Bare(error), error)


def _tried(what: object, error: BaseException) -> bytes | None:
    """A pickle of `what`, if it opens as what `error` is."""
    try:
        pickled = dumps(what)
    except Exception:
        return None
    return pickled if isinstance(_opened(pickled), type(error)) else None


class _Bare:
    """Is pickled as an exception: without calling an `__init__` that takes other arguments than `args`."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> Any:
        error = self._error
        args = _built_in(type(error)).__reduce__(error)[1]
        return _build, (type(error), args, {name: value for name, value in vars(error).items() if _travels(value)})


def _travels(value: object) -> bool:
    """Whether it can be pickled: an exception may hold a connection, say, and comes back without it."""
    try:
        pickle.loads(dumps(value))
    except Exception:
        return False
    return True


def _build(kind: type[BaseException], args: tuple[Any, ...], state: Mapping[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    _built_in(kind).__init__(error, *args)
    vars(error).update(state)
    return error


def _built_in(kind: type[BaseException]) -> Any:
    """The nearest of Python's own classes: an `OSError` sets its `errno` by that."""
    return next(base for base in kind.__mro__ if base.__module__ == "builtins")


def _opened(pickled: bytes | None) -> Any:
    try:
        return pickle.loads(pickled) if pickled else None
    except Exception:
        return None
