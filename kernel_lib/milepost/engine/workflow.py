"""One run over one graph: ready tasks to executors until every task has an outcome.

A thread that has run a task settles it and takes the next one itself: handing every task from thread to thread would
cost more than most bodies. The thread that called for the run only watches over it: it wakes for a cancel, a resume,
tasks that must run in it, and the end.
"""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from milepost.engine.claims import Claims, ancestors
from milepost.engine.events import EventBus
from milepost.engine.pause import PauseGate
from milepost.engine.schedule import HERE, NONE, THERE, Schedule
from milepost.engine.state import TaskStateManager
from milepost.engine.strategies.standard import AwaitRunner
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskCancelled, TaskGraphError, TaskTimeout
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
    executors: Mapping[str, Executor]
    """By the names that `Task.on` may have; "" is the runner's own."""
    bus: EventBus
    clock: Clock
    gate: PauseGate
    claims: Claims
    run_coroutine: AwaitRunner
    context: Any = None

    @property
    def workers(self) -> Executor:
        """Whose threads run what must not run in the thread that called for the run."""
        own = self.executors[""]
        return self.executors["threads"] if own.inline else own


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
        self._timeout = timeout
        self._give_up_at: float | None = None
        self._moment = 0
        self._refused: TaskGraphError | None = None
        self._asking = ancestors.get()
        self._context = contextvars.copy_context()
        self._outcomes: list[TaskResult | None] = [None] * len(graph)
        """By place: the outcomes of this run."""
        self._earlier: dict[str, TaskResult] = {}
        """By name: the successes from before this run that it builds on."""
        self._running: set[int] = set()
        """Places of tasks whose outcome is open. Who takes one out, and no one else, settles that task."""
        chosen = self._chosen(targets)
        state.drop(graph.listed[place].name for place in chosen)
        lanes = bytes(HERE if tools.executors[task.on].inline else THERE for task in graph.listed)
        self._mixed = HERE in lanes and THERE in lanes
        self._limits = (concurrency, max(1, concurrency - self._mixed))
        """Threads at work at most, by lane: where there is work for the calling thread, a place is kept for it."""
        self._everything = range(len(graph)) if len(chosen) == len(graph) else tuple(chosen)
        self._schedule = Schedule(graph, chosen, lanes)
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        # The books: changed by `_post` only.
        self._desk = threading.Lock()
        self._news: deque[int | Callable[[], object]] = deque()
        self._left = len(self._everything)
        self._workers = 0
        """Threads at work, or asked for."""
        self._asked = False
        self._here = False
        """Whether the calling thread is at work, or asked for."""

    def wake(self) -> None:
        """Have the run look again: the gate or the signal changed. Any thread."""
        self._woken.put(None)

    def run(self) -> None:
        """Until every selected task has an outcome. An interrupt cancels the run, then goes on its way.

        Raises
        ------
        TaskGraphError
            When it was called for in the body of a task that one of its tasks waits for.
        """
        self._moment = self._tools.claims.enter()
        unsubscribe = self._signal.on_cancel(self.wake)
        reason = f"the run took longer than its {self._timeout} s"
        timer = _timer(self._timeout, lambda: self._signal.cancel(reason))
        try:
            self._watch()
        except KeyboardInterrupt:
            self._signal.cancel("interrupted")
            self._end_interrupted()
            raise
        finally:
            unsubscribe()
            _stop(timer)
            self._tools.claims.leave()
        if self._refused is not None:
            raise self._refused

    # selection

    def _chosen(self, targets: Iterable[str]) -> set[int]:
        """The targets and what they need, without what already has a success."""
        places, listed = self._graph.places, self._graph.listed
        chosen = {places[name] for name in targets if not self._state.is_hydrated(name)}
        waiting = list(chosen)
        while waiting:
            for name in listed[waiting.pop()].dependencies:
                place = places.get(name, NONE)
                if place in chosen:
                    continue
                result = self._state.result(name)
                if result is not None and result.ok:
                    self._earlier[name] = result
                elif place != NONE:
                    chosen.add(place)
                    waiting.append(place)
        return chosen

    # the thread that called for the run

    def _watch(self) -> None:
        while self._left:
            if self._signal.cancelled:
                self._cancel_waiting()
            else:
                self._post(self._look)
            if self._here:
                self._work(HERE)
            if self._left:
                try:
                    self._woken.get(timeout=self._patience())
                except queue.Empty:
                    self._give_up()

    def _patience(self) -> float | None:
        """Seconds to wait for running tasks; without end until the run is cancelled."""
        if not self._signal.cancelled:
            return None
        now = self._tools.clock.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + GRACE
        return max(0.0, self._give_up_at - now)

    def _cancel_waiting(self) -> None:
        places = self._schedule.claim_all()
        for place in places:
            self._note(place, TaskResult(TaskStatus.CANCELLED, f"not started: {self._signal.reason}"))
        self._post(partial(self._count_off, len(places)))

    def _give_up(self) -> None:
        """Leave behind the bodies that did not heed the signal: nothing can end a thread from outside."""
        words = f"{self._signal.reason}; its body did not stop at once and may still be running"
        for place in tuple(self._running):
            self._settle_from_outside(place, TaskResult(TaskStatus.CANCELLED, words))

    def _settle_from_outside(self, place: int, result: TaskResult) -> None:
        """Settle a task whose body goes on for now; its thread counts no more, and is let go when it comes back."""
        if self._done_with(place):
            self._record(place, result)
            self._go_on(place, result)
            self._post(self._leave)
            self.wake()

    def _end_interrupted(self) -> None:
        """End a run whose bookkeeping an interrupt may have torn: by the outcomes, not by counting."""
        self._cancel_waiting()
        while self._running and (patience := self._patience()):
            with contextlib.suppress(queue.Empty):
                self._woken.get(timeout=patience)
        self._give_up()
        for place in self._everything:
            if self._outcomes[place] is None:
                self._record(place, TaskResult(TaskStatus.CANCELLED, self._signal.reason))

    # the books

    def _post(self, item: int | Callable[[], object]) -> None:
        """Have a success (by its place) or a change entered in the books: here, or by the thread that is at them now.

        No thread ever waits here. Threads that queue for a lock take turns at every task, which costs more than the
        task: so who finds the desk taken leaves its item to who sits there ("flat combining", Hendler et al., 2010).
        """
        news, desk = self._news, self._desk
        news.append(item)
        while news and desk.acquire(blocking=False):
            try:
                while news:
                    entry = news.popleft()
                    if isinstance(entry, int):
                        self._schedule.free_dependents(entry)
                        self._count_off(1)
                    else:
                        entry()
                asked, self._asked = self._asked, False
            finally:
                desk.release()
            if asked:
                self._tools.workers.submit(partial(self._work, THERE))

    def _count_off(self, number: int) -> None:
        self._left -= number
        if not self._left:
            self.wake()

    def _look(self) -> None:
        """Ask for one more thread, where there is work and room for it; it will have the books looked at again."""
        if self._held:
            return
        if self._schedule.has_ready(HERE) and not self._here and self._workers < self._limits[HERE]:
            self._here = True
            self._workers += 1
            self.wake()
        if self._schedule.has_ready(THERE) and not self._asked and self._workers < self._limits[THERE]:
            self._asked = True
            self._workers += 1

    def _leave(self) -> None:
        self._workers -= 1
        self._look()

    def _leave_here(self) -> None:
        self._here = False
        self._look()

    # threads at work

    @property
    def _held(self) -> bool:
        """Whether no task may start now."""
        return self._signal.cancelled or self._tools.gate.paused

    def _work(self, lane: int) -> None:
        """Run ready tasks, one after another, until there is none."""
        schedule, other = self._schedule, self._mixed and lane == THERE
        while (place := self._take(lane)) != NONE:
            if (schedule.has_ready(THERE) and self._workers < self._limits[THERE]) or (
                other and schedule.has_ready(HERE) and not self._here
            ):
                self._post(self._look)
            if not self._run(place, lane):
                break
        else:
            self._post(self._leave)
        if lane == HERE:
            self._post(self._leave_here)

    def _take(self, lane: int) -> int:
        """Begin the next task of a lane."""
        signal, gate = self._signal, self._tools.gate
        while not signal.cancelled and not gate.paused:
            place = self._schedule.take(lane)
            if place == NONE or self._claim(place):
                return place
        return NONE

    def _run(self, place: int, lane: int) -> bool:
        """Run and settle a task; whether it was still to be settled, or else the thread counts no more."""
        self._running.add(place)
        task = self._graph.listed[place]
        limited = task.timeout is not None
        result = self._limited(place, task, lane) if limited else self._in_context(task, self._signal, lane)
        if not self._done_with(place):
            return False
        self._record(place, result)
        self._go_on(place, result)
        return True

    def _done_with(self, place: int) -> bool:
        """Whether the caller is the one to settle a task."""
        try:
            self._running.remove(place)
        except KeyError:
            return False
        return True

    # one task

    def _limited(self, place: int, task: Task, lane: int) -> TaskResult:
        """What a task comes to that has a time limit."""
        signal, unlink = _linked(self._signal)
        timer = _timer(task.timeout, lambda: self._expire(place, task, signal))
        try:
            return self._in_context(task, signal, lane)
        finally:
            _stop(timer)
            unlink()

    def _expire(self, place: int, task: Task, signal: CancelSignal) -> None:
        """Settle the task, then tell its body. In the timer's thread."""
        error = TaskTimeout(f"it took longer than its {task.timeout} s")
        result = TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)
        self._settle_from_outside(place, result)
        signal.cancel(str(error))

    def _in_context(self, task: Task, signal: CancelSignal, lane: int) -> TaskResult:
        """What a task comes to; in an executor's thread in a copy of the context in which the run was called for."""
        if lane == THERE:
            return self._context.copy().run(self._attempt, task, signal)
        token = ancestors.set(self._asking)
        try:
            return self._attempt(task, signal)
        finally:
            ancestors.reset(token)

    def _attempt(self, task: Task, signal: CancelSignal) -> TaskResult:
        """Its condition, then the strategy. Never raises."""
        tools, bus = self._tools, self._tools.bus
        ancestors.set((*self._asking, task.name))
        try:
            if task.condition is not None and not self._holds(task.condition, signal):
                return TaskResult(TaskStatus.SKIPPED, "its condition does not hold")
            signal.raise_if_cancelled()
            started = partial(self._tell, EventKind.TASK_START, task) if bus.wanted(EventKind.TASK_START) else _nothing
            progress = partial(self._tell, EventKind.TASK_PROGRESS, task)
            executor = tools.executors[task.on]
            call = TaskCall(task, tools.context, self._inputs(task), signal, tools.clock, executor, started, progress)
            return tools.strategy.execute(call)
        except (KeyboardInterrupt, TaskCancelled, CancelledError) as error:
            reason = signal.reason or str(error) or "interrupted"
            return TaskResult(TaskStatus.CANCELLED, reason, TaskError.of(error), exception=error)
        except BaseException as error:  # also a SystemExit: a thread that ended here would never settle its task
            return TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)

    def _holds(self, condition: Callable[[Any], Any], signal: CancelSignal) -> bool:
        answer = condition(self._tools.context)
        return bool(self._tools.run_coroutine(answer, signal) if inspect.iscoroutine(answer) else answer)

    def _inputs(self, task: Task) -> Mapping[str, Any]:
        if not task.dependencies:
            return _NO_INPUTS
        return {name: self._data(name) for name in task.dependencies}

    def _data(self, name: str) -> Any:
        """What a task gave, as this run knows it: another run may be at work on the state."""
        result = self._earlier.get(name) or self._outcomes[self._graph.places[name]]
        return result.data if result is not None else None

    def _tell(self, kind: EventKind, task: Task, message: str = "") -> None:
        bus = self._tools.bus
        if bus.wanted(kind):
            bus.emit(Event(kind, self._tools.clock.time(), task.name, message=str(message)))

    # outcomes

    def _record(self, place: int, result: TaskResult) -> None:
        """The outcome of a task that this run ran."""
        self._note(place, result)
        self._tools.claims.release(self._graph.listed[place].name, result)

    def _note(self, place: int, result: TaskResult) -> None:
        name, bus = self._graph.listed[place].name, self._tools.bus
        self._outcomes[place] = result
        self._state.put(name, result)
        kind = EventKind.TASK_SKIPPED if result.status is TaskStatus.SKIPPED else EventKind.TASK_END
        kind = EventKind.TASK_RESTORED if result.restored else kind
        if bus.wanted(kind):
            bus.emit(Event(kind, self._tools.clock.time(), name, result, result.message))

    def _go_on(self, place: int, result: TaskResult) -> None:
        """Free the task's dependents, or skip all that hang on it; in a cancelled run they are cancelled soon."""
        if result.ok or (result.status is TaskStatus.FAILURE and self._graph.listed[place].continue_on_error):
            self._post(place)
            return
        skipped = [] if self._signal.cancelled else self._schedule.claim_dependents(place)
        for dependent, blamed in skipped:
            self._note(dependent, TaskResult(TaskStatus.SKIPPED, f"skipped, since {self._words(blamed)}"))
        self._post(partial(self._count_off, 1 + len(skipped)))
        if isinstance(result.exception, KeyboardInterrupt):  # the user's stop button means the run
            self._signal.cancel("interrupted")

    def _words(self, place: int) -> str:
        result = self._outcomes[place]
        words = {TaskStatus.FAILURE: "failed", TaskStatus.CANCELLED: "was cancelled"}
        return f"{self._graph.listed[place].name!r} {words.get(result.status, 'was skipped') if result else ''}"

    # other runs of the same runner

    def _claim(self, place: int) -> bool:
        """Whether this run is the one to run a task; if not, it takes over what another run makes of it."""
        name, claims = self._graph.listed[place].name, self._tools.claims
        claimed = claims.claim(name, self, self._moment)
        if claimed is True:
            return True
        self._schedule.hold(place)
        if claimed:
            self._take_over(place, claimed)
            return False
        try:
            if not claims.wait(name, self._asking, partial(self._take_over, place)):
                self._schedule.make_ready(place)
        except TaskGraphError as error:
            self._refused = error
            self._signal.cancel(error.problems[0])
        return False

    def _take_over(self, place: int, result: TaskResult) -> None:
        """Settle a task by its outcome in another run; where that one was cancelled, it can run here."""
        if result.status is TaskStatus.CANCELLED:
            if self._schedule.claim(place):
                self._schedule.make_ready(place)
        elif self._schedule.claim(place):
            self._outcomes[place] = result
            self._go_on(place, result)
        self._post(self._look)


_NO_INPUTS: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> None:
    """Nobody listens."""


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


def _linked(outer: CancelSignal) -> tuple[CancelSignal, Callable[[], None]]:
    """A signal that follows `outer` and can also be set alone; the function ends the following."""
    inner = CancelSignal()
    return inner, outer.on_cancel(lambda: inner.cancel(outer.reason))
