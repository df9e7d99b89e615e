"""Try a failing task again, as its `RetryPolicy` says."""

from __future__ import annotations

import random
import threading
from dataclasses import replace

from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.model.task import RetryPolicy
from milepost.ports import ExecutionStrategy, TaskCall

_MOST_DOUBLINGS = 100
"""Beyond these a delay is longer than can be waited for; a thousand would be more than a number holds."""


class RetryingStrategy:
    """Repeats the inner strategy while it fails with an error that the policy retries."""

    def __init__(self, inner: ExecutionStrategy) -> None:
        self._inner = inner

    def execute(self, call: TaskCall) -> TaskResult:
        """The first success, or the last failure with the number of attempts."""
        policy = call.task.retry
        result = self._inner.execute(call)
        if policy is None:
            return result
        for attempt in range(2, policy.attempts + 1):
            if not _retries(policy, result):
                return result
            pause = delay(policy, attempt)
            words = f"attempt {attempt - 1} of {policy.attempts} failed; the next follows in {pause:g} s"
            call.retrying(words, result)
            call.clock.sleep(pause, call.signal)
            result = self._inner.execute(call)
            if result.status is TaskStatus.FAILURE:
                result = replace(result, message=f"{result.message} (attempt {attempt} of {policy.attempts})")
        return result


def _retries(policy: RetryPolicy, result: TaskResult) -> bool:
    failed = result.status is TaskStatus.FAILURE
    return failed and (result.exception is None or isinstance(result.exception, policy.retry_on))


def delay(policy: RetryPolicy, attempt: int) -> float:
    """Seconds to wait before the given attempt (2 is the first that waits)."""
    factor = 2.0 ** min(attempt - 2, _MOST_DOUBLINGS) if policy.backoff == "exponential" else 1.0
    return min(policy.delay * factor * (1.0 + random.random() * policy.jitter), threading.TIMEOUT_MAX)
