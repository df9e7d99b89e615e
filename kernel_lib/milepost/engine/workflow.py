"""One run over one graph: ready tasks to executors until every task has an outcome.

A thread that has run a task settles it and takes the next one itself: handing every task from thread to thread would
cost more than most bodies. The thread that called for the run only watches over it: it wakes for a cancel, a resume,
tasks that must run in it, a call for one more thread, and the end.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial

from milepost.engine.attempt import Attempts
from milepost.engine.books import Books
from milepost.engine.nesting import key_of
from milepost.engine.outcomes import NO_INPUTS, Outcomes
from milepost.engine.schedule import HERE, NONE, THERE, Schedule
from milepost.engine.selection import select
from milepost.engine.state import TaskStateManager
from milepost.engine.tools import Tools
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskGraphError, TaskTimeout
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskError, TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskStatus
from milepost.model.task import Task

GRACE = 0.1
"""Seconds that a running body has, once its run is cancelled, to heed the signal before it is given up."""

SLOW = 0.005
"""Seconds in which a thread settles a task, unless another thread could do some work meanwhile."""


class WorkflowExecutor:
    """One run over one graph.

    Parameters
    ----------
    graph : TaskGraph
        Validated.
    state : TaskStateManager
        Successes in it count as done, unless their task is among `targets` and was not hydrated.
    targets : iterable of str, optional
        The tasks to run, all by default; what they need and has no success runs too.
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
        targets: Iterable[str] | None = None,
        concurrency: int,
        timeout: float | None = None,
    ) -> None:
        self._graph = graph
        self._tools = tools
        self._signal = signal
        self._timeout = timeout
        self._give_up_at: float | None = None
        self._moment = 0
        self._crowded = False
        """Whether other runs of the same runner were under way meanwhile."""
        self._broken: BaseException | None = None
        """What went wrong in the run's own code, in another thread."""
        self._refused: TaskGraphError | None = None
        self._caller = 0
        """The thread that called for the run."""
        self._interrupt: KeyboardInterrupt | None = None
        """What stopped a body in that thread, though nobody had cancelled the run."""
        self._attempts = Attempts(tools)
        self._running: set[int] = set()
        """Places of tasks whose outcome is open. Who takes one out, and no one else, settles that task."""
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        selection = select(graph, state, targets)
        chosen = selection.chosen
        self._outcomes = Outcomes(graph, state, tools, selection.earlier, self)
        self._all = range(len(graph)) if len(chosen) == len(graph) else tuple(chosen)
        """The places of the tasks to run."""
        state.drop(graph.listed[place].name for place in chosen)
        lanes = _lanes(graph, tools)
        self._mixed = HERE in lanes and THERE in lanes
        self._schedule = Schedule(graph, chosen, lanes)
        self._books = Books(
            self._schedule, len(self._all), concurrency, held=self._held, ask=self._ask_for_worker, wake=self.wake
        )

    def wake(self) -> None:
        """Have the thread of the run look around. Any thread."""
        self._woken.put(None)

    def look_again(self) -> None:
        """The gate has changed. The thread of the run may be busy with a task, while others could start. Any thread."""
        if self._mixed:
            self._books.post(self._books.look)
        self.wake()

    def run(self) -> None:
        """Until every selected task has an outcome. An interrupt, of a body too, cancels the run, then goes on its way.

        Raises
        ------
        TaskGraphError
            When it was called for in the body of a task that one of its tasks waits for.
        """
        self._caller = threading.get_ident()
        self._moment = self._tools.claims.enter(self)
        unsubscribe = self._signal.on_cancel(self._tell_cancel)
        reason = f"the run took longer than its {self._timeout} s"
        timer = _timer(self._timeout, lambda: self._signal.cancel(reason))
        try:
            self._watch()
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            self._signal.cancel("interrupted" if interrupted else f"the run broke off: {TaskError.of(error)}")
            self._end_torn()
            raise
        finally:
            unsubscribe()
            _stop(timer)
            self._crowded = self._tools.claims.leave(self)
        if self._refused is not None:
            raise self._refused
        if self._interrupt is not None:
            raise self._interrupt

    def results(self) -> Snapshot:
        """All results so far, and for the tasks of this run what they came to here."""
        return self._outcomes.snapshot(own=self._crowded)

    def _tell_cancel(self) -> None:
        self.wake()
        bus = self._tools.bus
        if bus.wanted(EventKind.CANCELLED):
            bus.emit(
                Event(EventKind.CANCELLED, self._tools.clock.time(), message=self._signal.reason, run=self._tools.run)
            )

    def under_way(self) -> list[str]:
        """The tasks that run now. Any thread."""
        return [self._graph.listed[place].name for place in tuple(self._running)]

    # the thread that called for the run

    def _watch(self) -> None:
        books = self._books
        while books.left:
            if self._broken is not None:
                raise self._broken
            if self._signal.cancelled:
                self._cancel_waiting()
            elif books.more_helps():
                books.post(books.look)
            if books.here:
                self._work(HERE)
            if books.left:
                self._wait()

    def _wait(self) -> None:
        try:
            self._woken.get(timeout=self._patience())
        except queue.Empty:
            if self._signal.cancelled:
                self._give_up()

    def _patience(self) -> float | None:
        """Seconds to wait for running tasks; without end until the run is cancelled, or could use more threads."""
        if not self._signal.cancelled:
            return SLOW if self._books.wants_thread(THERE) and not self._held() else None
        now = self._tools.clock.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + GRACE
        return max(0.0, self._give_up_at - now)

    def _cancel_waiting(self) -> None:
        self._books.post(partial(self._books.count_off, self._note_cancelled()))

    def _note_cancelled(self) -> int:
        """Settle all that has not started; how many there were."""
        places = self._schedule.claim_all()
        for place in places:
            self._outcomes.note(place, TaskResult(TaskStatus.CANCELLED, f"not started: {self._signal.reason}"))
        return len(places)

    def _give_up(self) -> None:
        """Leave behind the bodies that did not heed the signal: nothing can end a thread from outside."""
        words = f"{self._signal.reason}; its body did not stop at once and may still be running"
        for place in tuple(self._running):
            self._settle_from_outside(place, TaskResult(TaskStatus.CANCELLED, words))

    def _settle_from_outside(self, place: int, result: TaskResult) -> None:
        """Settle a task whose body goes on for now; its thread counts no more, and is let go when it comes back."""
        if self._done_with(place):
            self._attempts.silence(self._graph.listed[place])
            self._outcomes.record(place, result)
            self._go_on(place, result)
            self._books.post(self._books.leave)
            self.wake()

    def _end_torn(self) -> None:
        """End a run whose bookkeeping an interrupt or an error may have torn: by the outcomes, not by counting."""
        self._books.close()
        try:
            self._note_cancelled()
            while self._running and (patience := self._patience()):
                with contextlib.suppress(queue.Empty):
                    self._woken.get(timeout=patience)
            self._give_up()
        finally:  # a second interrupt may have come
            self._settle_rest()

    def _settle_rest(self) -> None:
        for place in tuple(self._running):
            self._attempts.silence(self._graph.listed[place])
        self._running.clear()
        for place in self._all:
            self._outcomes.settle(place, self._signal.reason)

    # threads at work

    def _held(self) -> bool:
        return self._signal.cancelled or self._tools.gate.paused

    def _ask_for_worker(self) -> None:
        self._tools.workers.submit(self._work_there)

    def _work_there(self) -> None:
        try:
            self._work(THERE)
        except BaseException as error:  # in the run's own code: a thread that ended here would never settle its task
            self._broken = error
            self.wake()

    def _work(self, lane: int) -> None:
        """Run ready tasks, one after another, until there is none."""
        books, mixed, alone = self._books, self._mixed, lane == HERE and not self._mixed
        while (place := self._take(lane)) != NONE:
            if mixed:
                if books.wants_thread(THERE) or (not books.here and books.wants_thread(HERE)):
                    books.post(books.look)
            elif not alone and books.wants_thread(THERE):
                books.call()
            if not self._run(place, lane):
                break
        else:
            books.post(books.leave)
        if lane == HERE:
            books.post(books.leave_here)

    def _take(self, lane: int) -> int:
        """Begin the next task of a lane."""
        signal, gate, claim, listed = self._signal, self._tools.gate, self._tools.claims.claim, self._graph.listed
        if self._mixed and lane == THERE and self._books.needs_place_here():
            return NONE
        while not signal.cancelled and not gate.paused:
            place = self._schedule.take(lane)
            if place == NONE:
                break
            task = listed[place]
            claimed = claim((task.name, id(task.run)), self, self._moment)
            if claimed is True:
                return place
            self._leave_to_other(place, claimed)
        return NONE

    def _run(self, place: int, lane: int) -> bool:
        """Run and settle a task; whether it was still to be settled, or else the thread counts no more."""
        self._running.add(place)
        task = self._graph.listed[place]
        attempt = self._attempts.there if lane == THERE else self._attempts.here
        if task.timeout is None:
            inputs = self._outcomes.inputs(task) if task.dependencies else NO_INPUTS
            result = attempt(task, inputs, self._signal)
        else:
            result = self._limited(place, task, attempt)
        try:  # `_done_with`, without a call for every task
            self._running.remove(place)
        except KeyError:
            return False
        self._outcomes.record(place, result)
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

    def _limited(self, place: int, task: Task, attempt: Callable[..., TaskResult]) -> TaskResult:
        """What a task comes to that has a time limit; where bodies wait for a place, that does not count."""
        signal, unlink = _linked(self._signal)
        limit = _Limit(task.timeout, lambda: self._expire(place, task, signal))
        if not getattr(self._tools.executors[task.on], "queues", False):
            limit.begin()
        try:
            return attempt(task, self._outcomes.inputs(task), signal, limit.begin)
        finally:
            _stop(limit.timer)
            unlink()

    def _expire(self, place: int, task: Task, signal: CancelSignal) -> None:
        """Settle the task, then tell its body. In the timer's thread."""
        error = TaskTimeout(f"it took longer than its {task.timeout} s")
        result = TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)
        self._settle_from_outside(place, result)
        signal.cancel(str(error))

    # outcomes

    def _go_on(self, place: int, result: TaskResult) -> None:
        """Free the task's dependents, or skip all that hang on it; in a cancelled run they are cancelled soon."""
        if result.status is _SUCCESS or (
            result.status is TaskStatus.FAILURE and self._graph.listed[place].continue_on_error
        ):
            self._books.post(place)
            return
        skipped = [] if self._signal.cancelled else self._schedule.claim_dependents(place)
        for dependent, blamed in skipped:
            self._outcomes.note(
                dependent, TaskResult(TaskStatus.SKIPPED, f"skipped, since {self._outcomes.words(blamed)}")
            )
        self._books.post(partial(self._end_in_vain, [place, *(dependent for dependent, _ in skipped)]))
        if isinstance(result.exception, KeyboardInterrupt) and not self._signal.cancelled:
            if threading.get_ident() == self._caller:
                self._interrupt = result.exception
            self._signal.cancel("interrupted")  # the user's stop button means the run

    def _end_in_vain(self, places: list[int]) -> None:
        """Enter that tasks came to nothing."""
        self._schedule.free_tolerant(places)
        self._books.count_off(len(places))

    # other runs of the same runner

    def _leave_to_other(self, place: int, claimed: TaskResult | bool) -> None:
        """Take over what another run makes, or has made, of a task."""
        self._schedule.hold(place)
        if isinstance(claimed, TaskResult):
            self._take_over(place, claimed)
            return
        task, claims = key_of(self._graph.listed[place]), self._tools.claims
        try:
            if not claims.wait(task, self._attempts.asking, partial(self._take_over, place)):
                self._schedule.make_ready(place)
        except TaskGraphError as error:
            self._refused = error
            self._signal.cancel(error.problems[0])

    def _take_over(self, place: int, result: TaskResult) -> None:
        """Settle a task by its outcome in another run; where that one was cancelled, it can run here."""
        if result.status is TaskStatus.CANCELLED:
            if self._schedule.claim(place):
                self._schedule.make_ready(place)
        elif self._schedule.claim(place):
            self._outcomes.take_over(place, result)
            self._go_on(place, result)
        self._books.post(self._books.look)


_SUCCESS = TaskStatus.SUCCESS


def _lanes(graph: TaskGraph, tools: Tools) -> bytes:
    """The lane of each task, by its place."""
    lanes = {on: HERE if tools.executors[on].inline else THERE for on in {task.on for task in graph.listed}}
    if len(lanes) == 1:
        return bytes(lanes.values()) * len(graph)
    return bytes(lanes[task.on] for task in graph.listed)


def _timer(seconds: float | None, action: Callable[[], None]) -> threading.Timer | None:
    """Call `action` so many seconds from now, in a thread of its own; without a limit, never."""
    if seconds is None:
        return None
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()
    return timer


class _Limit:
    """Calls `action` so many seconds after `begin` was called for the first time."""

    def __init__(self, seconds: float | None, action: Callable[[], None]) -> None:
        self._seconds = seconds
        self._action = action
        self.timer: threading.Timer | None = None

    def begin(self) -> None:
        if self.timer is None:
            self.timer = _timer(self._seconds, self._action)


def _stop(timer: threading.Timer | None) -> None:
    if timer is not None:
        timer.cancel()


def _linked(outer: CancelSignal) -> tuple[CancelSignal, Callable[[], None]]:
    """A signal that follows `outer` and can also be set alone; the function ends the following."""
    inner = CancelSignal()
    return inner, outer.on_cancel(lambda: inner.cancel(outer.reason))
