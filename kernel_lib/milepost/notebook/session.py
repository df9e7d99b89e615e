"""The session of one kernel: the tasks that its notebook defines, the store beside it, and what is known of both."""

from __future__ import annotations

import contextlib
import inspect
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from milepost.builder import TaskRunnerBuilder
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.functions import TaskFunction
from milepost.model.cancel import CancelSignal
from milepost.model.errors import StoreError, TaskCancelled, TaskFailed, TaskPaused
from milepost.model.events import Event, EventKind
from milepost.model.record import Record
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskState, TaskStatus
from milepost.model.task import Task
from milepost.model.view import TaskView
from milepost.notebook.arguments import Arguments
from milepost.notebook.body import cell_trace, run_coroutine
from milepost.notebook.checkpoints import Checkpoints
from milepost.notebook.definition import RETURN, Definition, function_definition
from milepost.notebook.facts import Facts, view_of_facts, view_of_record
from milepost.notebook.foreground import Foreground
from milepost.notebook.inputs import InputResolver, Stands
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.location import notebook_path, store_path
from milepost.notebook.namespace import Namespace
from milepost.notebook.provider import Provider
from milepost.notebook.registration import Registration
from milepost.notebook.stage import Stage
from milepost.notebook.stamp import stamp
from milepost.notebook.strategy import CheckpointStrategy


class Session:
    """One notebook's tasks in one kernel. Runs cells and functions in the main thread; steered from any."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.namespace = Namespace(shell)
        self.ledger = Ledger()
        self.seeded = False
        self.can_resume = False
        """Whether a Resume could arrive while the main thread waits: a front end answered on the control channel."""
        self.told_path: str | None = None
        self.badges_comm_id = ""
        self._facts: dict[str, Facts] = {}
        self._data: dict[str, Any] = {}
        self._loaded: dict[str, str] = {}
        """By task that only the store knows: the key of the record whose values were given back."""
        self._store: LocalStore | None = None
        self._signals: list[CancelSignal] = []
        """One for each task that waits or runs: a task may ask for another."""
        self._body_lock = threading.Lock()
        self._in_body = False
        self._main_thread = threading.get_ident()
        self._listeners: list[Callable[[], None]] = []
        self._serializer = NotebookSerializer(self.namespace.data)
        self.provider = Provider(self)
        stands = Stands(self.namespace, self._reload)
        self.resolver = InputResolver(self.namespace, self.ledger, self.provider, stands)
        self.arguments = Arguments(self.namespace, self.ledger, self.provider, stands, self._facts, self._data)
        self.registration = Registration(
            self.namespace, self.ledger, self.provider, self._facts, self.known_names, self.notebook
        )
        builder = TaskRunnerBuilder().with_executor("main").on("*", self._on_event)
        self.runner = builder.use_strategy(lambda inner: CheckpointStrategy(inner, self)).build()

    # the store

    @property
    def store(self) -> LocalStore:
        """The checkpoints beside the notebook; where that is, is settled the first time it is needed."""
        if self._store is None:
            self._store = LocalStore(store_path(self.notebook()))
        return self._store

    def notebook(self) -> Path | None:
        """The notebook's path, as far as it can be known."""
        history = [str(source) for source in self.shell.history_manager.input_hist_raw]
        tasks = [source for source in history if source.lstrip().startswith("%%task")]
        return notebook_path(self.namespace.data, self.told_path, tasks or history)

    @property
    def checkpoints(self) -> Checkpoints:
        """Saving to and restoring from the store."""
        return Checkpoints(self.store, self._serializer, self.namespace)

    def records(self) -> list[Record]:
        """The newest record of each task; none where the store cannot be read."""
        try:
            return list(self.store.records())
        except StoreError:
            return []

    def _reload(self, known: Known, name: str) -> Any:
        """One output built again from its record, None where that fails."""
        try:
            return self.checkpoints.values(known.record, self.namespace.data.get)[name] if known.record else None
        except (StoreError, KeyError):
            return None

    # tasks

    def facts(self, name: str) -> Facts:
        """What is known of a task that this session defined."""
        return self._facts[name]

    def stage(self, name: str) -> Stage:
        """Where a task runs."""
        return Foreground(self, self._facts[name])

    def all_facts(self) -> list[Facts]:
        """All tasks that this session defined, in order."""
        return list(self._facts.values())

    def ran(self) -> list[str]:
        """Tasks whose body ran in this session."""
        return [name for name, facts in self._facts.items() if facts.ran]

    def key_of(self, name: str) -> str:
        """The key of a task's result: the session's, else that of what is saved; "" where there is none."""
        facts = self._facts.get(name)
        record = self.provider.record_of_task(name)
        return (facts.key if facts else "") or (record.key if record else "")

    def known_names(self) -> list[str]:
        """Every task of the session and of the store."""
        return list(dict.fromkeys([*self._facts, *(record.task for record in self.records())]))

    def _define(self, definition: Definition) -> Facts:
        """Register a task; what is refused changes nothing."""
        others = [other for name, other in self.runner.tasks.items() if name != definition.name]
        task = self.registration.task(definition, others)
        self.runner.add(task, replace=True)
        facts = self._facts.setdefault(definition.name, Facts(definition))
        facts.definition, facts.after = definition, task.dependencies
        return facts

    # running

    def run_cell(self, definition: Definition) -> TaskResult:
        """Run or restore one `%%task` cell, in the calling thread; raises what the body raised."""
        facts = self._define(definition)
        self._hydrate(facts.after)
        result = self._held_back(facts) or self._run(definition.name)
        if result.status is TaskStatus.SKIPPED and not self._held_up(facts):
            stamp(self.shell, f"skipped: {result.message}", symbol="⏭")
        elif not result.ok:
            raise self._error(definition.name, result)
        return result

    def _held_back(self, facts: Facts) -> TaskResult | None:
        """The result of a cell that cannot run since a cell before it came to nothing: that one is not run unasked."""
        for name in facts.after:
            known = self._facts.get(name)
            if known is None or known.definition.function or known.result is None or known.result.ok:
                continue
            if not (known.definition.options.continue_on_error and known.result.status is TaskStatus.FAILURE):
                words = f"it comes after {name!r}, whose state is {known.result.status}; run that cell first"
                facts.result, facts.state = TaskResult(TaskStatus.SKIPPED, words), TaskState.SKIPPED
                self._changed()
                return facts.result
        return None

    def _held_up(self, facts: Facts) -> bool:
        """Whether a task was skipped because one before it failed or was cancelled, not because of a condition."""
        before = [self._facts[name] for name in facts.after if name in self._facts]
        results = [(known, known.result) for known in before if known.result is not None and not known.result.ok]
        return any(result.status is not TaskStatus.SKIPPED or self._held_up(known) for known, result in results)

    def _run(self, name: str) -> TaskResult:
        facts = self._facts[name]
        with self._cancellable() as signal_:
            if self.runner.paused:
                self._wait_to_resume(facts)
            self.runner.run(only=[name], signal=signal_)
        result = self.runner.state.result(name) or TaskResult(TaskStatus.CANCELLED)
        if result.exception is not None:
            result.exception.__traceback__ = cell_trace(self.shell, result.exception.__traceback__)
        facts.settle(result)
        for other in self._facts.values():  # functions that ran since this one needs them
            settled = self.runner.state.result(other.definition.name)
            if other.state is TaskState.RUNNING and settled is not None:
                other.settle(settled)
        if result.ok:
            self._data[name] = result.data
        self._changed()
        return result

    @contextlib.contextmanager
    def _cancellable(self) -> Iterator[CancelSignal]:
        """A signal that a cancel sets, from the moment on at which people see that the task waits or runs."""
        signal_ = CancelSignal()
        self._signals.append(signal_)
        try:
            yield signal_
        finally:
            self._signals.remove(signal_)

    def _wait_to_resume(self, facts: Facts) -> None:
        """Say that the cell waits; the runner holds it back. Where no Resume could arrive, refuse instead."""
        facts.state = TaskState.PAUSED
        self._changed()
        if not self.can_resume:
            raise TaskPaused(
                f"task {facts.definition.name!r} was not started: the run is paused, and this front end has no way to "
                "resume while a cell waits. Run `%tasks resume`, then this cell again"
            )
        stamp(self.shell, f"paused before {facts.definition.name!r}: press Resume to go on", symbol="Ⅱ")

    def _hydrate(self, names: Iterable[str]) -> None:
        """Let the runner count tasks as done that only the store, or an earlier definition, knows as done."""
        for name in names:
            if name not in self.runner.tasks:
                self.runner.add(Task(name, _not_defined))
            result, known = self.runner.state.result(name), self._facts.get(name)
            past = known is not None and known.definition.function is None and result is not None and not result.ok
            if past or (result is None and known is None):
                self.runner.state.hydrate(Snapshot({name: TaskResult(TaskStatus.SUCCESS, restored=True)}))

    def _error(self, name: str, result: TaskResult) -> BaseException:
        if result.status is TaskStatus.SKIPPED:
            return TaskFailed(f"task {name!r} was not run: {result.message}")
        if result.status is TaskStatus.CANCELLED and not isinstance(result.exception, KeyboardInterrupt):
            return TaskCancelled(f"task {name!r} was cancelled: {result.message}")
        if result.status is TaskStatus.CANCELLED and result.message not in ("", "interrupted"):
            return TaskCancelled(f"task {name!r} was cancelled")
        return result.exception or TaskFailed(f"task {name!r}: {result.message}")

    @contextlib.contextmanager
    def body(self) -> Iterator[None]:
        """Around a body: only here may a cancel interrupt the main thread."""
        nested = self._in_body
        with self._body_lock:
            self._in_body = True
        try:
            for signal_ in self._signals:
                signal_.raise_if_cancelled()
            yield
        finally:
            with self._body_lock:
                self._in_body = nested

    # functions

    def register(self, function: TaskFunction[..., Any]) -> None:
        """Register a `@task` function."""
        definition = function_definition(function, lambda: self._call(function))
        self.registration.refuse_second(definition)
        facts = self._facts.setdefault(function.name, Facts(definition))
        facts.definition = definition
        self._changed()

    def _call(self, function: TaskFunction[..., Any]) -> Any:
        """Run a function's body, and note which arguments it changed in place."""
        facts = self._facts[function.name]
        given = self.arguments.values(facts.definition)
        before = self.arguments.states(given)
        with self.body():
            value = function.function(**given)
            if inspect.iscoroutine(value):
                value = run_coroutine(lambda: value)
        facts.changed = tuple(self.arguments.changed(given, before))
        return value

    def result_of(self, function: TaskFunction[..., Any]) -> TaskResult:
        """A function's result: what it needs first, then itself, each restored where it is valid."""
        definition = self._facts[function.name].definition
        self.arguments.settle(definition)
        facts = self._define(definition)
        self._hydrate(facts.after)
        return self._run(function.name)

    # steering, from any thread

    def pause(self) -> None:
        """Start no more tasks."""
        self.runner.pause()
        self._changed()

    def resume(self) -> None:
        """Go on."""
        self.runner.resume()
        self._changed()

    def cancel(self, name: str | None = None) -> bool:
        """Cancel the task that runs or waits (only if it is `name`, where given); whether there was one."""
        running = [f for f in self._facts.values() if f.state in (TaskState.RUNNING, TaskState.PAUSED)]
        if name is not None and name not in {facts.definition.name for facts in running}:
            return False
        was = bool(self._signals)
        for signal_ in tuple(self._signals):
            signal_.cancel("cancelled")
        with self._body_lock:
            if self._in_body and threading.get_ident() != self._main_thread:
                signal.pthread_kill(self._main_thread, signal.SIGINT)
        return was

    # what people see

    def views(self) -> list[TaskView]:
        """Every task: those of the session as they were defined, then what only the store has, oldest first."""
        shown = {name: view_of_facts(facts, self._stale(facts)) for name, facts in self._facts.items()}
        for record in self.records():
            facts = self._facts.get(record.task)
            if facts is None or (not facts.settled and facts.state is TaskState.PENDING):
                shown[record.task] = view_of_record(record, loaded=self._loaded.get(record.task) == record.key)
        return list(shown.values())

    def _stale(self, facts: Facts) -> str:
        """Which upstream output is another one now than the one that the result was made from; "" if none."""
        for item in facts.record.inputs if facts.record else ():
            known = self.ledger.known.get(item.name)
            changed = known is not None and item.kind == "task" and known.digest != item.digest
            if changed and known is not None and known.task != facts.definition.name and known.task == item.source:
                return f"input {item.name!r} from {known.task!r} is another one now; run this task again"
        return ""

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told whenever something that people see changed; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _changed(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _on_event(self, event: Event) -> None:
        facts = self._facts.get(event.task)
        if facts is not None and event.kind is EventKind.TASK_START:
            facts.state, facts.started, facts.result = TaskState.RUNNING, time.time(), None
        self._changed()

    def forget(self, names: Iterable[str]) -> None:
        """Drop what is saved of tasks, and the session's memory of them; values in the namespace stay."""
        names = list(names)
        self.registration.require(names)
        self.store.forget(names)
        for name in names:
            self._facts.pop(name, None)
            self._data.pop(name, None)
            self.runner.forget(name)
            self.ledger.forget(name)
        self._changed()

    def recompute(self, facts: Facts, names: Iterable[str]) -> bool:
        """Run a task again for outputs that could not be saved; its other outputs stay what they are."""
        data, definition = self.namespace.data, facts.definition
        others = [name for name in definition.outputs if name in data and name not in set(names)]
        kept = {name: (data[name], self.ledger.known.get(name)) for name in others}
        facts.definition = replace(definition, options=replace(definition.options, force=True))
        try:
            self._run(definition.name)
        finally:
            facts.definition = definition
        for name, (value, known) in kept.items():
            data[name] = value
            if known is not None:
                self.ledger.produced(name, known)
        return all(name in data for name in names)

    def data_of(self, record: Record, values: dict[str, Any]) -> None:
        """Note that a task's values are back; keep what a function task returned."""
        self._loaded[record.task] = record.key
        if RETURN in values:
            self._data[record.task] = values[RETURN]


def _not_defined() -> None:
    raise TaskFailed("this task is known from the store only; run its cell")
