"""One task, once its turn has come: its context, its condition, then the strategy."""

from __future__ import annotations

import contextvars
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, NoReturn

from milepost.engine.events import EventBus
from milepost.engine.nesting import ancestors
from milepost.engine.tools import Tools
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskCancelled, UsageError
from milepost.model.events import Event, EventKind
from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.ports import TaskCall
from milepost.tracking.report import progress_text
from milepost.tracking.scope import Scope, at_work

Begin = Callable[[], object]

PATIENCE = 0.5
"""Seconds that a task which is settled from outside waits for its listeners."""


class Attempts:
    """Made in the context in which the run was called for; tasks that run in other threads get copies of it."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._own = tools.executors[""]
        self._clock = tools.clock
        self._execute = tools.strategy.execute
        self._voices: dict[str, _Voice] = {}
        self._context = contextvars.copy_context()
        self.asking = ancestors.get()
        """The tasks in whose bodies the run was called for."""

    def there(
        self, task: Task, inputs: Mapping[str, Any], signal: CancelSignal, begin: Begin | None = None
    ) -> TaskResult:
        """What the task comes to, in an executor's thread; `begin` is called when its body starts."""
        return self._context.copy().run(self._attempt, task, inputs, signal, begin)

    def here(
        self, task: Task, inputs: Mapping[str, Any], signal: CancelSignal, begin: Begin | None = None
    ) -> TaskResult:
        """What the task comes to, in the caller's own context."""
        around = at_work.get()
        try:
            return self._attempt(task, inputs, signal, begin)
        finally:
            ancestors.set(self.asking)
            at_work.set(around)

    def silence(self, task: Task) -> None:
        """Tell nothing more of a task, which was settled while its body goes on."""
        self._voices.setdefault(task.name, _Voice()).end()

    def _attempt(self, task: Task, inputs: Mapping[str, Any], signal: CancelSignal, begin: Begin | None) -> TaskResult:
        tools = self._tools
        ancestors.set((*self.asking, (task.name, id(task.run))))
        try:
            if task.condition is not None and not self._holds(task.condition, signal):
                return TaskResult(TaskStatus.SKIPPED, "its condition does not hold")
            if signal.cancelled:
                signal.raise_if_cancelled()
            executor = tools.executors[task.on] if task.on else self._own
            started, progress, retrying = begin or _nothing, _unheard, _unheard
            if tools.bus.heard:
                started = _Once(started, partial(self._tell, EventKind.TASK_START, task))
                progress = partial(self._tell_progress, task)
                retrying = partial(self._tell, EventKind.TASK_RETRY, task)
            at_work.set(_tuple(Scope, (signal, tools.gate, progress)))
            call = (task, tools.context, inputs, signal, self._clock, executor, started, progress, retrying)
            result = self._execute(_tuple(TaskCall, call))
            return result if type(result) is TaskResult else _refused(result)
        except (KeyboardInterrupt, TaskCancelled, CancelledError) as error:
            reason = signal.reason or str(error) or "interrupted"
            return TaskResult(TaskStatus.CANCELLED, reason, TaskError.of(error), exception=error)
        except BaseException as error:  # also a SystemExit: a thread that ended here would never settle its task
            record = TaskError.of(error)
            return TaskResult(TaskStatus.FAILURE, record.message, record, exception=error)

    def _holds(self, condition: Callable[[Any], Any], signal: CancelSignal) -> bool:
        answer = condition(self._tools.context)
        return bool(self._tools.run_coroutine(answer, signal) if inspect.iscoroutine(answer) else answer)

    def _tell_progress(self, task: Task, done: Any, total: float | None = None, message: str = "") -> None:
        self._tell(EventKind.TASK_PROGRESS, task, progress_text(done, total, message))

    def _tell(self, kind: EventKind, task: Task, message: str = "", result: TaskResult | None = None) -> None:
        tools = self._tools
        if tools.bus.wanted(kind):
            event = Event(kind, self._clock.time(), task.name, result, str(message), tools.run)
            voice = self._voices.get(task.name) or self._voices.setdefault(task.name, _Voice())
            voice.tell(tools.bus, event)


def _refused(given: object) -> NoReturn:
    """Raise for what a strategy of the user's gives that is no result."""
    if inspect.iscoroutine(given):
        given.close()
    words = "a strategy's execute(call) returns a TaskResult, such as that of self.inner.execute(call)"
    raise UsageError(f"{words}, not {given!r}")


class _Once:
    """Calls these the first time: an executor that starts bodies says so at each attempt."""

    __slots__ = ("_actions",)

    def __init__(self, *actions: Begin) -> None:
        self._actions = actions

    def __call__(self) -> None:
        actions, self._actions = self._actions, ()
        for action in actions:
            action()


class _Voice:
    """Tells what happens in a task until it is settled: a body that was left behind goes on, perhaps for long."""

    __slots__ = ("_ended", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ended = False

    def tell(self, bus: EventBus, event: Event) -> None:
        with self._lock:
            if not self._ended:
                bus.emit(event)

    def end(self) -> None:
        """After what is being told right now, unless a listener hangs."""
        held = self._lock.acquire(timeout=PATIENCE)
        self._ended = True
        if held:
            self._lock.release()


# Nobody listens:


def _nothing() -> None: ...


def _unheard(*words: Any) -> None: ...


_tuple = tuple.__new__
"""Makes a named tuple in half the time, without looking at the names."""
