"""Say that the body starts."""

from __future__ import annotations

from milepost.model.result import TaskResult
from milepost.ports import ExecutionStrategy, TaskCall


class StartingStrategy:
    """Announces the start, then runs the inner strategy: the outermost one where nothing is looked up before.

    An executor in which bodies wait for a place announces it itself.
    """

    def __init__(self, inner: ExecutionStrategy) -> None:
        self._inner = inner

    def execute(self, call: TaskCall) -> TaskResult:
        """What the inner strategy gives."""
        if not getattr(call.executor, "queues", False):
            call.started()
        return self._inner.execute(call)
