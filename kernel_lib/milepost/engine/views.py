"""The tasks of a runner as people see them."""

from __future__ import annotations

from milepost.model.result import TaskResult
from milepost.model.states import TaskState
from milepost.model.task import Task
from milepost.model.view import TaskView


def view_of(name: str, task: Task | None, result: TaskResult | None, *, running: bool) -> TaskView:
    """One task: where it is, and what it came to; without the task itself, no arrows lead to it."""
    after = task.dependencies if task is not None else ()
    if running:
        return TaskView(name=name, state=TaskState.RUNNING, after=after)
    if result is None:
        return TaskView(name=name, after=after)
    return TaskView(
        name=name,
        state=TaskState(str(result.status)),
        restored=result.restored,
        after=after,
        seconds=result.metrics.duration if result.metrics else None,
        began=result.metrics.start if result.metrics and not result.restored else None,
        ended=result.metrics.end if result.metrics and not result.restored else None,
        error=None if result.ok else str(result.error or result.message),
    )
