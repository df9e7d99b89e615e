"""The scheduling loop: ready tasks to an executor, completions from a queue, until every task has an outcome."""

from __future__ import annotations

import heapq
import inspect
import queue
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from milepost.engine.events import EventBus
from milepost.engine.pause import PauseGate
from milepost.engine.state import TaskStateManager
from milepost.engine.strategies.standard import AwaitRunner
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskCancelled, TaskTimeout
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.ports import Clock, ExecutionStrategy, Executor, TaskCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a run works with; the same for every run of one runner."""

    strategy: ExecutionStrategy
    executor: Executor
    bus: EventBus
    clock: Clock
    gate: PauseGate
    run_coroutine: AwaitRunner
    context: Any = None


@dataclass(slots=True)
class _Progress:
    """Where the run stands: unmet dependencies by task, the heap of ready tasks, deadlines of running ones."""

    unmet: dict[str, int] = field(default_factory=dict)
    ready: list[tuple[int, int, str]] = field(default_factory=list)
    running: dict[str, float | None] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)


class WorkflowExecutor:
    """One run over one graph.

    Parameters
    ----------
    graph : TaskGraph
        Validated.
    state : TaskStateManager
        Successes in it count as done, unless their task is among `targets` and was not hydrated.
    targets : iterable of str
        The tasks to run; what they need and has no success runs too.
    concurrency : int
        Tasks running at once at most.
    timeout : float, optional
        Seconds for the whole run.
    """

    def __init__(
        self,
        graph: TaskGraph,
        state: TaskStateManager,
        tools: Tools,
        signal: CancelSignal,
        *,
        targets: Iterable[str],
        concurrency: int,
        timeout: float | None = None,
    ) -> None:
        self._graph = graph
        self._state = state
        self._tools = tools
        self._signal = signal
        self._concurrency = concurrency
        self._timeout = timeout
        self._deadline = tools.clock.monotonic() + timeout if timeout is not None else None
        self._position = {name: index for index, name in enumerate(graph.tasks)}
        self._completions: queue.SimpleQueue[tuple[str, TaskResult] | None] = queue.SimpleQueue()
        self._progress = _Progress(left=self._selected(targets))

    def wake(self) -> None:
        """Have the loop look again: the gate or the signal changed. Any thread."""
        self._completions.put(None)

    def run(self) -> None:
        """Until every selected task has an outcome. An interrupt cancels the run."""
        unsubscribe = self._signal.on_cancel(self.wake)
        try:
            self._prepare()
            while self._progress.left:
                try:
                    self._step()
                except KeyboardInterrupt:
                    self._signal.cancel("interrupted")
        finally:
            unsubscribe()

    # selection

    def _selected(self, targets: Iterable[str]) -> set[str]:
        """The targets and what they need, without what already has a success."""
        chosen = {name for name in targets if not self._state.is_hydrated(name)}
        waiting = list(chosen)
        while waiting:
            for name in self._graph.tasks[waiting.pop()].dependencies:
                if name not in chosen and not self._done(name):
                    chosen.add(name)
                    waiting.append(name)
        return chosen

    def _done(self, name: str) -> bool:
        result = self._state.result(name)
        return result is not None and result.ok

    def _prepare(self) -> None:
        progress = self._progress
        self._state.drop(progress.left)
        for name in sorted(progress.left, key=self._position.__getitem__):
            unmet = sum(dependency in progress.left for dependency in self._graph.tasks[name].dependencies)
            progress.unmet[name] = unmet
            if not unmet:
                self._make_ready(name)

    def _make_ready(self, name: str) -> None:
        heapq.heappush(self._progress.ready, (-self._graph.tasks[name].priority, self._position[name], name))

    # the loop

    def _step(self) -> None:
        self._expire()
        if self._signal.cancelled:
            self._cancel_waiting()
        else:
            self._start_ready()
        if self._progress.left:
            self._take_completion()

    def _start_ready(self) -> None:
        progress = self._progress
        while progress.ready and len(progress.running) < self._concurrency:
            if self._tools.gate.paused or self._signal.cancelled:
                return
            name = heapq.heappop(progress.ready)[2]
            self._start(self._graph.tasks[name])

    def _start(self, task: Task) -> None:
        deadline = self._tools.clock.monotonic() + task.timeout if task.timeout is not None else None
        self._progress.running[task.name] = deadline
        job = _Job(task, self._inputs(task), self._signal, self._tools)
        self._tools.executor.submit(job, lambda result, name=task.name: self._completions.put((name, result)))  # type: ignore[misc]

    def _inputs(self, task: Task) -> Mapping[str, Any]:
        results = ((name, self._state.result(name)) for name in task.dependencies)
        return {name: result.data if result else None for name, result in results}

    def _take_completion(self) -> None:
        try:
            item = self._completions.get(timeout=self._patience())
        except queue.Empty:
            return
        if item is not None and item[0] in self._progress.running:
            del self._progress.running[item[0]]
            self._finish(*item)

    def _patience(self) -> float | None:
        """Seconds until the next deadline, None without one."""
        deadlines = [deadline for deadline in self._progress.running.values() if deadline is not None]
        if self._deadline is not None and not self._signal.cancelled:
            deadlines.append(self._deadline)
        return max(0.0, min(deadlines) - self._tools.clock.monotonic()) if deadlines else None

    def _expire(self) -> None:
        now = self._tools.clock.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._signal.cancel(f"the run took longer than its {self._timeout} s")
        late = [name for name, deadline in self._progress.running.items() if deadline is not None and now >= deadline]
        for name in late:
            del self._progress.running[name]
            error = TaskTimeout(f"it took longer than its {self._graph.tasks[name].timeout} s")
            self._finish(name, TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error))

    # outcomes

    def _finish(self, name: str, result: TaskResult) -> None:
        progress = self._progress
        self._record(name, result)
        passes = result.ok or (result.status is TaskStatus.FAILURE and self._graph.tasks[name].continue_on_error)
        if not passes:
            self._skip_dependents(name, result)
            return
        for dependent in self._graph.dependents(name):
            if dependent in progress.left:
                progress.unmet[dependent] -= 1
                if not progress.unmet[dependent]:
                    self._make_ready(dependent)

    def _skip_dependents(self, name: str, result: TaskResult) -> None:
        words = {TaskStatus.FAILURE: "failed", TaskStatus.SKIPPED: "was skipped", TaskStatus.CANCELLED: "was cancelled"}
        waiting = [(dependent, f"{name!r} {words[result.status]}") for dependent in self._graph.dependents(name)]
        while waiting:
            task, reason = waiting.pop()
            if task in self._progress.left:
                self._record(task, TaskResult(TaskStatus.SKIPPED, f"skipped, since {reason}"))
                waiting += [(dependent, f"{task!r} was skipped") for dependent in self._graph.dependents(task)]

    def _cancel_waiting(self) -> None:
        self._progress.ready.clear()
        reason = self._signal.reason
        for name in sorted(self._progress.left - self._progress.running.keys(), key=self._position.__getitem__):
            self._record(name, TaskResult(TaskStatus.CANCELLED, f"not started: {reason}"))

    def _record(self, name: str, result: TaskResult) -> None:
        self._progress.left.discard(name)
        self._state.put(name, result)
        kind = EventKind.TASK_SKIPPED if result.status is TaskStatus.SKIPPED else EventKind.TASK_END
        kind = EventKind.TASK_RESTORED if result.restored else kind
        if self._tools.bus.wanted(kind):
            self._tools.bus.emit(Event(kind, self._tools.clock.time(), name, result, result.message))


class _Job:
    """What the executor runs for one task: its condition, then the strategy. Never raises."""

    __slots__ = ("_inputs", "_signal", "_task", "_tools")

    def __init__(self, task: Task, inputs: Mapping[str, Any], signal: CancelSignal, tools: Tools) -> None:
        self._task = task
        self._inputs = inputs
        self._signal = signal
        self._tools = tools

    def __call__(self) -> TaskResult:
        tools = self._tools
        try:
            if self._task.condition is not None and not self._holds():
                return TaskResult(TaskStatus.SKIPPED, "its condition does not hold")
            call = TaskCall(self._task, tools.context, self._inputs, self._signal, tools.clock, self._started)
            return tools.strategy.execute(call)
        except (KeyboardInterrupt, TaskCancelled) as error:
            reason = self._signal.reason or str(error) or "interrupted"
            return TaskResult(TaskStatus.CANCELLED, reason, TaskError.of(error), exception=error)
        except Exception as error:
            return TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)

    def _holds(self) -> bool:
        condition = self._task.condition
        answer = condition(self._tools.context) if condition else True
        return bool(self._tools.run_coroutine(answer) if inspect.iscoroutine(answer) else answer)

    def _started(self) -> None:
        tools = self._tools
        if tools.bus.wanted(EventKind.TASK_START):
            tools.bus.emit(Event(EventKind.TASK_START, tools.clock.time(), self._task.name))
