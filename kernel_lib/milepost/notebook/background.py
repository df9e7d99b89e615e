"""A task beside the notebook: in a namespace of its own, in another thread."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Container, Iterable
from dataclasses import replace
from typing import Any, Protocol

from IPython.core.display_functions import display

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.errors import MilepostError
from milepost.model.record import Input, Record
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.notebook.activity import Activities, Activity
from milepost.notebook.ambient.ambient import Ambient, Snapshot, with_state
from milepost.notebook.body import cell_trace, show_figures
from milepost.notebook.capture import recording, show_value
from milepost.notebook.checkpoints import Checkpoints, Saved
from milepost.notebook.entangled import TIED, Entangled
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver, Stands
from milepost.notebook.interrupt import interruptible
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.log import Log
from milepost.notebook.namespace import SHELL_NAMES, Namespace, mutable
from milepost.notebook.private import Private
from milepost.notebook.publication import Publication
from milepost.notebook.random_state import Seeds, drawn, read_states, state_digests
from milepost.notebook.stage import Left, Plan, Restored
from milepost.notebook.stamp import Note
from milepost.notebook.steps import run_steps
from milepost.ports import ExecutionStrategy, Store, TaskCall

RANDOM = "the random generators"


class Desk(Protocol):
    """What the background needs of the session."""

    shell: Any
    namespace: Namespace
    ledger: Ledger
    activities: Activities
    seeds: Seeds
    ambient: Ambient

    @property
    def store(self) -> Store: ...
    @property
    def serializer(self) -> NotebookSerializer: ...
    def reload(self, known: Known, name: str) -> Any: ...


class _NothingMore:
    """Stands in for the provider: what only a checkpoint has was restored when the cell was run."""

    def needed(self, names: Iterable[str]) -> list[str]:
        """None."""
        return []

    def provide(self, name: str) -> bool:
        """Never."""
        return False


class Background:
    """The stage of one run of a task.

    Parameters
    ----------
    desk : Desk
    facts : Facts
        What people see of this run.
    log : Log
        Takes all that the task shows.
    may_save : callable
        Asked once the body has succeeded: whether the run still counts. From then on it cannot be cancelled.
    """

    def __init__(self, desk: Desk, facts: Facts, log: Log, may_save: Callable[[], bool]) -> None:
        self._desk = desk
        self._may_save = may_save
        self._plan: Plan | None = None
        self._activity: Activity | None = None
        self._before: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._found: Snapshot | None = None
        self._private: Private | None = None
        self.facts = facts
        self.log = log
        self.notes: list[Note] = []
        self.moment = desk.ledger.tick()
        self.inputs: dict[str, Any] = {}
        """Values by name, as they were when the cell was run."""
        self.ledger = desk.ledger.copy()
        self.left: Publication | None = None
        self._others: Entangled | None = None
        self._view = Namespace(desk.shell, self.inputs)
        stands = Stands(self._view, desk.reload)
        self.resolver = InputResolver(self._view, self.ledger, _NothingMore(), stands)

    # before

    def take(self, names: Iterable[str]) -> None:
        """Fix the values that these names, and what they read in turn, have in the notebook now."""
        self.inputs.update(self._desk.namespace.read_by(names, self.inputs))

    def take_over(self, names: Iterable[str], left: Publication | None) -> None:
        """Fix names as a task that has ended in the background left them."""
        outputs = {output.name: output for output in left.outputs} if left else {}
        for name in names:
            if left is not None and name in outputs and name in left.values:
                self.inputs[name] = left.values[name]
                self.ledger.produced(name, left.known(outputs[name]))
        given = [name for name in names if name in self.inputs]
        self.take([*self._view.reach(names), *self._view.read_in(given)])

    def begin(self) -> None:
        """From now on, what others change counts; the inputs are as they are now."""
        roots = None if self.facts.definition.names.opaque else self.inputs.values()
        self._activity = self._desk.activities.begin(roots)
        self._others = Entangled(self._desk.namespace, self.inputs)
        self._before = {name: self._view.state(name) for name, value in self.inputs.items() if mutable(value)}

    def settle_plan(self, plan: Plan) -> None:
        """Use what was found out about these very inputs."""
        self._plan = plan

    def end(self) -> None:
        """The run is over, whatever came of it."""
        if self._activity is not None:
            self._desk.activities.end(self._activity)

    # the stage

    @property
    def checkpoints(self) -> Checkpoints:
        """Saving and restoring beside the notebook."""
        return Checkpoints(self._desk.store, self._desk.serializer, self._view)

    def plan(self) -> Plan | None:
        """What was found out when the cell was run, if the task started at once."""
        if self._activity is None:
            self.begin()
        return self._plan

    def live(self, name: str) -> Any:
        """An input."""
        return self.inputs.get(name)

    def note(self, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
        """A line of the log, and of the note below the cell that started the task."""
        self.log.note(f"{symbol} {text}")
        self.notes.append(Note(text, symbol, warning))

    def enter(self, restored: Restored) -> None:
        """Later, when the names are bound."""

    def give_back(self, plan: Plan, record: Record, restored: Restored) -> None:
        """Leave what was saved, to be published."""
        self.log.absorb(restored.shown)
        self.left = Publication(
            task=record.task,
            moment=self.moment,
            values=restored.values,
            outputs=record.outputs,
            record=record,
            deleted=record.deleted,
            states=restored.states,
            found=record.extra.get("random", {}),
            state=restored.state,
        )

    def run(self, inner: ExecutionStrategy, call: TaskCall, plan: Plan) -> tuple[TaskResult, Left | None]:
        """The body, in a namespace of its own for each attempt."""
        self._digests, self._found = state_digests(read_states()), self._desk.ambient.read()
        result = self._executed(inner, call)
        if result.exception is not None:
            result.exception.__traceback__ = cell_trace(self._desk.shell, result.exception.__traceback__)
        if not result.ok:
            self._note_failure(result)
            return result, None
        if call.signal.cancelled or not self._may_save():
            return TaskResult(TaskStatus.CANCELLED, call.signal.reason or "cancelled"), None
        return result, self._left(plan)

    def keep(self, plan: Plan, left: Left, saved: Saved) -> None:
        """Leave what the body left, to be published."""
        self.left = Publication(
            task=plan.definition.name,
            moment=self.moment,
            values=left.values,
            outputs=saved.outputs,
            record=saved.record,
            deleted=left.deleted,
        )

    # the body

    def _executed(self, inner: ExecutionStrategy, call: TaskCall) -> TaskResult:
        with recording(self._desk.shell, self.log):
            return inner.execute(call._replace(task=replace(call.task, run=lambda: self._run(call))))

    def _run(self, call: TaskCall) -> None:
        shell = self._desk.shell
        self._private = Private(self.inputs, self._desk.namespace.home, self._tools())
        with interruptible(call.signal):
            run_steps(self.facts.definition.steps, self._private.data, lambda value: show_value(shell, value))
            show_figures()

    def _tools(self) -> dict[str, Any]:
        """What IPython gives every cell: partly in the namespace, partly while a cell runs."""
        home, shell = self._desk.namespace.home, self._desk.shell
        given = {"get_ipython": shell.get_ipython, "display": display}
        return {**given, **{name: home[name] for name in SHELL_NAMES if name in home}}

    def _left(self, plan: Plan) -> Left:
        private = self._private
        assert private is not None
        assigned = [name for name in plan.definition.outputs if name in private.data]
        bound = {**{name: private.data[name] for name in assigned}, **private.bound()}
        mutated, obstacle = self._mutations(name for name in private.kept() if name not in bound)
        values = {**private.homeward(bound), **{name: self.inputs[name] for name in mutated}}
        before, after = self._drawn(plan)
        gone = [name for name in (*bound, *private.deleted()) if self._changed(name)]
        entangled = self._entangled((*mutated, *gone), values)
        left = Left(
            values=values,
            mutated=mutated,
            deleted=private.deleted(),
            display=self.log.to_bytes(),
            obstacle=obstacle or _beside(entangled),
            random_before=before,
            random_after=after,
            observed=entangled,
        )
        return self._with_state(plan, left)

    def _entangled(self, altered: Collection[str], left: Container[str]) -> tuple[Input, ...]:
        """What hangs together with what it changed."""
        return self._others.told(altered, left) if self._others is not None else ()

    def _with_state(self, plan: Plan, left: Left) -> Left:
        """With what it changed of the state of the process, which may have been the doing of others."""
        assert self._found is not None
        ambient = self._desk.ambient
        left = with_state(ambient, self._found, plan, left)
        if not left.state or self._activity is None or not self._activity.met:
            return left
        words = f"{ambient.words(left.state)} changed while it ran, and another cell, which ran at the same time, "
        return replace(left, state={}, obstacle=left.obstacle or f"{words}may have done that")

    def _changed(self, name: str) -> bool:
        """Whether the object that it was given by this name changed in place."""
        return name in self._before and self._view.state(name) != self._before[name]

    def _mutations(self, names: Iterable[str]) -> tuple[tuple[str, ...], str]:
        """Inputs that the body changed in place; and why nothing must be saved, if others could have done it."""
        changed = [name for name in names if self._changed(name)]
        return self._activity.own(changed, self.inputs) if self._activity else (tuple(changed), "")

    def _drawn(self, plan: Plan) -> tuple[dict[str, str], dict[str, Any]]:
        """Random generators that moved; whether the body or another moved them only tells who ran alone."""
        before, after = drawn(self._digests, self._desk.seeds)
        if not before or self._activity is None or not self._activity.met:
            return before, after
        if self._desk.seeds.mentioned:
            plan.resolution.blockers[RANDOM] = "other cells, which ran at the same time, may have drawn from them too"
        return before, {}

    def _note_failure(self, result: TaskResult) -> None:
        error = result.exception
        if isinstance(error, MilepostError):  # where in this library it was raised helps nobody
            self.log.note("\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())]))
        elif error is not None and result.status is TaskStatus.FAILURE:
            self.log.note("".join(traceback.format_exception(error)))


def _beside(entangled: Iterable[Input]) -> str:
    """Why what it changed in place could not be put back everywhere: what it was not given holds it, too."""
    names = ", ".join(dict.fromkeys(repr(item.name) for item in entangled if item.kind == TIED))
    return f"it changed what hangs together with {names}, which it does not read" if names else ""
