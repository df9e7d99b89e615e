"""What a task came to."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from milepost.model.states import TaskStatus


@dataclass(frozen=True, slots=True)
class TaskError:
    """An exception kept as text, so that it outlives the process: `type`, `message`, `traceback`."""

    type: str
    message: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> TaskError:
        """The record of a caught exception."""
        return cls(type(error).__name__, str(error), "".join(traceback.format_exception(error)))

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """When a task started and ended (Unix seconds) and how long it took (seconds, monotonic clock)."""

    start: float
    end: float
    duration: float


@dataclass(frozen=True, slots=True)
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

    @property
    def ok(self) -> bool:
        """Whether the task succeeded."""
        return self.status is TaskStatus.SUCCESS
