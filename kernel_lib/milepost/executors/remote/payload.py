"""Values to parcels and back: pickled, what a notebook or script defines by value, large buffers as files."""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, NamedTuple

from milepost.executors.remote.away import Away
from milepost.executors.remote.files import LARGE, Stored
from milepost.pickling import Pickler

Place = Callable[[memoryview], Stored]
"""Puts a large buffer into a file."""

Stub = tuple[Callable[..., Any], tuple[Any, ...]]
"""A call that gives, over there, what stands for an object of this process."""


class Parcel(NamedTuple):
    """A pickle, itself in a file if it is large, and the files of its buffers, in order."""

    stream: bytes | Stored
    buffers: tuple[Stored, ...] = ()

    @property
    def files(self) -> tuple[Stored, ...]:
        """All its files."""
        return (self.stream, *self.buffers) if isinstance(self.stream, Stored) else self.buffers

    def open(self) -> Any:
        """The value. Arrays are copy-on-write maps of the files: writing to them stays in this process."""
        stream = self.stream.open() if isinstance(self.stream, Stored) else self.stream
        return pickle.loads(stream, buffers=[file.open() for file in self.buffers])


def pack(value: Any, place: Place, stubs: Mapping[int, Stub] | None = None) -> Parcel:
    """The parcel of a value; `stubs` stand for objects, by `id`, that make no sense elsewhere.

    Raises
    ------
    Exception
        Whatever a value that cannot be pickled raises.
    """
    files: list[Stored] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        """Whether the buffer goes into the stream."""
        try:
            data = buffer.raw()
        except BufferError:  # not contiguous: only a copy has all its bytes in a row
            return True
        if data.nbytes < LARGE:
            return True
        files.append(place(data))
        return False

    written = io.BytesIO()
    _Pickler(written, keep, stubs or {}).dump(value)
    stream = written.getbuffer()
    large = stream.nbytes >= LARGE
    return Parcel(place(stream) if large else stream.tobytes(), tuple(files))


def check(value: Any, stubs: Mapping[int, Stub] | None = None) -> str:
    """Why a value cannot be pickled, "" if it can."""
    try:
        _Pickler(_Nowhere(), lambda buffer: False, stubs or {}).dump(value)
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


class _Nowhere(io.RawIOBase):
    def write(self, data: Any) -> int:
        return len(data)


class _Pickler(Pickler):
    def __init__(self, file: Any, keep: Callable[[pickle.PickleBuffer], bool], stubs: Mapping[int, Stub]) -> None:
        super().__init__(file, protocol=5, buffer_callback=keep)
        self._stubs = stubs

    def reducer_override(self, value: Any) -> Any:
        if id(value) in self._stubs:
            return self._stubs[id(value)]
        if callable(getattr(type(value), "to_task", None)):  # a `@task` function: its runner stays here
            return Away, (value.name, value.to_task().run)
        if type(value) is FunctionType and _is_wrapped(value):
            return _unwrap, (value.__module__, value.__qualname__)
        return super().reducer_override(value)


def _is_wrapped(function: FunctionType) -> bool:
    """Whether a module has this function below a decorator such as `@task`, so that its name gives something else."""
    module = sys.modules.get(function.__module__ or "")
    named = None if function.__module__ == "__main__" else getattr(module, function.__qualname__, None)
    return getattr(named, "__wrapped__", None) is function


def _unwrap(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name).__wrapped__
