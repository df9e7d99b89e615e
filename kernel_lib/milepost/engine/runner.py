"""The runner: runs the tasks that it holds or is given; pause, resume, cancel and snapshot from any thread."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_hex
from typing import Self

from milepost.engine.claims import Claims
from milepost.engine.events import Listener
from milepost.engine.handle import RunHandle
from milepost.engine.nesting import refuse_to_block
from milepost.engine.registry import TaskRegistry
from milepost.engine.request import RunRequest, check_options, find_targets, validate, warn_of_snapshot
from milepost.engine.state import TaskStateManager
from milepost.engine.strategies.dry_run import DryRunStrategy
from milepost.engine.tools import Tools
from milepost.engine.views import view_of
from milepost.engine.workflow import WorkflowExecutor
from milepost.model.cancel import CancelSignal
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.model.view import TaskView
from milepost.ports import Registered, Screen

CONCURRENCY = 8
"""Tasks at once at most, unless a run says otherwise."""

_WORDS = {
    TaskStatus.FAILURE: "failed",
    TaskStatus.CANCELLED: "was cancelled",
    TaskStatus.SKIPPED: "was skipped",
}

_PAUSED = "the runner is paused, so no task starts before runner.resume()"

_log = logging.getLogger("milepost.run")


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A run under way."""

    workflow: WorkflowExecutor
    signal: CancelSignal
    graph: TaskGraph


class TaskRunner(TaskRegistry):
    """Made by `TaskRunnerBuilder`. Tasks are added one by one, by `@task`, or given to `execute`."""

    def __init__(
        self, tools: Tools, state: TaskStateManager, screen: Screen, close: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(state)
        self._tools = tools
        self._screen = screen
        self._close = close
        self._runs: list[_Run] = []
        self._lock = threading.Lock()
        self._warned = False

    # `@task` in a plain script

    def result_of(self, function: Registered) -> TaskResult:
        """A function's result: the one there is, else run it with what it needs."""
        return self.results_of([function])[0]

    def results_of(self, functions: Iterable[Registered], concurrency: int | None = None) -> list[TaskResult]:
        """The results of many, in this order: those there are; the others run side by side."""
        names = [function.name for function in functions]
        missing = [name for name in names if name not in self.state]
        if missing:
            refuse_to_block()
            tasks = self.with_needed(missing)
            request = self._request(tasks, missing, concurrency or CONCURRENCY, near=self._tasks)
            self._perform(request, CancelSignal())
        return [self._outcome(name) for name in names]

    def _outcome(self, name: str) -> TaskResult:
        """A result; one that was skipped says for what in the end, and has that exception."""
        result = self.state.result(name) or TaskResult(TaskStatus.CANCELLED)
        blamed = self.blamed(name)
        root = self.state.result(blamed) if blamed != name else None
        if root is None:
            return result
        words = f"skipped, since {blamed!r} {_WORDS[root.status]}: {root.error or root.message}"
        return replace(result, message=words, exception=root.exception)

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
        refuse_to_block()
        request = self._request(tasks, only, concurrency, timeout, signal, dry_run=dry_run)
        with _following(signal) as own:
            return self._perform(request, own)

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
        handle = self.start(tasks, only=only, concurrency=concurrency, timeout=timeout, signal=signal, dry_run=dry_run)
        return await handle.ended()

    def start(
        self,
        tasks: Iterable[Task] | None = None,
        *,
        only: Iterable[str] | None = None,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
        signal: CancelSignal | None = None,
        dry_run: bool = False,
    ) -> RunHandle:
        """The same run in a thread; the handle steers it. What `run` would refuse is refused here."""
        request = self._request(tasks, only, concurrency, timeout, signal, dry_run=dry_run)
        own = CancelSignal()
        handle = RunHandle(self, own)
        handle.begin(lambda: self._perform_in_thread(request, signal, own))
        return handle

    def _perform_in_thread(self, request: RunRequest, *signals: CancelSignal | None) -> Snapshot:
        with _following(*signals) as own:
            return self._perform(request, own)

    def close(self) -> None:
        """End threads, processes and loops that were started for running; the next run starts new ones.

        `with TaskRunnerBuilder().build() as runner:` closes at its end.
        """
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # showing

    def views(self, tasks: Iterable[Task] | None = None) -> list[TaskView]:
        """Where each task is now: of `tasks`, or of those added, those of runs under way, and what else has a result.

        Any thread.
        """
        runs = tuple(self._runs)
        known: dict[str, Task | None] = dict(self._tasks if tasks is None else TaskGraph(tasks).tasks)
        if tasks is None:
            for run in runs:
                known = {**run.graph.tasks, **known}
            known.update({name: None for name in self.snapshot() if name not in known})
        busy = {name for run in runs for name in run.workflow.under_way()}
        return [view_of(name, task, self.state.result(name), running=name in busy) for name, task in known.items()]

    def to_svg(self, tasks: Iterable[Task] | None = None) -> str:
        """The tasks of `views` as a drawing with their states; `graph()` has `to_mermaid()` and `to_dot()`."""
        return self._screen.svg(self.views(tasks))

    def show(self, tasks: Iterable[Task] | None = None) -> None:
        """Show the tasks of `views`: in a notebook a picture that follows their runs, elsewhere a table is printed.

        `%tasks` shows those of the notebook itself, with buttons.
        """
        self._screen.show(self, None if tasks is None else tuple(tasks))

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
        """Start no more tasks until `resume`, in this run or a later one; what runs goes on."""
        if self._tools.gate.pause():
            self._tell(EventKind.PAUSED)

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._tools.gate.resume():
            self._tell(EventKind.RESUMED)

    def cancel(self, reason: str = "cancelled") -> None:
        """Cancel every run under way: what waits is not started, what runs gets the signal."""
        for run in tuple(self._runs):
            run.signal.cancel(reason)

    def snapshot(self) -> Snapshot:
        """All results so far; at any time, also while tasks run."""
        return self.state.snapshot()

    def on(self, event: str, listener: Listener) -> Callable[[], None]:
        """Subscribe to events (see `EventKind`, or "*"); the returned function unsubscribes."""
        return self._tools.bus.on(event, listener)

    def _tell(self, kind: EventKind) -> None:
        for run in tuple(self._runs):
            run.workflow.look_again()
        self._tools.bus.emit(Event(kind, self._tools.clock.time()))

    # a run

    def _request(
        self,
        tasks: Iterable[Task] | None,
        only: Iterable[str] | None,
        concurrency: int,
        timeout: float | None = None,
        signal: CancelSignal | None = None,
        *,
        dry_run: bool = False,
        near: Collection[str] = (),
    ) -> RunRequest:
        """What is asked for, or the error of what cannot be done; `near` are more names that may have been meant."""
        check_options(concurrency, timeout, signal)
        graph = TaskGraph(self._tasks.values() if tasks is None else tasks, self.state, near)
        validate(graph, self._tools.executors, once=self._tools.keeps_once or dry_run)
        targets = find_targets(graph, only)
        self._warn_once(graph)
        return RunRequest(graph=graph, targets=targets, concurrency=concurrency, timeout=timeout, dry_run=dry_run)

    def _warn_once(self, graph: TaskGraph) -> None:
        if not self._warned:
            self._warned = True
            warn_of_snapshot(graph, self.state, self._tasks, context=self._tools.context is not None)

    def _perform(self, request: RunRequest, signal: CancelSignal) -> Snapshot:
        graph, targets = request.graph, request.targets
        tools, state = replace(self._tools, run=token_hex(16)), self.state
        if request.dry_run:
            tools, state = replace(tools, strategy=DryRunStrategy(tools.strategy), claims=Claims()), state.copy()
        workflow = WorkflowExecutor(
            graph, state, tools, signal, targets=targets, concurrency=request.concurrency, timeout=request.timeout
        )
        with self._active(_Run(workflow, signal, graph), tools.run):
            self._announce_hydrated(graph.tasks if targets is None else targets, tools.run)
            workflow.run()
        return workflow.results()

    @contextlib.contextmanager
    def _active(self, run: _Run, name: str) -> Iterator[None]:
        with self._lock:
            self._runs.append(run)
        try:
            self._tell_start(name)
            yield
        finally:
            with self._lock:
                self._runs.remove(run)
            end = Event(EventKind.WORKFLOW_END, self._tools.clock.time(), message=run.signal.reason, run=name)
            self._tools.bus.emit(end)

    def _tell_start(self, run: str) -> None:
        """Tell that a run begins. One that is held back must not look as if it hung: else a warning is logged."""
        words = _PAUSED if self.paused else ""
        if words and not self._tools.bus.wanted(EventKind.WORKFLOW_START):
            _log.warning("%s", words)
        self._tools.bus.emit(Event(EventKind.WORKFLOW_START, self._tools.clock.time(), message=words, run=run))

    def _announce_hydrated(self, targets: Iterable[str], run: str) -> None:
        if not self._tools.bus.wanted(EventKind.TASK_RESTORED):
            return  # so that no result is parsed for it
        for name in targets:
            if self.state.is_hydrated(name):
                result = self.state.result(name)
                event = Event(EventKind.TASK_RESTORED, self._tools.clock.time(), name, result, run=run)
                self._tools.bus.emit(event)


@contextlib.contextmanager
def _following(*signals: CancelSignal | None) -> Iterator[CancelSignal]:
    """A signal of the run's own: a timeout or `runner.cancel()` must not set the one the caller may use again."""
    own = CancelSignal()
    with contextlib.ExitStack() as followed:
        for outer in filter(None, signals):
            followed.callback(outer.on_cancel(partial(_pass_on, outer, own)))
        yield own


def _pass_on(outer: CancelSignal, own: CancelSignal) -> None:
    own.cancel(outer.reason)
