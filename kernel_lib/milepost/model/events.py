"""What happened, in the past tense: one frozen record an event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from milepost.model.result import TaskResult


class EventKind(StrEnum):
    """The names under which listeners subscribe (`builder.on("task_start", callback)`)."""

    WORKFLOW_START = "workflow_start"
    WORKFLOW_END = "workflow_end"
    TASK_START = "task_start"
    TASK_END = "task_end"
    TASK_SKIPPED = "task_skipped"
    TASK_RESTORED = "task_restored"
    TASK_PROGRESS = "task_progress"
    TASK_RETRY = "task_retry"
    PAUSED = "paused"
    RESUMED = "resumed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at `time` (Unix seconds).

    `task` is empty for events of the whole run; `run` tells runs apart, and is empty for those of the runner. `result`
    is what the task came to, or for `task_retry` the attempt that failed.
    """

    kind: EventKind
    time: float
    task: str = ""
    result: TaskResult | None = None
    message: str = ""
    run: str = ""
