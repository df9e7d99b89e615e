"""The session of one kernel: the tasks that its notebook defines, the store beside it, and what is known of both."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from milepost.analysis.names import CellNames
from milepost.builder import TaskRunnerBuilder, processes
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.cancel import CancelSignal
from milepost.model.errors import StoreError, UsageError
from milepost.model.events import Event, EventKind
from milepost.model.record import Record
from milepost.model.result import TaskResult
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.notebook import capture
from milepost.notebook.activity import Activities, Activity
from milepost.notebook.ambient.ambient import Ambient
from milepost.notebook.arguments import Arguments
from milepost.notebook.auto.cells import AutoCells
from milepost.notebook.cells import Cells
from milepost.notebook.checkpoints import Checkpoints
from milepost.notebook.definition import RETURN, Definition
from milepost.notebook.doubts import Doubts
from milepost.notebook.facts import Facts, RanTasks
from milepost.notebook.foreground import Foreground
from milepost.notebook.functions import Functions
from milepost.notebook.inputs import InputResolver, Stands
from milepost.notebook.jobs import Jobs
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.location import notebook_path, store_path
from milepost.notebook.log import Log
from milepost.notebook.namespace import Namespace
from milepost.notebook.observed.observer import Observer
from milepost.notebook.orders import Orders
from milepost.notebook.provider import Provider
from milepost.notebook.random_state import Seeds
from milepost.notebook.registration import Registration
from milepost.notebook.relocation import Relocation
from milepost.notebook.remote import Results
from milepost.notebook.stage import Stage
from milepost.notebook.strategy import CheckpointStrategy
from milepost.notebook.troubles import Troubles
from milepost.notebook.views import Views
from milepost.notebook.waiting import Waiting
from milepost.ports import ExecutionStrategy, Executor
from milepost.widget.placing import Placing


class Session:
    """One notebook's tasks in one kernel. Runs cells and functions in the main thread; steered from any."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.namespace = Namespace(shell)
        self.ledger = Ledger()
        self.seeds = Seeds()
        self.ambient = Ambient(shell, lambda: self._home)
        self.observer = Observer(
            self.namespace.data,
            lambda: self._home,
            lambda data, purpose: self.store.authenticator().sign(data, purpose),
        )
        self.can_resume = False
        """Whether a Resume could arrive while the main thread waits: a front end answered on the control channel."""
        self.told_path: str | None = None
        self._home = Path.cwd()
        self.extended = False
        """Whether a page with the extension shows the notebook."""
        self.badges_comm_id = ""
        self.badges_seq = 0
        self.placing = Placing()
        self._facts: dict[str, Facts] = {}
        self.ran = RanTasks(self._facts)
        self._data: dict[str, Any] = {}
        self._loaded: dict[str, str] = {}
        """By task that only the store knows: the key of the record whose values were given back."""
        self._store: LocalStore | None = None
        self._signals: list[CancelSignal] = []
        """One for each task that waits or runs: a task may ask for another."""
        self._listeners: list[Callable[[], None]] = []
        self.logs: dict[str, Log] = {}
        """What tasks showed in the background, by task."""
        self.serializer = NotebookSerializer(self.namespace.data)
        self.provider = Provider(self)
        self.stands = Stands(self.namespace, self.reload)
        self.resolver = InputResolver(self.namespace, self.ledger, self.provider, self.stands)
        self.arguments = Arguments(self.namespace, self.ledger, self.provider, self.stands, self._facts, self._data)
        self.doubts = Doubts(self)
        self.registration = Registration(
            self.namespace,
            self.ledger,
            self.provider,
            self._facts,
            self.known_names,
            self.notebook,
            self._giving,
            self.doubts.giving,
        )
        builder = TaskRunnerBuilder().with_executor("main").on("*", self._on_event)
        self.runner = builder.use_strategy(self._checkpointing).build()
        self.activities = Activities()
        self.jobs = Jobs(self, self._call_soon)
        self.orders = Orders(self, self._call_soon)
        self.relocation = Relocation(self, self._call_soon)
        self.cells = Cells(self)
        self.auto = AutoCells(self)
        self._views = Views(self)
        self.waiting = Waiting(self)
        self.troubles = Troubles(self, self._call_soon, lambda: self.jobs.busy)
        self.functions = Functions(self)
        self._processes: Executor | None = None
        self._making = threading.Lock()

    def _checkpointing(self, inner: ExecutionStrategy) -> ExecutionStrategy:
        self.strategy = CheckpointStrategy(inner, self)
        return self.strategy

    def _call_soon(self, action: Callable[[], None]) -> None:
        """In the main thread, once it is free; a shell without a kernel looks before each cell."""
        loop = getattr(getattr(self.shell, "kernel", None), "io_loop", None)
        if loop is not None:
            loop.add_callback(action)

    def _giving(self, name: str, reader: str) -> str:
        job = self.jobs.giving(name, reader)
        return job.name if job is not None else ""

    # worker processes

    @property
    def processes(self) -> Executor:
        """Where bodies run in worker processes; large inputs that are in the store are read from there."""
        with self._making:
            if self._processes is None:
                self._processes = processes(lambda address: self.store.object_file(address))
            return self._processes

    def results_for(self, code: str, values: Iterable[Any]) -> Results:
        """What the `@task` functions among these values have come to, where the code asks for results at all."""
        return self.functions.results_for(code, values)

    def close(self) -> None:
        """End what runs, and the worker processes."""
        self.jobs.cancel()
        if self._processes is not None:
            self._processes.shutdown()

    # the store

    def log_of(self, name: str) -> Log:
        """A new log for a task that starts; without a file where none can be written."""
        try:
            self.logs[name] = Log(self.store.log(name))
        except StoreError:
            self.logs[name] = Log()
        return self.logs[name]

    @property
    def store(self) -> LocalStore:
        """The checkpoints beside the notebook; where that is, is settled the first time it is needed."""
        if self._store is None:
            notebook = self.notebook()
            self._home = (notebook.parent if notebook is not None else self._home).absolute()
            self.use_store(store_path(notebook))
        assert self._store is not None
        return self._store

    def use_store(self, path: Path) -> None:
        """Save to, and restore from, this store from now on."""
        store = LocalStore(path)
        store.on_trouble(self.troubles.come)
        self._store = store
        if store.paused.since:
            self.runner.pause()

    def notebook(self) -> Path | None:
        """The notebook's path, as far as it can be known."""
        history = [str(source) for source in self.shell.history_manager.input_hist_raw]
        tasks = [source for source in history if source.lstrip().startswith("%%task")]
        return notebook_path(self.namespace.data, self.told_path, tasks or history)

    @property
    def checkpoints(self) -> Checkpoints:
        """Saving to and restoring from the store."""
        return Checkpoints(self.store, self.serializer, self.namespace)

    def records(self) -> Sequence[Record]:
        """The newest record of each task; none where the store cannot be read."""
        try:
            return self.store.records()
        except StoreError:
            return ()

    def evicted(self, name: str) -> str:
        """When a result of a task last had to make room, "" where none had."""
        try:
            return self.store.view().evicted(name)
        except StoreError:
            return ""

    def reload(self, known: Known, name: str) -> Any:
        """One output built again from its record, None where that fails."""
        try:
            return self.checkpoints.values_beside(known.record, self.namespace.data.get)[name] if known.record else None
        except (StoreError, KeyError):
            return None

    # tasks

    def facts(self, name: str) -> Facts:
        """What is known of a task that this session defined."""
        return self._facts[name]

    def stage(self, name: str) -> Stage:
        """Where a task runs."""
        return self.functions.stage(name) or self.jobs.stage(name) or Foreground(self, self._facts[name])

    def fact_table(self) -> dict[str, Facts]:
        """What is known of the tasks of this session, by name: the table itself."""
        return self._facts

    def all_facts(self) -> list[Facts]:
        """All tasks that this session defined, in order."""
        return list(self._facts.values())

    def key_of(self, name: str) -> str:
        """The key of a task's result: the session's, else that of what is saved; "" where there is none."""
        facts = self._facts.get(name)
        record = self.provider.record_of_task(name)
        return (facts.key if facts else "") or (record.key if record else "")

    def known_names(self) -> list[str]:
        """Every task of the session and of the store."""
        return list(dict.fromkeys([*self._facts, *self._saved_names()]))

    def _saved_names(self) -> list[str]:
        try:
            return self.store.known()
        except StoreError:
            return []

    def define(self, definition: Definition, *, afresh: bool = False) -> Facts:
        """Register a task, `afresh` without what is known of its last run; what is refused changes nothing."""
        others = [other for name, other in self.runner.tasks.items() if name != definition.name]
        task = self.registration.task(definition, others)
        self.runner.add(task, replace=True, dependents=False)
        facts = Facts(definition) if afresh else self._facts.get(definition.name) or Facts(definition)
        self._facts[definition.name] = facts
        facts.definition, facts.after = definition, task.dependencies
        return facts

    # running

    def run_cell(self, definition: Definition) -> TaskResult | None:
        """Run or restore one `%%task` cell; raises what its body raised. None while it runs in the background."""
        _ = self.store  # opening it tells whether the run is paused
        return self.cells.run(definition)

    def settled(self, facts: Facts, result: TaskResult) -> None:
        """A task has ended: what people and other tasks see of it."""
        facts.settle(result)
        if result.ok:
            self._data[facts.definition.name] = result.data
        self.changed()

    def begin_cell(self, names: CellNames) -> Activity:
        """A plain cell starts: what it binds is as of now, whatever tasks in the background leave while it runs."""
        for name in names.binds:
            self.ledger.moments[name] = self.ledger.tick()
        reached = [self.namespace.data[name] for name in self.namespace.bound((*names.reads, *names.maybe))]
        return self.activities.begin(None if names.opaque else reached)

    @contextlib.contextmanager
    def cancellable(self) -> Iterator[CancelSignal]:
        """A signal that a cancel sets, from the moment on at which people see that the task waits or runs."""
        signal = CancelSignal()
        self._signals.append(signal)
        try:
            yield signal
        finally:
            self._signals.remove(signal)
            if signal.cancelled:
                self.changed()

    @property
    def cancelling(self) -> bool:
        """Whether what runs in the main thread was told to stop, and has not yet."""
        return any(signal.cancelled for signal in tuple(self._signals))

    def has_cell(self, name: str) -> bool:
        """Whether a task can be run from here: its code is known, and no cell that only counts as a task."""
        return name in self._facts and not self._facts[name].definition.automatic

    def hold_while_paused(self, facts: Facts) -> None:
        """Say that a task waits for Resume, where one could arrive; else refuse."""
        self.cells.wait_to_resume(facts)

    # steering, from any thread

    def pause(self) -> None:
        """Start no more tasks, and have loops wait between two items; also in kernels to come, until `resume`.

        Raises
        ------
        StoreError
            Where the store cannot be written: then the pause, which holds, ends with the kernel.
        """
        self.runner.pause()
        self.changed()
        self.store.paused.set(True)

    def resume(self) -> None:
        """Go on; see `pause`."""
        self.runner.resume()
        self.changed()
        self.store.paused.set(False)

    def cancel(self, name: str | None = None) -> bool:
        """Cancel the tasks that run or wait (only `name`, where given); whether there was one."""
        name = next(iter(self.named([name])), None) if name is not None else None
        cancelled = self.jobs.cancel(name)
        running = [f for f in self.all_facts() if f.state in (TaskState.RUNNING, TaskState.PAUSED)]
        here = {facts.definition.name for facts in running if not facts.in_background}
        if name is not None and name not in here:
            return cancelled
        signals = tuple(self._signals)
        for signal in signals:
            signal.cancel("cancelled")
        self.changed()
        return cancelled or bool(signals)

    # what people see

    def views(self, chosen: Collection[str] = ()) -> list[TaskView]:
        """Every task, or those chosen: the session's as they were defined, then what only the store has."""
        return self._views.all(chosen)

    def sources(self) -> dict[str, str]:
        """The text of each task's cell as it ran last, else as it was saved."""
        return self._views.sources()

    def named(self, words: Iterable[str]) -> tuple[str, ...]:
        """The tasks that are meant: by name, by what is shown in its place, or by the number of a cell that ran."""
        meant = {**self.auto.numbers, **{shown: name for name, shown in self._views.labels().items()}}
        return tuple(meant.get(word, word) for word in words)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Be told whenever something that people see changed; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def changed(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _on_event(self, event: Event) -> None:
        facts = self._facts.get(event.task)
        if facts is not None and event.kind is EventKind.TASK_START:
            facts.state, facts.started, facts.result = TaskState.RUNNING, time.time(), None
        if facts is not None and event.kind is EventKind.TASK_PROGRESS:
            facts.progress = event.message
        if facts is not None and event.result is not None and self._asked(facts):
            self.settled(facts, event.result)
        self.changed()

    def _asked(self, facts: Facts) -> bool:
        """Whether code may ask for a task's result at once: parts of maps, and functions, also those others need."""
        here = facts.definition.function is not None and not facts.in_background
        return here or self.functions.stage(facts.definition.name) is not None

    def forget(self, names: Iterable[str]) -> None:
        """Drop what is saved of tasks, and the session's memory of them; values in the namespace stay."""
        names = list(names)
        unfinished = {record.task for record in self.store.partials.unfinished()}
        self.registration.require(name for name in names if name not in unfinished)
        for job in (job for name in names for job in self.jobs.running(name)):
            raise UsageError(f"task {job.name!r} is running; `%tasks cancel {job.name}` first, then forget it")
        self.store.forget(names)
        for name in names:
            self.drop(name)
            self.logs.pop(name, None)
            self.ledger.forget(name)
        self.changed()

    def drop(self, name: str) -> None:
        """Have no task of this name in this session."""
        self._facts.pop(name, None)
        self._data.pop(name, None)
        self.runner.forget(name, dependents=False)

    def recompute(self, facts: Facts, names: Iterable[str]) -> bool:
        """Run a task again for outputs that could not be saved; its other outputs stay what they are."""
        data, definition = self.namespace.data, facts.definition
        others = [name for name in definition.outputs if name in data and name not in set(names)]
        kept = {name: (data[name], self.ledger.known.get(name)) for name in others}
        facts.definition = replace(definition, options=replace(definition.options, force=True))
        self.runner.add(replace(self.runner.tasks[definition.name], on=""), replace=True, dependents=False)
        try:
            with capture.unshown(self.shell):
                self.cells.run_here(definition.name)
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

    def given_back(self, record: Record) -> bool:
        """Whether the values of this record are those that a task, which only the store knows, has given back."""
        return self._loaded.get(record.task) == record.key

    def take_back(self, task: str) -> None:
        """What a task gave back is not what was saved."""
        self._loaded.pop(task, None)
        self._data.pop(task, None)
