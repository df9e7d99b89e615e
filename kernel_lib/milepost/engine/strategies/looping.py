"""Run a task until its `LoopPolicy` is satisfied."""

from __future__ import annotations

from dataclasses import replace

from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import ExecutionStrategy, TaskCall


class LoopingStrategy:
    """Repeats the inner strategy until `until(data)` holds."""

    def __init__(self, inner: ExecutionStrategy) -> None:
        self._inner = inner

    def execute(self, call: TaskCall) -> TaskResult:
        """The result that satisfied the policy; a failure when none did in time."""
        policy = call.task.loop
        if policy is None:
            return self._inner.execute(call)
        for iteration in range(policy.max_iterations):
            if iteration:
                call.clock.sleep(policy.interval, call.signal)
            result = self._inner.execute(call)
            try:
                if not result.ok or policy.until(result.data):
                    return result
            except Exception as error:
                return _broken(result, error)
        message = f"its condition did not hold after {policy.max_iterations} iterations"
        return replace(result, status=TaskStatus.FAILURE, message=message)


def _broken(result: TaskResult, error: Exception) -> TaskResult:
    record = TaskError.of(error)
    message = f"its loop's until(data) failed: {record}"
    return replace(result, status=TaskStatus.FAILURE, message=message, error=record, exception=error)
