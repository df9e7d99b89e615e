"""The tasks in the background: starting, feeding one from another, steering, and publishing what they leave."""

from __future__ import annotations

import ast
import contextvars
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from milepost.analysis.names import cell_names
from milepost.engine.runner import TaskRunner
from milepost.model.errors import StoreError, UsageError
from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.notebook import elsewhere
from milepost.notebook.arguments import Arguments
from milepost.notebook.checkpoints import Checkpoints
from milepost.notebook.definition import Definition
from milepost.notebook.facts import Facts
from milepost.notebook.foreground import Foreground
from milepost.notebook.inputs import InputResolver
from milepost.notebook.job import Job, Upstream, needs
from milepost.notebook.log import Log
from milepost.notebook.provider import Provider
from milepost.notebook.publication import Publication
from milepost.notebook.registration import Registration
from milepost.notebook.stage import Stage
from milepost.notebook.stamp import stamp
from milepost.notebook.strategy import CheckpointStrategy
from milepost.widget.words import duration


class Desk(elsewhere.Desk, Protocol):
    """What the jobs need of the session."""

    runner: TaskRunner
    strategy: CheckpointStrategy
    resolver: InputResolver
    provider: Provider
    arguments: Arguments
    registration: Registration

    def define(self, definition: Definition, *, afresh: bool = False) -> Facts: ...
    def settled(self, facts: Facts, result: TaskResult) -> None: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    def log_of(self, name: str) -> Log: ...
    def changed(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Unheard:
    """A task that has ended, the names that it binds, and its log."""

    task: str
    names: frozenset[str]
    log: Log


class Jobs:
    """The background tasks of one session. `call_soon` has the main thread do something when it is free."""

    def __init__(self, desk: Desk, call_soon: Callable[[Callable[[], None]], None]) -> None:
        self._desk = desk
        self._call_soon = call_soon
        self._lock = threading.Lock()
        self._running: dict[str, Job] = {}
        self._finished: list[Job] = []
        self._unheard: dict[str, Unheard] = {}
        self._main_thread = threading.get_ident()
        self.busy = False
        """Whether a cell runs: then nothing is published by itself."""

    # which

    def running(self, name: str | None = None) -> list[Job]:
        """The jobs that have not ended, or the one of a task."""
        jobs = list(self._running.values())
        return [job for job in jobs if name is None or job.name == name]

    def giving(self, name: str, reader: str = "") -> Job | None:
        """The job that will bind a name, as it would stand if each cell had ended before the next."""
        if not self._running:
            return None
        ledger = self._desk.ledger
        jobs = [job for job in self.running() if job.provides(name) and job.name != reader]
        jobs = [job for job in jobs if not ledger.bound_after(name, job.stage.moment)]
        return max(jobs, key=lambda job: job.stage.moment, default=None)

    def needed(self, names: Iterable[str], after: Iterable[str] = (), reader: str = "") -> tuple[Upstream, ...]:
        """The jobs behind these names, and behind what the functions among them read; and those of tasks `after`."""
        if not self._running:
            return ()
        given = [(name, self.giving(name, reader)) for name in self._desk.namespace.reach(names)]
        ended = [("", job) for name in after for job in self.running(name)]
        return needs([(name, job) for name, job in (*given, *ended) if job is not None])

    def unheard(self, names: Iterable[str], after: Iterable[str] = ()) -> list[Unheard]:
        """The tasks behind these that have ended before anybody waited for them; each is given once."""
        if not self._unheard:
            return []
        reached, tasks = set(self._desk.namespace.reach(names)), set(after)
        found = [item for item in list(self._unheard.values()) if item.names & reached or item.task in tasks]
        return [self._unheard.pop(item.task) for item in found]

    def stage(self, name: str) -> Stage | None:
        """Where a task that runs in the background runs."""
        job = self._running.get(name)
        return job.stage if job is not None else None

    # starting

    def admit(self, definition: Definition) -> Job | None:
        """The job of this very task where it runs already.

        Raises
        ------
        UsageError
            Where what runs has another code or other inputs.
        """
        job = self._running.get(definition.name)
        if job is None:
            return None
        differs = self._differs(job, definition)
        if not differs:
            return job
        words = f"task {definition.name!r} is running in the background with {differs}"
        raise UsageError(f"{words}: wait for it, or run `%tasks cancel {definition.name}`; then run this cell again")

    def _differs(self, job: Job, definition: Definition) -> str:
        old, ledger = job.facts.definition, self._desk.ledger
        if old.code_digest != definition.code_digest:
            return "its former code"
        own = set(old.outputs)
        changed = [n for n in job.stage.inputs if n not in own and ledger.bound_after(n, job.stage.moment)]
        return f"its former input {', '.join(map(repr, changed))}" if changed else ""

    def submit(self, definition: Definition, held_back: Callable[[Facts], TaskResult | None]) -> Job | None:
        """Start a task; None where it has a result at once: a saved one that is valid, or `held_back(facts)`."""
        desk = self._desk
        names = desk.resolver.names(definition)
        condition = cell_names(ast.parse(definition.options.condition or "None")).reads
        upstream = self.needed([*names, *condition], definition.options.after, definition.name)
        facts = desk.define(definition, afresh=True)
        if held_back(facts) is not None:
            return None
        job = Job(desk, desk.runner.tasks[definition.name], facts, desk.log_of(definition.name))
        job.upstream = upstream
        self._take(job, [*names, *condition])
        if not upstream and not desk.runner.paused and self._given_back(job):
            return None
        self._start(job)
        return job

    def _take(self, job: Job, names: list[str]) -> None:
        """Fix what is there already; what only a checkpoint has is restored for it."""
        desk, awaited = self._desk, {name for upstream in job.upstream for name in upstream.names}
        wanted = [name for name in desk.namespace.reach(names) if name not in awaited]
        for name in desk.provider.needed(wanted):
            desk.provider.provide(name)
        job.stage.take([name for name in desk.namespace.reach(wanted) if name not in awaited])

    def _given_back(self, job: Job) -> bool:
        """Restore a valid result in the cell itself; else remember what was found out for the job."""
        desk, foreground = self._desk, Foreground(self._desk, job.facts)
        job.stage.begin()
        if job.task.condition is not None and not self._holds(job.task):
            return False
        plan = desk.strategy.plan(foreground)
        result = desk.strategy.restore(foreground, plan)
        if result is None:
            job.stage.settle_plan(plan)
            return False
        job.stage.end()
        desk.runner.state.put(job.name, result)
        desk.settled(job.facts, result)
        return True

    @staticmethod
    def _holds(task: Task) -> bool:
        """Whether a condition holds now; what it raises, the job's own look at it will raise again."""
        try:
            return bool(task.condition(None)) if task.condition else True
        except Exception:
            return False

    def _start(self, job: Job) -> None:
        job.facts.in_background = True
        self._running[job.name] = job
        job.say_started(self._desk.runner.paused)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._live, job), name="milepost-job", daemon=True).start()
        self._desk.changed()

    # the life of one; each in a thread of its own

    def _live(self, job: Job) -> None:
        try:
            result = self._outcome(job)
        except BaseException as error:
            result = TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)
        self._end(job, result)

    def _outcome(self, job: Job) -> TaskResult:
        for upstream in job.upstream:
            while not upstream.job.ended.wait(0.1):
                if job.signal.cancelled:
                    return TaskResult(TaskStatus.CANCELLED, f"not started: {job.signal.reason}")
            if upstream.job.blocks and upstream.job.result is not None:
                words = f"{upstream.job.name!r} {_WORDS[upstream.job.result.status]}"
                return TaskResult(TaskStatus.SKIPPED, f"skipped, since {words}")
            job.stage.take_over(upstream.names, upstream.job.stage.left)
        job.upstream = ()  # and with them the values that they left
        text = job.facts.definition.options.condition
        condition = (lambda _: eval(text, dict(job.stage.inputs))) if text else None
        self._desk.runner.run([replace(job.task, dependencies=(), condition=condition)], signal=job.signal)
        return self._desk.runner.state.result(job.name) or TaskResult(TaskStatus.CANCELLED, "cancelled")

    def _end(self, job: Job, result: TaskResult) -> None:
        job.result = result
        self._desk.settled(job.facts, result)
        with self._lock:
            if job.stage.left is not None and result.ok:
                self._finished.append(job)
            del self._running[job.name]
            outputs = frozenset(job.facts.definition.outputs)
            self._unheard[job.name] = Unheard(job.name, outputs, job.log)
            job.ended.set()
        job.stage.end()
        job.log.close()
        job.say_ended()
        self._desk.changed()
        self._call_soon(self._publish_if_idle)

    # publishing; in the main thread

    def _publish_if_idle(self) -> None:
        if not self.busy:
            self.publish()

    def publish(self) -> None:
        """Bind what jobs that have ended left, in the order in which their cells were run. Only between two cells."""
        if threading.get_ident() != self._main_thread:
            return
        with self._lock:
            finished, self._finished = self._finished, []
        for job in sorted(finished, key=lambda job: job.stage.moment):
            left = job.stage.left
            assert left is not None, job.name
            self._enter(left)
            clashes = left.clashes()
            late = left.publish(self._desk.namespace.data, self._desk.ledger)
            if late or clashes:
                job.say_ended(late, clashes)
        if finished:
            self._desk.changed()

    def _enter(self, left: Publication) -> None:
        """Put the state of the process where a restored task left it."""
        try:
            self._desk.ambient.restore(left.state)
        except StoreError as error:
            stamp(self._desk.shell, f"{left.task!r} is restored, but {error}", symbol="⚠", warning=True)

    # steering; from any thread

    def cancel(self, name: str | None = None) -> bool:
        """Stop one job, or all; whether there was one to stop."""
        stopped = [job.cancel("cancelled") for job in self.running(name)]
        return any(stopped)


def already(job: Job) -> str:
    """That a task runs, for who runs its cell again."""
    started = job.facts.started
    if started is None:
        return f"{job.name!r} waits in the background already"
    return f"{job.name!r} runs in the background already, for {duration(time.time() - started)}"


_WORDS = {
    TaskStatus.FAILURE: "failed",
    TaskStatus.CANCELLED: "was cancelled",
    TaskStatus.SKIPPED: "was skipped",
}
