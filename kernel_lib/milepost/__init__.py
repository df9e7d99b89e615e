"""Milepost keeps what your notebook's expensive cells computed.

In a notebook: `%load_ext milepost`, then `%%task` cells and `@task` functions. In a script: `TaskRunnerBuilder`.
"""

from typing import Any

from milepost.builder import TaskRunnerBuilder
from milepost.engine.handle import RunHandle
from milepost.engine.runner import TaskRunner
from milepost.engine.state import TaskStateManager
from milepost.engine.workflow import WorkflowExecutor
from milepost.functions import TaskFunction, TaskMap, provide_default, task, use_registry
from milepost.model.cancel import CancelSignal
from milepost.model.errors import MilepostError, UsageError
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskError, TaskMetrics, TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskState, TaskStatus
from milepost.model.task import LoopPolicy, RetryPolicy, Task
from milepost.tracking import progress, track

__version__ = "0.1.0"

__all__ = [
    "CancelSignal",
    "Event",
    "EventKind",
    "LoopPolicy",
    "MilepostError",
    "RetryPolicy",
    "RunHandle",
    "Snapshot",
    "Task",
    "TaskError",
    "TaskFunction",
    "TaskGraph",
    "TaskMap",
    "TaskMetrics",
    "TaskResult",
    "TaskRunner",
    "TaskRunnerBuilder",
    "TaskState",
    "TaskStateManager",
    "TaskStatus",
    "WorkflowExecutor",
    "progress",
    "task",
    "track",
    "use_runner",
]


provide_default(lambda: TaskRunnerBuilder().build())


def use_runner(runner: TaskRunner | None) -> None:
    """Have `@task` register with this runner from now on; None: with a plain one. For scripts: a notebook has its own.

    Raises
    ------
    UsageError
        For what is no runner.
    """
    if runner is not None and not isinstance(runner, TaskRunner):
        raise UsageError(f"use_runner takes a runner, such as TaskRunnerBuilder().build(), not {runner!r}")
    use_registry(runner)


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext milepost` calls."""
    from milepost.notebook.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """What `%unload_ext milepost` calls."""
    from milepost.notebook.extension import unload

    unload(shell)
