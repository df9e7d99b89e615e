"""What the tasks of one run came to: kept, told to listeners, and released to other runs of the same runner."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from milepost.engine.nesting import key_of
from milepost.engine.state import TaskStateManager
from milepost.engine.tools import Tools
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskStatus
from milepost.model.task import Task


class Outcomes:
    """By place in the graph.

    Parameters
    ----------
    earlier : mapping of str to TaskResult
        Successes of before the run that its tasks build on.
    run : object
        The run: what holds its claims.
    """

    def __init__(
        self, graph: TaskGraph, state: TaskStateManager, tools: Tools, earlier: Mapping[str, TaskResult], run: object
    ) -> None:
        self._graph = graph
        self._state = state
        self._tools, self._bus, self._release = tools, tools.bus, tools.claims.release
        self._earlier = earlier
        self._run = run
        self._results: list[TaskResult | None] = [None] * len(graph)

    def snapshot(self, own: bool) -> Snapshot:
        """All results so far; with `own`, for the tasks of this run what they came to here."""
        if not own:
            return self._state.snapshot()
        tasks = zip(self._graph.listed, self._results, strict=True)
        return self._state.snapshot({**self._earlier, **{task.name: result for task, result in tasks if result}})

    def inputs(self, task: Task) -> Mapping[str, Any]:
        """The data of a task's dependencies, by name."""
        if not task.dependencies:
            return NO_INPUTS
        earlier, results, places = self._earlier, self._results, self._graph.places
        inputs, optional = {}, task.optional
        for name in task.dependencies:
            result = earlier[name] if name in earlier else results[places[name]]
            if result is not None and (result.ok or name not in optional):
                inputs[name] = result.data
        return inputs

    def record(self, place: int, result: TaskResult) -> None:
        """The outcome of a task that this run ran."""
        task = self._graph.listed[place]
        self._results[place] = result
        self._state.put(task.name, result)
        self._release((task.name, id(task.run)), self._run, result)  # before it is told: a listener may run it again
        if self._bus.heard:
            self._tell(task.name, result)

    def note(self, place: int, result: TaskResult) -> None:
        """The outcome of a task that did not run."""
        name = self._graph.listed[place].name
        self.take_over(place, result)
        if self._bus.heard:
            self._tell(name, result)

    def take_over(self, place: int, result: TaskResult) -> None:
        """What a task came to in another run, which has told of it."""
        self._results[place] = result
        self._state.put(self._graph.listed[place].name, result)  # this run may have dropped it when it began

    def settle(self, place: int, reason: str) -> None:
        """See that a task has an outcome, and is released: an interrupt may have come between the two."""
        result = self._results[place]
        if result is None:
            self.record(place, TaskResult(TaskStatus.CANCELLED, reason))
        else:
            self._release(key_of(self._graph.listed[place]), self._run, result)

    def words(self, place: int) -> str:
        """What became of a task that others wait for in vain."""
        result = self._results[place]
        words = {TaskStatus.FAILURE: "failed", TaskStatus.CANCELLED: "was cancelled"}
        return f"{self._graph.listed[place].name!r} {words.get(result.status, 'was skipped') if result else ''}"

    def _tell(self, name: str, result: TaskResult) -> None:
        kind = EventKind.TASK_SKIPPED if result.status is TaskStatus.SKIPPED else EventKind.TASK_END
        kind = EventKind.TASK_RESTORED if result.restored else kind
        if self._bus.wanted(kind):
            self._bus.emit(Event(kind, self._tools.clock.time(), name, result, result.message, self._tools.run))


NO_INPUTS: Mapping[str, Any] = MappingProxyType({})
