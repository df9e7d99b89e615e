"""Run a task until its `LoopPolicy` is satisfied."""

from __future__ import annotations

from dataclasses import replace

from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import ExecutionStrategy, TaskCall


class LoopingStrategy:
    """Repeats the inner strategy until `until(data)` holds."""

    def __init__(self, inner: ExecutionStrategy) -> None:
        self._inner = inner

    def execute(self, call: TaskCall) -> TaskResult:
        """The result that satisfied the policy; a failure when none did in time."""
        policy = call.task.loop
        result = self._inner.execute(call)
        if policy is None:
            return result
        for _ in range(policy.max_iterations - 1):
            if not result.ok or policy.until(result.data):
                return result
            call.clock.sleep(policy.interval, call.signal)
            result = self._inner.execute(call)
        if not result.ok or policy.until(result.data):
            return result
        message = f"its condition did not hold after {policy.max_iterations} iterations"
        return replace(result, status=TaskStatus.FAILURE, message=message)
