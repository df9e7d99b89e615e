"""The session of one kernel: the tasks that its notebook defines, the store beside it, and what is known of both."""

from __future__ import annotations

import ast
import contextlib
import difflib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from milepost.analysis.digest import digest
from milepost.analysis.names import cell_names
from milepost.builder import TaskRunnerBuilder
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.functions import TaskFunction
from milepost.model.cancel import CancelSignal
from milepost.model.errors import (
    StoreError,
    TaskCancelled,
    TaskFailed,
    TaskGraphError,
    TaskPaused,
    UsageError,
)
from milepost.model.events import Event, EventKind
from milepost.model.graph import TaskGraph
from milepost.model.record import Input, Record
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot
from milepost.model.states import TaskState, TaskStatus
from milepost.model.task import Task
from milepost.model.view import TaskView
from milepost.notebook.body import cell_trace
from milepost.notebook.checkpoints import Checkpoints
from milepost.notebook.definition import RETURN, Definition, function_definition
from milepost.notebook.facts import Facts, view_of_facts, view_of_record
from milepost.notebook.inputs import InputResolver, fixed_inputs
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.location import cell_sources, notebook_path, store_path
from milepost.notebook.namespace import Namespace
from milepost.notebook.provider import Provider
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
        self.resolver = InputResolver(self.namespace, self.ledger, self.provider.provide, self._reload)
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

    def require(self, names: Iterable[str]) -> None:
        """Raise `UsageError` naming all tasks that do not exist."""
        known = self.known_names()
        unknown = [name for name in names if name not in known]
        if unknown:
            near = [match for name in unknown for match in difflib.get_close_matches(name, known, 1)]
            hint = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(known) or 'none yet'}"
            raise UsageError(f"no task is named {', '.join(map(repr, unknown))}{hint}")

    def _define(self, definition: Definition) -> Facts:
        """Register a task; a name of another cell, an unknown `--after` or a cycle changes nothing."""
        self._refuse_second(definition)
        self.require_after(definition)
        task = self._task(definition)
        others = [other for name, other in self.runner.tasks.items() if name != definition.name]
        TaskGraph([*others, task], given=self.known_names()).validate()
        self.runner.add(task, replace=True)
        facts = self._facts.setdefault(definition.name, Facts(definition))
        facts.definition, facts.after = definition, task.dependencies
        return facts

    def _task(self, definition: Definition) -> Task:
        options, function = definition.options, definition.function
        condition = options.condition
        return Task(
            name=definition.name,
            run=definition.body,
            dependencies=self._dependencies(definition),
            priority=function.options.priority if function else options.priority,
            condition=(lambda _: self._holds(condition)) if condition else None,
            retry=options.retry,
            loop=function.options.loop if function else None,
            continue_on_error=function.options.continue_on_error if function else options.continue_on_error,
        )

    def _holds(self, condition: str) -> Any:
        """What an `--if` comes to; names that only a checkpoint provides are restored for it."""
        for name in self.provider.needed(cell_names(ast.parse(condition)).reads):
            self.provider.provide(name)
        return eval(condition, self.namespace.data)

    def _dependencies(self, definition: Definition) -> tuple[str, ...]:
        """Tasks named by `--after`, and those whose outputs the code reads, as far as it shows."""
        found = dict.fromkeys(definition.options.after)
        for name in (*definition.reads, *definition.upstream):
            found.update(dict.fromkeys(self._sources(definition.name, name)))
        found.pop(definition.name, None)
        return tuple(found)

    def _sources(self, reader: str, name: str, depth: int = 0) -> list[str]:
        """The tasks behind a name: its producer, or those behind what the plain cell read that bound it."""
        value = self.namespace.data.get(name)
        if isinstance(value, TaskFunction):
            return [value.name]
        if producer := self.ledger.producer(name, reader):
            return [producer]
        if name not in self.namespace.data and (record := self.provider.record_for(name)):
            return [record.task]
        origin = self.ledger.origins.get(name)
        if origin is None or depth > 20:
            return []
        return [task for read in origin.reads for task in self._sources(reader, read, depth + 1)]

    def _refuse_second(self, definition: Definition) -> None:
        known = self._facts.get(definition.name)
        if known is None:
            return
        one, two = known.definition, definition
        other_cell = one.cell_id != two.cell_id if one.cell_id and two.cell_id else self._stands_twice(two.name)
        if bool(one.function) != bool(two.function) or (other_cell and not two.function):
            way = f"give one another name, or run `%tasks forget {two.name}` if its cell is gone"
            raise TaskGraphError([f"two cells are named {two.name!r}; {way}:\n{_cell(one)}\n{_cell(two)}"])

    def _stands_twice(self, name: str) -> bool:
        """Where the front end gives no cell ids: whether the notebook's file has two task cells of that name."""
        path = self.notebook()
        heads = [source.splitlines()[0].split() for source in cell_sources(path) if source] if path else []
        return sum(head[:2] == ["%%task", name] for head in heads) > 1

    def require_after(self, definition: Definition) -> None:
        """Raise `TaskGraphError` for `--after` names that no task has."""
        known = self.known_names()
        for name in definition.options.after:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known) or 'none yet'}"
                raise TaskGraphError([f"task {definition.name!r} comes --after {name!r}, which does not exist{hint}"])

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

        def body() -> Any:
            with self.body():
                return function.function(**self._arguments(self._facts[function.name].definition))

        definition = function_definition(function, body)
        self._refuse_second(definition)
        facts = self._facts.setdefault(function.name, Facts(definition))
        facts.definition = definition
        self._changed()

    def result_of(self, function: TaskFunction[..., Any]) -> TaskResult:
        """A function's result: what it needs first, then itself, each restored where it is valid."""
        definition = self._facts[function.name].definition
        for name in (*definition.upstream, *function.options.after):
            self._settle(name, definition)
        facts = self._define(definition)
        self._hydrate(facts.after)
        return self._run(function.name)

    def _settle(self, name: str, definition: Definition) -> None:
        """Have an upstream function's result at hand; a cell's outputs are in the namespace, or saved."""
        facts = self._facts.get(name)
        if facts is not None and facts.definition.function is not None:
            facts.definition.function.result()
        elif facts is None and name not in self.namespace.data and not self.provider.provide(name):
            record = self.provider.record_of_task(name)
            if record is None:
                raise UsageError(
                    f"task {definition.name!r} needs {name!r}, but no task and no saved result has that name; "
                    f"give the parameter a default, or define {name!r} first"
                )
            self.provider.restore(record)

    def _arguments(self, definition: Definition) -> dict[str, Any]:
        return {name: self._argument(name)[0] for name in definition.upstream}

    def _argument(self, name: str) -> tuple[Any, str, Record | None, str]:
        """The data that a parameter receives: value, recorded digest, record, and the task it comes from."""
        facts = self._facts.get(name)
        if facts is not None and facts.definition.function is not None:
            recorded = next((item.digest for item in facts.outputs if item.name == RETURN), "")
            return self._data.get(name), recorded, facts.record, name
        known = self.ledger.known.get(name)
        if name in self.namespace.data:
            return (
                self.namespace.data[name],
                known.digest if known else "",
                known.record if known else None,
                (known.task if known else ""),
            )
        outputs = [n for n, k in self.ledger.known.items() if k.task == name and n in self.namespace.data]
        value = {n: self.namespace.data[n] for n in outputs}
        return value[outputs[0]] if len(outputs) == 1 else value, "", None, name

    def argument_inputs(self, definition: Definition) -> dict[str, Input]:
        """A function's parameters as inputs: upstream data by content, defaults by value."""
        if definition.function is None:
            return {}
        found = fixed_inputs(definition.function.function, self.namespace.data)
        for name in definition.upstream:
            value, recorded, record, source = self._argument(name)
            content = digest(value, self.namespace.data)
            local = content.hex
            stands = bool(recorded) and (not local or local == recorded or self._same(record, name, local))
            counts = recorded if stands else local
            kind, text = ("task", "") if counts else ("opaque", content.opaque)
            found[name] = Input(name=name, kind=kind, digest=counts, text=text, source=source)
        return found

    def _same(self, record: Record | None, name: str, local: str) -> bool:
        if record is None:
            return False
        output = RETURN if record.extra.get("function") else name
        restored = self._reload(Known(record.task, "", record), output)
        return restored is not None and digest(restored, self.namespace.data).hex == local

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
        self.require(names)
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


def _cell(definition: Definition) -> str:
    """Which cell a definition is, with its first lines, for an error."""
    lines = definition.source.strip().splitlines()
    shown = [*lines[:4], *(["…"] if len(lines) > 4 else [])]
    head = f"    cell {definition.cell_id}:" if definition.cell_id else "    cell:"
    return "\n".join([head, *(f"        {line}" for line in shown)])
