"""The runner: holds tasks and runs them; pause, resume, cancel and snapshot from any thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal
from uuid import uuid4

from milepost.engine.claims import Claims
from milepost.engine.events import Listener
from milepost.engine.nesting import refuse_to_block
from milepost.engine.parameters import unfilled
from milepost.engine.state import TaskStateManager
from milepost.engine.strategies.dry_run import DryRunStrategy
from milepost.engine.strategies.standard import parameter_names
from milepost.engine.tools import Tools
from milepost.engine.workflow import WorkflowExecutor
from milepost.model import checks
from milepost.model.cancel import CancelSignal
from milepost.model.errors import SnapshotWarning, TaskGraphError, UsageError
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.ports import Registered

CONCURRENCY = 8
"""Tasks at once at most, unless a run says otherwise."""


class TaskRunner:
    """Made by `TaskRunnerBuilder`. Tasks are added one by one, by `@task`, or given to `execute`."""

    def __init__(self, tools: Tools, state: TaskStateManager, close: Callable[[], None] = lambda: None) -> None:
        self._tools = tools
        self._close = close
        self._tasks: dict[str, Task] = {}
        self._runs: list[tuple[WorkflowExecutor, CancelSignal]] = []
        self._lock = threading.Lock()
        self._warned = False
        self.state = state
        self.maps: dict[str, Any] = {}
        """What `@task` functions are mapped over, by the name of the map."""

    # tasks

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

    def result_of(self, function: Registered) -> TaskResult:
        """A function's result: the one there is, else run it with what it needs."""
        return self.results_of([function])[0]

    def results_of(self, functions: Iterable[Registered], concurrency: int | None = None) -> list[TaskResult]:
        """The results of many, in this order: those there are; the others run side by side."""
        names = [function.name for function in functions]
        missing = [name for name in names if name not in self.state]
        if missing:
            self.run(self._with_needed(missing), only=missing, concurrency=concurrency or CONCURRENCY)
        return [self.state.result(name) or TaskResult(TaskStatus.CANCELLED) for name in names]

    def _with_needed(self, names: Iterable[str]) -> list[Task]:
        """These tasks and all that they may need: the cost must not grow with the tasks that are there besides."""
        found = dict.fromkeys(names)
        waiting = list(found)
        for name in waiting:  # grows while it is read
            needed = self._tasks[name].dependencies if name in self._tasks else ()
            new = [dependency for dependency in needed if dependency not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return [self._tasks[name] for name in found if name in self._tasks]

    # running

    def run(
        self,
        tasks: Iterable[Task] | None = None,
        *,
        only: Iterable[str] | None = None,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
        signal: CancelSignal | None = None,
        dry_run: bool = False,
    ) -> Snapshot:
        """Run and wait.

        Parameters
        ----------
        tasks : iterable of Task, optional
            Run these instead of the tasks added so far.
        only : iterable of str, optional
            Run these (again, if they have a result), and what they need and has no success yet.
        concurrency : int
            Tasks at once at most.
        timeout : float, optional
            Seconds for the whole run; then what is pending is cancelled.
        signal : CancelSignal, optional
            Cancels from outside. Cancelled before the start: nothing runs, all are `cancelled`.
        dry_run : bool
            Order and conditions without the work.

        Returns
        -------
        Snapshot
            All results so far, also after a cancel or a timeout.

        Raises
        ------
        TaskGraphError
            Before anything runs, with every problem of the graph.
        UsageError
            For limits that make no sense, and in the coroutine of a task, where waiting would block its loop.
        """
        _check_limits(concurrency, timeout)
        refuse_to_block()
        graph = TaskGraph(self._tasks.values() if tasks is None else tasks, self.state)
        self._validate(graph)
        targets = None if only is None else self._targets(graph, only)
        self._warn_of_snapshot(graph)
        tools = replace(self._tools, run=uuid4().hex)
        if dry_run:
            tools = replace(tools, strategy=DryRunStrategy(), claims=Claims())
        state = self.state.copy() if dry_run else self.state
        with _following(signal) as chosen:
            workflow = WorkflowExecutor(
                graph, state, tools, chosen, targets=targets, concurrency=concurrency, timeout=timeout
            )
            with self._active(workflow, chosen, tools.run):
                self._announce_hydrated(graph.tasks if targets is None else targets, tools.run)
                workflow.run()
        return workflow.results()

    async def execute(
        self,
        tasks: Iterable[Task] | None = None,
        *,
        only: Iterable[str] | None = None,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
        signal: CancelSignal | None = None,
        dry_run: bool = False,
    ) -> Snapshot:
        """The same run, awaited; cancelling the awaiting task cancels the run.

        An executor that runs bodies in the calling thread blocks the event loop meanwhile.
        """
        if self._tools.executors[""].inline:
            return self.run(tasks, only=only, concurrency=concurrency, timeout=timeout, signal=signal, dry_run=dry_run)
        with _following(signal) as chosen:
            return await self._in_thread(
                tasks, only=only, concurrency=concurrency, timeout=timeout, signal=chosen, dry_run=dry_run
            )

    async def _in_thread(self, tasks: Iterable[Task] | None, *, signal: CancelSignal, **options: Any) -> Snapshot:
        run = asyncio.to_thread(self.run, tasks, signal=signal, **options)
        try:
            return await asyncio.shield(waiting := asyncio.ensure_future(run))
        except asyncio.CancelledError:
            signal.cancel("cancelled")
            with contextlib.suppress(Exception):
                await waiting
            raise

    def start(
        self,
        tasks: Iterable[Task] | None = None,
        *,
        only: Iterable[str] | None = None,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
    ) -> RunHandle:
        """The same run in a thread; the handle steers it."""
        signal = CancelSignal()
        handle = RunHandle(self, signal)
        handle.begin(lambda: self.run(tasks, only=only, concurrency=concurrency, timeout=timeout, signal=signal))
        return handle

    def close(self) -> None:
        """End threads and loops that were started for running."""
        self._close()

    # steering

    @property
    def paused(self) -> bool:
        """Whether new starts are held back."""
        return self._tools.gate.paused

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return bool(self._runs)

    def pause(self) -> None:
        """Start no more tasks until `resume`; what runs goes on."""
        if self._tools.gate.pause():
            self._tell(EventKind.PAUSED)

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._tools.gate.resume():
            self._tell(EventKind.RESUMED)

    def wait_while_paused(self, signal: CancelSignal) -> None:
        """Wait until resumed: a safe point for long bodies. Raises `TaskCancelled` once the signal is set."""
        self._tools.gate.wait(signal)

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel every run under way: what waits is not started, what runs gets the signal."""
        for _, signal in tuple(self._runs):
            signal.cancel(reason)

    def snapshot(self) -> Snapshot:
        """All results so far; at any time, also while tasks run."""
        return self.state.snapshot()

    def on(self, event: str, listener: Listener) -> Callable[[], None]:
        """Subscribe to events (see `EventKind`, or "*"); the returned function unsubscribes."""
        return self._tools.bus.on(event, listener)

    def _tell(self, kind: EventKind) -> None:
        for workflow, _ in tuple(self._runs):
            workflow.wake()
        self._tools.bus.emit(Event(kind, self._tools.clock.time()))

    # a run

    @contextlib.contextmanager
    def _active(self, workflow: WorkflowExecutor, signal: CancelSignal, run: str) -> Iterator[None]:
        entry = (workflow, signal)
        with self._lock:
            self._runs.append(entry)
        self._tools.bus.emit(Event(EventKind.WORKFLOW_START, self._tools.clock.time(), run=run))
        try:
            yield
        finally:
            with self._lock:
                self._runs.remove(entry)
            end = Event(EventKind.WORKFLOW_END, self._tools.clock.time(), message=signal.reason, run=run)
            self._tools.bus.emit(end)

    def _validate(self, graph: TaskGraph) -> None:
        """Raise one error with every problem of the graph, executors that do not exist among them."""
        executors = self._tools.executors
        strange = [task for task in graph.listed if task.on and task.on not in executors]
        there_are = ", ".join(name for name in executors if name)
        words = [f"task {t.name!r} runs on {t.on!r}, which is no executor; there are {there_are}" for t in strange]
        graph.validate([*words, *unfilled(graph)])

    @staticmethod
    def _targets(graph: TaskGraph, only: Iterable[str]) -> list[str]:
        if isinstance(only, str):
            raise UsageError(f"only is several names, such as [{only!r}], not one string")
        targets = list(only)
        unknown = [name for name in targets if name not in graph.tasks]
        if unknown:
            raise TaskGraphError([f"there is no task {name!r}" for name in unknown])
        return targets

    def _announce_hydrated(self, targets: Iterable[str], run: str) -> None:
        if not self._tools.bus.wanted(EventKind.TASK_RESTORED):
            return  # so that no result is parsed for it
        for name in targets:
            if self.state.is_hydrated(name):
                result = self.state.result(name)
                event = Event(EventKind.TASK_RESTORED, self._tools.clock.time(), name, result, run=run)
                self._tools.bus.emit(event)

    def _warn_of_snapshot(self, graph: TaskGraph) -> None:
        if self._warned:
            return
        self._warned = True
        gone = sorted(self.state.brought() - graph.tasks.keys() - self._tasks.keys())
        if gone:
            warnings.warn(f"the snapshot names tasks that are not in the graph: {_list(gone)}", SnapshotWarning, 4)
        if self._tools.context is None:
            return
        hydrated = self.state.hydrated()
        using = [task.name for task in graph if task.name in hydrated and "context" in parameter_names(task.run)]
        if using:
            words = "are not run again, so what they did to the context is not there unless you restored it"
            warnings.warn(f"{_list(using)} {words}", SnapshotWarning, 4)


@contextlib.contextmanager
def _following(signal: CancelSignal | None) -> Iterator[CancelSignal]:
    """A signal of the run's own: a timeout or `runner.cancel()` must not set the one the caller may use again."""
    own = CancelSignal()
    outer = signal or CancelSignal()
    unsubscribe = outer.on_cancel(lambda: own.cancel(outer.reason))
    try:
        yield own
    finally:
        unsubscribe()


def _check_limits(concurrency: int, timeout: float | None) -> None:
    problems = [checks.whole("concurrency, how many tasks run at once at most,", concurrency, 1)]
    checks.refuse("a run", [*problems, "" if timeout is None else checks.seconds("timeout", timeout)])


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


class RunHandle:
    """A run in a thread of its own."""

    def __init__(self, runner: TaskRunner, signal: CancelSignal) -> None:
        self._runner = runner
        self._signal = signal
        self._snapshot: Snapshot | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def begin(self, run: Callable[[], Snapshot]) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._keep, args=(run,), name="milepost-run", daemon=True)
        self._thread.start()

    def _keep(self, run: Callable[[], Snapshot]) -> None:
        try:
            self._snapshot = run()
        except BaseException as error:
            self._error = error

    def pause(self) -> None:
        """Start no more tasks until `resume`."""
        self._runner.pause()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._runner.resume()

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel this run."""
        self._signal.cancel(reason)

    def wait(self, timeout: float | None = None) -> Snapshot:
        """The results once the run has ended; raises what it raised, or `TimeoutError` after so many seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the run has not ended within {timeout} s")
        if self._error is not None:
            raise self._error
        return self._snapshot or self._runner.snapshot()
