"""The strategy that gives back what is saved: look up, else run and save. Wraps the strategies that run bodies."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from milepost.model.errors import CorruptCheckpointError, StoreError, UntrustedError
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Input, Record
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.notebook.arguments import Arguments
from milepost.notebook.capture import recording, replay
from milepost.notebook.checkpoints import Checkpoints, Outcome, Saved, unsaved_names
from milepost.notebook.definition import RETURN, Definition
from milepost.notebook.describe import age
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.namespace import Before, Namespace
from milepost.notebook.random_state import read_states, restore_states, state_digests
from milepost.notebook.recorder import Recorder, outputs_from_bytes
from milepost.notebook.resolution import Resolution
from milepost.notebook.stamp import stamp
from milepost.notebook.validity import UNSEEDED, explain, package_changes, random_mismatch, task_key
from milepost.ports import ExecutionStrategy, Store, TaskCall
from milepost.widget.words import duration


class Desk(Protocol):
    """What the strategy needs of the session."""

    shell: Any
    namespace: Namespace
    ledger: Ledger
    resolver: InputResolver
    arguments: Arguments
    seeded: bool

    @property
    def store(self) -> Store: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    def facts(self, name: str) -> Facts: ...
    def ran(self) -> Iterable[str]: ...
    def key_of(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was found out before anything runs."""

    definition: Definition
    facts: Facts
    resolution: Resolution
    key: str
    why: Reason
    record: Record | None


class CheckpointStrategy:
    """Restores a task's saved result where it is valid now; else has `inner` run the body, and saves what it left."""

    def __init__(self, inner: ExecutionStrategy, desk: Desk) -> None:
        self._inner = inner
        self._desk = desk

    def execute(self, call: TaskCall) -> TaskResult:
        """The task's result, restored or computed."""
        plan = self._plan(call.task.name)
        facts = plan.facts
        if self._in_memory(plan) and facts.result is not None:
            return facts.result
        facts.key, facts.why, facts.unsaved = plan.key, plan.why, ""
        facts.after = tuple(dict.fromkeys((*call.task.dependencies, *plan.resolution.sources(call.task.name))))
        if plan.record is not None:
            restored = self._try_restore(plan, plan.record)
            if restored is not None:
                return restored
        return self._run(call, plan)

    @staticmethod
    def _in_memory(plan: _Plan) -> bool:
        """Whether this session has a function's data at hand: asking twice gives the same object."""
        facts, definition = plan.facts, plan.definition
        known = facts.result is not None and facts.result.ok and facts.key == plan.key
        return known and definition.function is not None and not definition.options.force

    # looking up

    def _plan(self, name: str) -> _Plan:
        desk = self._desk
        facts = desk.facts(name)
        definition = facts.definition
        resolution = desk.resolver.resolve(definition)
        arguments = desk.arguments.inputs(definition)
        resolution.inputs.update(arguments)
        resolution.inputs.update(self._after(definition))
        resolution.blockers.update({name: item.text for name, item in arguments.items() if item.kind == "opaque"})
        key = task_key(definition, resolution.inputs)
        why, record = self._look_up(definition, key, resolution)
        return _Plan(definition, facts, resolution, key, why, record)

    def _after(self, definition: Definition) -> dict[str, Input]:
        """Tasks named by `--after` count by their key: what they do besides binding names is not to be seen."""
        function = definition.function
        names = function.options.after if function else definition.options.after
        keys = {f"after {name}": self._desk.key_of(name) for name in names}
        return {name: Input(name=name, kind="after", digest=key, text=name) for name, key in keys.items()}

    def _look_up(self, definition: Definition, key: str, resolution: Resolution) -> tuple[Reason, Record | None]:
        try:
            history = self._desk.store.history(definition.name)
        except StoreError as error:
            return Reason(ReasonKind.NO_STORE, str(error)), None
        if definition.options.force:
            return Reason(ReasonKind.FORCED, "--force"), None
        if resolution.blockers:
            return _blocked(resolution.blockers), None
        return self._valid(definition, key, resolution, history)

    def _valid(
        self, definition: Definition, key: str, resolution: Resolution, history: Iterable[Record]
    ) -> tuple[Reason, Record | None]:
        newest, untrusted, drawn = None, False, ""
        digests = state_digests(read_states())
        for record in history:
            newest = newest or record
            if record.key != key or record.extra.get("blocked"):
                continue
            untrusted = untrusted or not record.trusted
            mismatch = random_mismatch(record, digests, self._desk.seeded)
            drawn = drawn or mismatch
            if record.trusted and not mismatch:
                return _restored(record), record
        if drawn:
            return Reason(ReasonKind.INPUT_CHANGED, drawn), None
        if untrusted:
            return Reason(ReasonKind.UNTRUSTED, "what is saved was saved under another user's key"), None
        return explain(definition, resolution.inputs, newest, self._desk.ran()), None

    # restoring

    def _try_restore(self, plan: _Plan, record: Record) -> TaskResult | None:
        try:
            return self._restore(plan, record)
        except UntrustedError as error:
            plan.facts.why = Reason(ReasonKind.UNTRUSTED, str(error))
        except CorruptCheckpointError as error:
            plan.facts.why = Reason(ReasonKind.CORRUPT, f"its checkpoint is damaged: {error}")
        except StoreError as error:
            plan.facts.why = Reason(ReasonKind.NOT_RESTORABLE, str(error))
        stamp(self._desk.shell, f"runs again: {plan.facts.why.text}", symbol="⚠", warning=True)
        return None

    def _restore(self, plan: _Plan, record: Record) -> TaskResult:
        """Read everything first, so that a damaged part changes nothing."""
        desk, checkpoints = self._desk, self._desk.checkpoints
        values = checkpoints.values(record, desk.namespace.data.get)
        shown = outputs_from_bytes(checkpoints.display(record))
        states = checkpoints.random(record)
        self._bind(record, values)
        restore_states(states)
        facts = plan.facts
        facts.record, facts.outputs, facts.seconds = record, record.outputs, record.seconds
        self._say_restored(record, plan.resolution)
        replay(desk.shell, shown)
        return TaskResult(TaskStatus.SUCCESS, data=task_data(plan.definition, values), restored=True)

    def _bind(self, record: Record, values: dict[str, Any]) -> None:
        data, ledger = self._desk.namespace.data, self._desk.ledger
        for name in record.deleted:
            data.pop(name, None)
        for output in record.outputs:
            if output.unsaved:
                data.pop(output.name, None)
            elif output.name != RETURN:
                data[output.name] = values[output.name]
            if output.name != RETURN:
                ledger.produced(output.name, Known(record.task, output.digest, record))

    def _say_restored(self, record: Record, resolution: Resolution) -> None:
        words = f"restored: saved {duration(record.seconds)} of work, {age(record.saved_at)}"
        for name, reason in unsaved_names(record.outputs).items():
            words += f"; {name!r} is not there ({reason}): it is computed again when something needs it"
        stamp(self._desk.shell, words)
        if changes := package_changes(record, resolution.inputs):
            text = f"saved with another version of {', '.join(changes)}; --force computes it anew"
            stamp(self._desk.shell, text, symbol="⚠", warning=True)

    # running

    def _run(self, call: TaskCall, plan: _Plan) -> TaskResult:
        desk = self._desk
        before, states = desk.namespace.fix(), read_states()
        digests = state_digests(states)
        begin = time.perf_counter()
        with recording(desk.shell) as recorder:
            result = self._inner.execute(call)
        plan.facts.seconds = seconds = time.perf_counter() - begin
        if not result.ok:
            names = desk.namespace.changes(before).bound
            desk.ledger.bound(names, plan.definition.code, plan.definition.reads)
            return result
        outcome = self._outcome(plan, result, before, recorder, digests, seconds)
        saved = desk.checkpoints.save(outcome)
        self._keep(plan, outcome, saved)
        return TaskResult(
            result.status, result.message, data=task_data(plan.definition, outcome.values), metrics=result.metrics
        )

    def _outcome(
        self,
        plan: _Plan,
        result: TaskResult,
        before: Before,
        recorder: Recorder,
        digests: dict[str, str],
        seconds: float,
    ) -> Outcome:
        namespace, definition = self._desk.namespace, plan.definition
        assigned = () if definition.function else definition.outputs
        changes = namespace.changes(before, [name for name in assigned if name in namespace.data])
        names = dict.fromkeys((*changes.bound, *changes.mutated))
        values = {name: namespace.data[name] for name in names}
        if definition.function:
            values[RETURN] = result.data
        states = read_states()
        drawn = {name for name, after in state_digests(states).items() if digests.get(name, after) != after}
        return Outcome(
            definition=definition,
            key=plan.key,
            resolution=plan.resolution,
            values=values,
            mutated=changes.mutated,
            deleted=changes.deleted,
            display=recorder.to_bytes(),
            seconds=seconds,
            peak_bytes=_peak_bytes(),
            why=plan.facts.why or plan.why,
            after=plan.facts.after,
            argument_changed=", ".join(repr(name) for name in plan.facts.changed),
            random_before={name: digests[name] if self._desk.seeded else UNSEEDED for name in drawn},
            random_after={name: states[name] for name in drawn},
        )

    def _keep(self, plan: _Plan, outcome: Outcome, saved: Saved) -> None:
        facts = plan.facts
        facts.record, facts.outputs, facts.unsaved = saved.record, saved.outputs, saved.unsaved
        for output in saved.outputs:
            if output.name != RETURN:
                self._desk.ledger.produced(output.name, Known(plan.definition.name, output.digest, saved.record))
        left_out = unsaved_names(saved.outputs)
        if left_out:
            facts.unsaved = "; ".join(f"{name!r}: {reason}" for name, reason in left_out.items())
        if facts.unsaved and plan.definition.options.save != "never":
            stamp(self._desk.shell, f"not saved: {facts.unsaved}", symbol="⚠", warning=True)


def task_data(definition: Definition, values: dict[str, Any] | Any) -> Any:
    """What dependents get of a task: a function's return value; of a cell, the output that bears its name, the only
    one it has, or all of them by name."""
    if definition.function:
        return values.get(RETURN)
    if definition.name in values:
        return values[definition.name]
    return next(iter(values.values())) if len(values) == 1 else dict(values)


def _restored(record: Record) -> Reason:
    text = f"nothing it depends on changed since it was saved {age(record.saved_at)}"
    return Reason(ReasonKind.RESTORED, text)


def _blocked(blockers: dict[str, str]) -> Reason:
    words = "; ".join(f"it reads {name!r}, and {reason}" for name, reason in blockers.items())
    return Reason(ReasonKind.NOT_FINGERPRINTED, words)


def _peak_bytes() -> int:
    """The largest resident size of this process so far, in bytes; 0 where the platform does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
