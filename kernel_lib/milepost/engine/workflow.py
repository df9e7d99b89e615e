"""The scheduling loop: ready tasks to an executor, completions from a queue, until every task has an outcome."""

from __future__ import annotations

import heapq
import inspect
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError
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

GRACE = 0.1
"""Seconds that a running body has, once its run is cancelled, to heed the signal before it is given up."""


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
    """Where the run stands: unmet dependencies by task, the heap of ready tasks, timers of running ones."""

    unmet: dict[str, int] = field(default_factory=dict)
    ready: list[tuple[int, int, str]] = field(default_factory=list)
    running: dict[str, threading.Timer | None] = field(default_factory=dict)
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
        self._give_up_at: float | None = None
        self._position = {name: index for index, name in enumerate(graph.tasks)}
        self._completions: queue.SimpleQueue[tuple[str, TaskResult] | None] = queue.SimpleQueue()
        self._progress = _Progress(left=self._selected(targets))

    def wake(self) -> None:
        """Have the loop look again: the gate or the signal changed. Any thread."""
        self._completions.put(None)

    def run(self) -> None:
        """Until every selected task has an outcome. An interrupt cancels the run, then goes on its way."""
        unsubscribe = self._signal.on_cancel(self.wake)
        reason = f"the run took longer than its {self._timeout} s"
        timer = _timer(self._timeout, lambda: self._signal.cancel(reason))
        try:
            self._prepare()
            self._loop()
        except KeyboardInterrupt:
            self._signal.cancel("interrupted")
            self._loop()
            raise
        finally:
            unsubscribe()
            _stop(timer)

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
            unmet = sum(dependency in progress.left for dependency in self._graph.dependencies(name))
            progress.unmet[name] = unmet
            if not unmet:
                self._make_ready(name)

    def _make_ready(self, name: str) -> None:
        heapq.heappush(self._progress.ready, (-self._graph.tasks[name].priority, self._position[name], name))

    # the loop

    def _loop(self) -> None:
        while self._progress.left:
            if self._signal.cancelled:
                self._cancel_waiting()
            else:
                self._start_ready()
            if self._progress.left:
                self._take_completion()

    def _start_ready(self) -> None:
        progress = self._progress
        while progress.ready and len(progress.running) < self._concurrency:
            if self._tools.gate.paused or not self._completions.empty():
                return  # what has ended may have made a better task ready, or be the cancel
            name = heapq.heappop(progress.ready)[2]
            self._start(self._graph.tasks[name])

    def _start(self, task: Task) -> None:
        name, signal = task.name, self._signal
        self._progress.running[name] = None
        if task.timeout is not None:
            signal = _linked(signal)
            self._progress.running[name] = _timer(task.timeout, lambda: self._expire(task, signal))
        job = _Job(task, self._inputs(task), signal, self._tools)
        self._tools.executor.submit(lambda: self._completions.put((name, job())))

    def _expire(self, task: Task, signal: CancelSignal) -> None:
        """Report the timeout, then tell the body: what comes first in the queue counts. In the timer's thread."""
        error = TaskTimeout(f"it took longer than its {task.timeout} s")
        result = TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)
        self._completions.put((task.name, result))
        signal.cancel(str(error))

    def _inputs(self, task: Task) -> Mapping[str, Any]:
        results = ((name, self._state.result(name)) for name in task.dependencies)
        return {name: result.data if result else None for name, result in results}

    def _take_completion(self) -> None:
        try:
            item = self._completions.get(timeout=self._patience())
        except queue.Empty:
            self._give_up()
            return
        if item is not None and item[0] in self._progress.running:
            _stop(self._progress.running.pop(item[0]))
            self._finish(*item)

    def _patience(self) -> float | None:
        """Seconds to wait for a completion; without end until the run is cancelled."""
        if not self._signal.cancelled:
            return None
        now = self._tools.clock.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + GRACE
        return max(0.0, self._give_up_at - now)

    def _give_up(self) -> None:
        """Leave behind the bodies that did not heed the signal: nothing can end a thread from outside."""
        for name, timer in tuple(self._progress.running.items()):
            _stop(timer)
            words = f"{self._signal.reason}; its body did not stop at once and may still be running"
            self._record(name, TaskResult(TaskStatus.CANCELLED, words))
        self._progress.running.clear()

    # outcomes

    def _finish(self, name: str, result: TaskResult) -> None:
        progress = self._progress
        self._record(name, result)
        passes = result.ok or (result.status is TaskStatus.FAILURE and self._graph.tasks[name].continue_on_error)
        if not passes:
            self._skip_dependents(name, result)
            if isinstance(result.exception, KeyboardInterrupt):  # the user's stop button means the run
                self._signal.cancel("interrupted")
            return
        for dependent in self._graph.dependents(name):
            if dependent in progress.left:
                progress.unmet[dependent] -= 1
                if not progress.unmet[dependent]:
                    self._make_ready(dependent)

    def _skip_dependents(self, name: str, result: TaskResult) -> None:
        words = {TaskStatus.FAILURE: "failed", TaskStatus.SKIPPED: "was skipped", TaskStatus.CANCELLED: "was cancelled"}
        waiting = [(dependent, f"{name!r} {words[result.status]}") for dependent in self._graph.dependents(name)]
        for task, reason in waiting:  # grows while it is read
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


def _timer(seconds: float | None, action: Callable[[], None]) -> threading.Timer | None:
    """Call `action` so many seconds from now, in a thread of its own; without a limit, never."""
    if seconds is None:
        return None
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


def _stop(timer: threading.Timer | None) -> None:
    if timer is not None:
        timer.cancel()


def _linked(outer: CancelSignal) -> CancelSignal:
    """A signal that follows `outer` and can also be set alone."""
    inner = CancelSignal()
    outer.on_cancel(lambda: inner.cancel(outer.reason))
    return inner


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
            self._signal.raise_if_cancelled()
            call = TaskCall(
                self._task,
                tools.context,
                self._inputs,
                self._signal,
                tools.clock,
                tools.executor,
                self._started,
                self._progress,
            )
            return tools.strategy.execute(call)
        except (KeyboardInterrupt, TaskCancelled, CancelledError) as error:
            reason = self._signal.reason or str(error) or "interrupted"
            return TaskResult(TaskStatus.CANCELLED, reason, TaskError.of(error), exception=error)
        except BaseException as error:  # also a SystemExit: a job that raised would never be done
            return TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)

    def _holds(self) -> bool:
        condition = self._task.condition
        answer = condition(self._tools.context) if condition else True
        return bool(self._tools.run_coroutine(answer, self._signal) if inspect.iscoroutine(answer) else answer)

    def _started(self) -> None:
        tools = self._tools
        if tools.bus.wanted(EventKind.TASK_START):
            tools.bus.emit(Event(EventKind.TASK_START, tools.clock.time(), self._task.name))

    def _progress(self, message: str) -> None:
        tools = self._tools
        if tools.bus.wanted(EventKind.TASK_PROGRESS):
            tools.bus.emit(Event(EventKind.TASK_PROGRESS, tools.clock.time(), self._task.name, message=str(message)))
