"""What a task came to."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from milepost.model.states import TaskStatus

_SUCCESS = TaskStatus.SUCCESS  # asked for in every step of a run, and reading it off an enumeration takes longer


@dataclass(frozen=True, slots=True)
class TaskError:
    """An exception kept as text, so that it outlives the process: `type`, `message`, `traceback`."""

    type: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> TaskError:
        """The record of a caught exception."""
        return cls(type(error).__name__, _words(error), "".join(traceback.format_exception(error)))

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


class TaskMetrics(NamedTuple):
    """When a task ran and what it used.

    Parameters
    ----------
    start, end : float
        Unix seconds.
    duration : float
        Seconds, by a clock that never goes back.
    cpu : float, optional
        Seconds of processor time that the body took, to within 0.05 ms; None where the platform does not tell, and for
        coroutines, which share one thread.
    peak_bytes : int, optional
        The most memory that the process which ran the body has held so far; None where the platform does not tell,
        and for bodies shorter than a millisecond.
    """

    start: float
    end: float
    duration: float
    cpu: float | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True, slots=True, init=False)
class TaskResult:
    """The outcome of a task.

    Parameters
    ----------
    status : TaskStatus
    message : str
        A sentence for people, such as why the task was skipped.
    error : TaskError, optional
        The exception of a failure.
    data : object
        What the body returned.
    metrics : TaskMetrics, optional
    restored : bool
        Whether the result was given back instead of computed.
    exception : BaseException, optional
        The live exception of a failure, for who re-raises it in this process; no part of a snapshot.
    """

    status: TaskStatus
    message: str = ""
    error: TaskError | None = None
    data: Any = None
    metrics: TaskMetrics | None = None
    restored: bool = field(default=False, compare=False)
    exception: BaseException | None = field(default=None, compare=False, repr=False)

    def __init__(
        self,
        status: TaskStatus,
        message: str = "",
        error: TaskError | None = None,
        data: Any = None,
        metrics: tuple[float, float, float, float | None, int | None] | None = None,
        restored: bool = False,
        exception: BaseException | None = None,
    ) -> None:
        # Written out, as this takes half the time of the `__init__` that a frozen dataclass makes.
        _set_status(self, status)
        _set_message(self, message)
        _set_error(self, error)
        _set_data(self, data)
        _set_metrics(self, metrics)
        _set_restored(self, restored)
        _set_exception(self, exception)

    @property
    def ok(self) -> bool:
        """Whether the task succeeded."""
        return self.status is _SUCCESS

    def given_back(self) -> TaskResult:
        """The same result in a run that did not compute it: a success counts as restored."""
        if self.restored is self.ok:
            return self
        return TaskResult(self.status, self.message, self.error, self.data, self.metrics, self.ok, self.exception)


def _setter(name: str) -> Callable[[object, object], None]:
    """Sets a slot past the guard of a frozen class."""
    set_slot: Callable[[object, object], None] = getattr(TaskResult, name).__set__
    return set_slot


_set_status = _setter("status")
_set_message = _setter("message")
_set_error = _setter("error")
_set_data = _setter("data")
_set_metrics = _setter("metrics")
_set_restored = _setter("restored")
_set_exception = _setter("exception")

# Kept as a plain tuple, which the garbage collector forgets, as it holds only numbers: a named one it visits again and
# again, which would cost more than a microsecond a task.
_kept_metrics: Callable[[TaskResult], tuple[Any, ...] | None] = vars(TaskResult)["metrics"].__get__


def _metrics(result: TaskResult) -> TaskMetrics | None:
    kept = _kept_metrics(result)
    return None if kept is None else TaskMetrics._make(kept)


TaskResult.metrics = property(_metrics, _set_metrics)  # type: ignore[assignment, misc]
