"""The tasks that a runner holds, and what of a registry for `@task` needs no run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from milepost.engine.state import TaskStateManager
from milepost.model.errors import TaskGraphError, UsageError
from milepost.model.graph import TaskGraph
from milepost.model.task import Task
from milepost.ports import Registered


class TaskRegistry:
    """Tasks by name. Those that go, or are replaced, take their results with them."""

    def __init__(self, state: TaskStateManager) -> None:
        self._tasks: dict[str, Task] = {}
        self.state = state
        self.maps: dict[str, Any] = {}
        """What `@task` functions are mapped over, by the name of the map."""

    @property
    def tasks(self) -> dict[str, Task]:
        """The tasks by name, in the order they were added."""
        return dict(self._tasks)

    def add(self, task: Task, *, replace: bool = False) -> None:
        """Add a task; `replace` takes the place of one with the same name, and drops its result.

        Raises
        ------
        TaskGraphError
            When the name is taken and `replace` is false.
        """
        if not isinstance(task, Task):
            raise UsageError(f"{task!r} is no Task")
        if task.name in self._tasks and not replace:
            raise TaskGraphError([f"two tasks are named {task.name!r}"])
        self._tasks[task.name] = task
        if replace:
            self.state.drop([task.name])

    def forget(self, name: str) -> None:
        """Drop a task and its result."""
        self._tasks.pop(name, None)
        self.state.drop([name])

    def graph(self) -> TaskGraph:
        """The tasks as a graph."""
        return TaskGraph(self._tasks.values())

    # `@task` in a plain script

    def register(self, function: Registered) -> None:
        """Add a `@task` function; defining it anew replaces it."""
        self.add(function.to_task(), replace=True)

    def register_all(self, functions: Iterable[Registered]) -> None:
        """Add many at once; those defined anew are replaced."""
        for function in functions:
            self.add(function.to_task(), replace=function.name in self._tasks)

    def withdraw(self, names: Iterable[str]) -> None:
        """Drop tasks and their results, as far as there are any."""
        for name in names:
            self.forget(name)

    def has(self, name: str) -> bool:
        """Whether a task has this name."""
        return name in self._tasks

    def role_of(self, name: str) -> Literal["task", "variable", ""]:
        """What a parameter of this name stands for."""
        return "task" if self.has(name) else ""

    def with_needed(self, names: Iterable[str]) -> list[Task]:
        """These tasks and all that they may need: the cost must not grow with the tasks that are there besides."""
        found = dict.fromkeys(names)
        waiting = list(found)
        for name in waiting:  # grows while it is read
            needed = self._tasks[name].dependencies if name in self._tasks else ()
            new = [dependency for dependency in needed if dependency not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return [self._tasks[name] for name in found if name in self._tasks]
