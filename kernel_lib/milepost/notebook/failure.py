"""Exceptions on their way from a worker process, with the places where they were raised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from milepost.model.errors import RemoteError
from milepost.ports import Blob, Serializer

MAX_FRAMES = 60
"""Frames of one traceback that are carried: the outer and the inner half of them, for endless recursions."""

_PACKAGE = str(Path(__file__).parents[1]) + os.sep


@dataclass(frozen=True, slots=True)
class Frame:
    """A line that was running, in code with a qualified name that begins at the line `first`."""

    file: str
    line: int
    name: str
    first: int


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception: as a pickle, if it can be opened again, and by its name and words; and what led to it.

    `missing` is the name that a `NameError` is about, which no pickle holds.
    """

    name: str
    words: str
    pickled: Blob | None
    frames: tuple[Frame, ...]
    cause: Failure | None = None
    context: Failure | None = None
    suppress: bool = False
    missing: str = ""


def failure_of(error: BaseException, serializer: Serializer) -> Failure:
    """What is sent of an exception."""
    chained = (part if part is not error else None for part in (error.__cause__, error.__context__))
    cause, context = (failure_of(part, serializer) if part is not None else None for part in chained)
    return Failure(
        name=type(error).__name__,
        words=_words(error),
        pickled=_pickled(error, serializer),
        frames=_own_frames(error),
        cause=cause,
        context=context if cause is None else None,
        suppress=error.__suppress_context__,
        missing=str(error.name or "") if isinstance(error, NameError) else "",
    )


def error_of(failure: Failure, serializer: Serializer) -> BaseException:
    """The exception again, its traceback through the cells' lines; a `RemoteError` of its name where need be."""
    error = _opened(failure.pickled, serializer) or _stand_in(failure)
    if failure.cause is not None:
        error.__cause__ = error_of(failure.cause, serializer)
    if failure.context is not None:
        error.__context__ = error_of(failure.context, serializer)
    error.__suppress_context__ = failure.suppress
    return error.with_traceback(_trace(failure.frames))


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def _pickled(error: BaseException, serializer: Serializer) -> Blob | None:
    """None where it cannot be pickled, or not be opened: an `__init__` that takes other arguments."""
    try:
        blob = serializer.dump({"error": error}).blob
    except Exception:
        return None
    blob = Blob(blob.stream, tuple(bytes(buffer) for buffer in blob.buffers))
    return blob if isinstance(_opened(blob, serializer), type(error)) else None


def _opened(pickled: Blob | None, serializer: Serializer) -> BaseException | None:
    try:
        error = serializer.load(pickled)["error"] if pickled else None
    except Exception:
        return None
    return error if isinstance(error, BaseException) else None


def _stand_in(failure: Failure) -> BaseException:
    kind: type[RemoteError] = type(failure.name, (RemoteError,), {"__module__": RemoteError.__module__})
    return kind(failure.words)


# tracebacks


def _own_frames(error: BaseException) -> tuple[Frame, ...]:
    """The frames of an exception, from the body's own on."""
    found = [_frame(part) for part in _parts(error)]
    kept = [frame for frame in found if not frame.file.startswith(_PACKAGE)]
    half = MAX_FRAMES // 2
    return tuple(kept if len(kept) <= MAX_FRAMES else [*kept[:half], *kept[-half:]])


def _frame(part: TracebackType) -> Frame:
    code = part.tb_frame.f_code
    return Frame(code.co_filename, part.tb_lineno or code.co_firstlineno, code.co_qualname, code.co_firstlineno)


def _parts(error: BaseException) -> Iterator[TracebackType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _trace(frames: tuple[Frame, ...]) -> TracebackType | None:
    """A traceback that shows these lines: each of its frames is one of code that raises at that place."""
    trace: TracebackType | None = None
    for frame in reversed(frames):
        part = _raised_at(frame)
        trace = TracebackType(trace, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return trace


def _raised_at(frame: Frame) -> TracebackType:
    code = compile("\n" * (frame.line - frame.first) + "raise _RaisedError", frame.file, "exec")
    name = frame.name.rpartition(".")[2]
    code = code.replace(co_name=name, co_qualname=frame.name, co_firstlineno=frame.first)
    try:
        exec(code, {"_RaisedError": _RaisedError, "__name__": "__main__"})
    except _RaisedError as error:
        raised: Any = error.__traceback__
        return raised.tb_next  # type: ignore[no-any-return]
    raise AssertionError(frame)


class _RaisedError(Exception):
    """Only for its traceback."""
