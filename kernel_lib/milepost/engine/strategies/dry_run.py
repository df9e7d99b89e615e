"""Go through the motions: order and conditions without the work."""

from __future__ import annotations

from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import ExecutionStrategy, TaskCall


class DryRunStrategy:
    """Every task succeeds without running: the strategies within, which do the work, are not asked."""

    def __init__(self, inner: ExecutionStrategy) -> None:
        self._inner = inner

    def execute(self, call: TaskCall) -> TaskResult:
        """A success without data."""
        call.started()
        return TaskResult(TaskStatus.SUCCESS, "dry run: not executed")
