"""Running a `%%task` cell, here or in the background, once all that it needs is there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, Protocol

from milepost.engine.runner import TaskRunner
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TaskCancelled, TaskFailed, TaskPaused
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskState, TaskStatus
from milepost.model.task import Task
from milepost.notebook.body import cell_trace
from milepost.notebook.definition import Definition
from milepost.notebook.doubts import Doubts
from milepost.notebook.elsewhere import refuse
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver
from milepost.notebook.jobs import Jobs, already
from milepost.notebook.stamp import stamp
from milepost.notebook.waiting import Waiting


class Desk(Protocol):
    """What running a cell needs of the session."""

    shell: Any
    runner: TaskRunner
    resolver: InputResolver
    jobs: Jobs
    waiting: Waiting
    doubts: Doubts
    can_resume: bool

    def define(self, definition: Definition, *, afresh: bool = False) -> Facts: ...
    def all_facts(self) -> list[Facts]: ...
    def settled(self, facts: Facts, result: TaskResult) -> None: ...
    def cancellable(self) -> contextlib.AbstractContextManager[CancelSignal]: ...
    def changed(self) -> None: ...


class Cells:
    """Runs the task cells of one session, in the main thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self, definition: Definition) -> TaskResult | None:
        """The result of a cell, None while it runs in the background; raises what its body raised."""
        if definition.options.place == "processes":
            refuse(definition)
        running = self._desk.jobs.admit(definition)
        if running is not None:
            stamp(self._desk.shell, already(running), symbol="▶")
            if definition.options.background:
                return None
            self._desk.waiting.for_names((), [definition.name])
        if not definition.options.background:
            names = self._desk.resolver.names(definition)
            self._desk.waiting.for_names(names, definition.options.after, definition.name)
        return self._elsewhere(definition) if definition.options.place != "main" else self._here(definition)

    def _here(self, definition: Definition) -> TaskResult:
        facts = self._desk.define(definition)
        self.hydrate(facts.after)
        return self._concluded(facts, self._held_back(facts) or self.run_here(definition.name))

    def _elsewhere(self, definition: Definition) -> TaskResult | None:
        """Start the task in the background, and wait for it unless it shall stay there."""
        job = self._desk.jobs.submit(definition, self._held_back)
        facts = self._facts(definition.name)
        if facts is None or (job is not None and definition.options.background):
            return None
        result = self._desk.waiting.follow(job) if job is not None else facts.result
        return self._concluded(facts, result or TaskResult(TaskStatus.CANCELLED))

    def _concluded(self, facts: Facts, result: TaskResult) -> TaskResult:
        """The result, or what the cell raises."""
        if result.status is TaskStatus.SKIPPED and not self._held_up(facts):
            stamp(self._desk.shell, f"skipped: {result.message}", symbol="⏭")
        elif not result.ok:
            raise _error(facts.definition.name, result)
        return result

    def _facts(self, name: str) -> Facts | None:
        return next((facts for facts in self._desk.all_facts() if facts.definition.name == name), None)

    def _held_back(self, facts: Facts) -> TaskResult | None:
        """The result of a cell that cannot run since a cell before it came to nothing: that one is not run unasked."""
        for name in facts.after:
            if (doubt := self._desk.doubts.of(name)) is not None:
                return self._skipped(facts, f"it waits: {doubt.text}")
            known = self._facts(name)
            if known is None or known.result is None or known.result.ok:
                continue
            if known.definition.function or known.definition.automatic:
                continue
            if not (known.definition.options.continue_on_error and known.result.status is TaskStatus.FAILURE):
                words = f"it comes after {name!r}, whose state is {known.result.status}; run that cell first"
                return self._skipped(facts, words)
        return None

    def _skipped(self, facts: Facts, words: str) -> TaskResult:
        facts.result, facts.state = TaskResult(TaskStatus.SKIPPED, words), TaskState.SKIPPED
        self._desk.changed()
        return facts.result

    def _held_up(self, facts: Facts) -> bool:
        """Whether a task was skipped because one before it failed or was cancelled, not because of a condition."""
        before = [known for known in self._desk.all_facts() if known.definition.name in facts.after]
        if any(self._desk.doubts.of(name) is not None for name in facts.after):
            return True
        results = [(known, known.result) for known in before if known.result is not None and not known.result.ok]
        return any(result.status is not TaskStatus.SKIPPED or self._held_up(known) for known, result in results)

    def run_here(self, name: str) -> TaskResult:
        """Run a task that is defined, in this thread, with the functions that it needs."""
        desk = self._desk
        facts = self._facts(name)
        assert facts is not None, name
        with desk.cancellable() as signal:
            if desk.runner.paused:
                self.wait_to_resume(facts)
            result = self._run_one(name, signal)
        if result.exception is not None:
            result.exception.__traceback__ = cell_trace(desk.shell, result.exception.__traceback__)
        desk.settled(facts, result)
        return result

    def _run_one(self, name: str, signal: CancelSignal) -> TaskResult:
        """What a task comes to. An interrupt of its body is told as its error, with the cell's own lines."""
        state, interrupt = self._desk.runner.state, None
        try:
            self._desk.runner.run(only=[name], signal=signal)
        except KeyboardInterrupt as error:
            interrupt = error
        result = state.result(name) or TaskResult(TaskStatus.CANCELLED)
        if interrupt is not None and interrupt is not result.exception:
            raise interrupt
        return result

    def wait_to_resume(self, facts: Facts) -> None:
        """Say that the cell waits; the runner holds it back. Where no Resume could arrive, refuse instead."""
        facts.state = TaskState.PAUSED
        self._desk.changed()
        if not self._desk.can_resume:
            raise TaskPaused(
                f"task {facts.definition.name!r} was not started: the run is paused, and this front end has no way to "
                "resume while a cell waits. Run `%tasks resume`, then this cell again"
            )
        stamp(self._desk.shell, f"paused before {facts.definition.name!r}: press Resume to go on", symbol="Ⅱ")

    def hydrate(self, names: Iterable[str]) -> None:
        """Let the runner count tasks as done that only the store, or an earlier definition, knows as done."""
        runner = self._desk.runner
        for name in names:
            known = self._facts(name)
            if name not in runner.tasks and known is not None and known.definition.function is not None:
                self.hydrate(self._desk.define(known.definition).after)  # one that nobody asked for yet
            elif name not in runner.tasks:
                runner.add(Task(name, _not_defined))
            result = runner.state.result(name)
            past = known is not None and known.definition.function is None and result is not None and not result.ok
            unknown = known is None or known.definition.automatic  # the runner has no cell that nobody marked
            if past or (result is None and unknown):
                runner.state.hydrate(Snapshot({name: TaskResult(TaskStatus.SUCCESS, restored=True)}))


def _error(name: str, result: TaskResult) -> BaseException:
    if result.status is TaskStatus.SKIPPED:
        return TaskFailed(f"task {name!r} was not run: {result.message}")
    if result.status is TaskStatus.CANCELLED and not isinstance(result.exception, KeyboardInterrupt):
        return TaskCancelled(f"task {name!r} was cancelled: {result.message}")
    if result.status is TaskStatus.CANCELLED and result.message not in ("", "interrupted"):
        return TaskCancelled(f"task {name!r} was cancelled")
    return result.exception or TaskFailed(f"task {name!r}: {result.message}")


def _not_defined() -> None:
    raise TaskFailed("this task is known from the store only; run its cell")
