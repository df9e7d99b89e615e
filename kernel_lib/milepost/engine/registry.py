"""The tasks that a runner holds, and what of a registry for `@task` needs no run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Literal

from milepost.engine.state import TaskStateManager
from milepost.model.errors import TaskGraphError, UsageError
from milepost.model.graph import TaskGraph
from milepost.model.states import TaskStatus
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

    def add(self, task: Task, *, replace: bool = False, dependents: bool = True) -> None:
        """Add a task; `replace` takes the place of one with the same name, and drops its result.

        With `dependents` it also drops the results of all that depends on it: they were made from that one.

        Raises
        ------
        TaskGraphError
            When the name is taken and `replace` is false.
        """
        if not isinstance(task, Task):
            raise UsageError(f"{task!r} is no Task")
        known = task.name in self._tasks
        if known and not replace:
            raise TaskGraphError([f"two tasks are named {task.name!r}"])
        self._tasks[task.name] = task
        if known:
            self._drop([task.name], dependents=dependents)

    def forget(self, name: str, *, dependents: bool = True) -> None:
        """Drop a task and its result; with `dependents` also the results of all that depends on it."""
        self._tasks.pop(name, None)
        self._drop([name], dependents=dependents)

    def _drop(self, names: list[str], *, dependents: bool = True) -> None:
        self.state.drop(self._hanging_on(names) if dependents and names else names)

    def _hanging_on(self, names: list[str]) -> list[str]:
        """These, and all that depends on them."""
        found, users = dict.fromkeys(names), defaultdict[str, list[str]](list)
        for task in self._tasks.values():
            for dependency in task.dependencies:
                users[dependency].append(task.name)
        waiting = list(names)
        for name in waiting:  # grows while it is read
            new = [user for user in users[name] if user not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return waiting

    def graph(self) -> TaskGraph:
        """The tasks as a graph."""
        return TaskGraph(self._tasks.values())

    # `@task` in a plain script

    def register(self, function: Registered) -> None:
        """Add a `@task` function; defining it anew replaces it."""
        self.add(function.to_task(), replace=True)

    def register_all(self, functions: Iterable[Registered]) -> None:
        """Add many at once; those defined anew are replaced."""
        made = {function.name: function.to_task() for function in functions}
        replaced = [name for name in made if name in self._tasks]
        self._tasks.update(made)
        self._drop(replaced)

    def withdraw(self, names: Iterable[str]) -> None:
        """Drop tasks and their results, as far as there are any."""
        gone = list(names)
        for name in gone:
            self._tasks.pop(name, None)
        self._drop(gone)

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

    def blamed(self, name: str) -> str:
        """The task to which a skip goes back: one that failed, was cancelled, or whose condition did not hold."""
        while (before := self._blamed_by(name)) is not None:
            name = before
        return name

    def _blamed_by(self, name: str) -> str | None:
        """What a task was skipped for; None where that was its own doing."""
        result, task = self.state.result(name), self._tasks.get(name)
        if result is None or result.status is not TaskStatus.SKIPPED or task is None:
            return None
        return next((needed for needed in task.dependencies if self._blocks(needed, task)), None)

    def _blocks(self, name: str, task: Task) -> bool:
        """Whether a dependency ended so that the task must not run."""
        result, own = self.state.result(name), self._tasks.get(name)
        if result is None or result.ok or name in task.optional:
            return False
        return not (own is not None and own.continue_on_error and result.status is TaskStatus.FAILURE)
