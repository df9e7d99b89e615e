"""The strategy that gives back what is saved: look up, else run and save. Wraps the strategies that run bodies."""

from __future__ import annotations

import contextlib
import secrets
import sys
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from milepost.analysis.code import digest_text
from milepost.analysis.validity import explain, package_changes, task_key
from milepost.checkpoint.local import LocalStore
from milepost.model.errors import CorruptCheckpointError, StoreError, UntrustedError
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Input, Record
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.notebook.ambient.ambient import Ambient, sources
from milepost.notebook.arguments import Arguments
from milepost.notebook.checkpoints import Outcome, Saved, unsaved_names
from milepost.notebook.definition import RETURN, Definition
from milepost.notebook.entangled import disentangled, let_go
from milepost.notebook.facts import Facts, before
from milepost.notebook.inputs import InputResolver
from milepost.notebook.midway.keeper import Midway
from milepost.notebook.namespace import Namespace
from milepost.notebook.observed.observer import Observer, told
from milepost.notebook.once import HappensOnce
from milepost.notebook.random_state import Seeds, random_mismatch
from milepost.notebook.recorder import outputs_from_bytes
from milepost.notebook.resolution import Resolution
from milepost.notebook.stage import Left, Plan, Restored, Stage
from milepost.notebook.troubles import Troubles
from milepost.ports import ExecutionStrategy, TaskCall
from milepost.tracking.scope import keeper
from milepost.widget.ages import age
from milepost.widget.words import duration

PATIENCE = 10.0
"""Seconds for which a task that kept loops, so one of many seconds, waits for the disk."""


class Desk(Protocol):
    """What the strategy needs of the session."""

    arguments: Arguments
    troubles: Troubles
    seeds: Seeds
    namespace: Namespace
    ambient: Ambient
    observer: Observer
    shell: Any
    can_resume: bool

    @property
    def ran(self) -> Container[str]: ...
    def all_facts(self) -> list[Facts]: ...
    @property
    def store(self) -> LocalStore: ...
    def changed(self) -> None: ...
    def stage(self, name: str) -> Stage: ...
    def key_of(self, name: str) -> str: ...
    def evicted(self, name: str) -> str: ...


class CheckpointStrategy:
    """Restores a task's saved result where it is valid now; else has `inner` run the body, and saves what it left."""

    keeps_once = True

    def __init__(self, inner: ExecutionStrategy, desk: Desk) -> None:
        self._inner = inner
        self._desk = desk
        self._once = HappensOnce(self, lambda: desk.store)

    def execute(self, call: TaskCall) -> TaskResult:
        """The task's result, restored or computed."""
        stage = self._desk.stage(call.task.name)
        plan = stage.plan() or self.plan(stage)
        if plan.definition.options.once:
            return self._once.execute(stage, call, plan)
        if self._in_memory(plan) and plan.facts.result is not None:
            return plan.facts.result
        restored = self.restore(stage, plan)
        if restored is not None:
            self._forget_loops(plan.definition)
        return restored or self.run(stage, call, plan)

    @staticmethod
    def _in_memory(plan: Plan) -> bool:
        """Whether this session has a function's data at hand: asking twice gives the same object."""
        facts, definition = plan.facts, plan.definition
        known = facts.result is not None and facts.result.ok and facts.key == plan.key
        return known and definition.function is not None and not definition.options.force

    # looking up

    def plan(self, stage: Stage) -> Plan:
        """The task's inputs as they are now, its key, and its valid record if there is one."""
        resolver, definition = stage.resolver, stage.facts.definition
        if unset := self.unset(resolver, definition):
            plan = self.planned(stage.facts, self.resolution(resolver, definition, unset))
            if plan.record is not None or self._goes_on(plan):
                return plan
        return self.planned(stage.facts, self.resolution(resolver, definition))

    def unset(self, resolver: InputResolver, definition: Definition) -> frozenset[str]:
        """Names that the task reads and that are unbound now, as they were when something of it was saved or kept.

        So is the variable of a loop that is read after it. What others have left under that name since is not restored
        for the task, where it is as it was without.
        """
        store, name = self._desk.store, definition.name
        unbound = resolver.unbound(definition)
        if not unbound or store.partials.any(name):
            return unbound
        with contextlib.suppress(StoreError):
            return unbound & _missing_in(store.history(name))
        return frozenset()

    def _goes_on(self, plan: Plan) -> bool:
        """Whether loops are kept of a task with these inputs that has not ended yet."""
        partials, name = self._desk.store.partials, plan.definition.name
        return partials.any(name) and any((r.task, r.key) == (name, plan.key) for r in partials.unfinished())

    def resolution(
        self, resolver: InputResolver, definition: Definition, unset: frozenset[str] = frozenset()
    ) -> Resolution:
        """All inputs of a task as they are now, or as they are with some names unbound."""
        found = resolver.resolve(definition, unset=unset)
        arguments = self._desk.arguments.inputs(definition)
        found.inputs.update(arguments)
        found.inputs.update(self._after(definition))
        found.blockers.update({name: item.text for name, item in arguments.items() if item.kind == "opaque"})
        return found

    def planned(self, facts: Facts, resolution: Resolution) -> Plan:
        """The key that follows from the inputs, and the valid record if there is one."""
        definition = facts.definition
        key = task_key(definition.key_name, definition.code_digest, resolution.inputs)
        why, record = self._look_up(definition, key, resolution)
        return Plan(definition, facts, resolution, key, why, record)

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
            words = "it was run again, and may come to something else" if definition.automatic else "--force"
            return Reason(ReasonKind.FORCED, words), None
        if resolution.blockers:
            return _blocked(resolution.blockers), None
        return self._valid(definition, key, resolution, history)

    def _valid(
        self, definition: Definition, key: str, resolution: Resolution, history: Iterable[Record]
    ) -> tuple[Reason, Record | None]:
        newest, untrusted, drawn = None, False, ""
        self._desk.ambient.watch(sources(definition, resolution))
        found = self._desk.ambient.read(counted=True)
        now = self._desk.observer.now()
        again = definition.name in self._desk.ran
        for record in history:
            newest = newest or record
            if record.key != key or record.extra.get("blocked"):
                continue
            untrusted = untrusted or not record.trusted
            mismatch = random_mismatch(record, self._desk.seeds) or self._desk.ambient.mismatch(record, found)
            mismatch = mismatch or told(self._desk.observer.differences(record.observed, again=again, now=now))
            mismatch = mismatch or disentangled(record, self._desk.namespace)
            drawn = drawn or mismatch
            if record.trusted and not mismatch:
                return _restored(record), record
        if drawn:
            return Reason(ReasonKind.INPUT_CHANGED, drawn), None
        if untrusted:
            return Reason(ReasonKind.UNTRUSTED, "what is saved was saved under another user's key"), None
        if newest is None and (when := self._desk.evicted(definition.name)):
            words = f"its result had to make room on {when[:10]}, as the store has a size limit"
            return Reason(ReasonKind.EVICTED, f"{words} (see `%tasks config`)"), None
        return explain(definition.code, resolution.inputs, newest, self._desk.ran), None

    # restoring

    def restore(self, stage: Stage, plan: Plan) -> TaskResult | None:
        """What is saved and valid, put in place; None where there is nothing, or it cannot be read, which is told."""
        result = self.give_back(stage, plan)
        if result is None and plan.record is not None and plan.facts.why is not None:
            stage.note(f"runs again: {plan.facts.why.text}", symbol="⚠", warning=True)
        return result

    def give_back(self, stage: Stage, plan: Plan) -> TaskResult | None:
        """The record of a plan, put in place; None where there is none, or why it cannot be read in `facts.why`."""
        facts = plan.facts
        facts.key, facts.why, facts.unsaved = plan.key, plan.why, ""
        name = plan.definition.name
        sources = before(self._desk.all_facts(), name, plan.resolution.sources(name))
        facts.after = tuple(dict.fromkeys((*facts.after, *sources)))
        if plan.record is None:
            return None
        try:
            return self._restore(stage, plan, plan.record)
        except UntrustedError as error:
            facts.why = Reason(ReasonKind.UNTRUSTED, str(error))
        except CorruptCheckpointError as error:
            facts.why = Reason(ReasonKind.CORRUPT, f"its checkpoint is damaged: {error}")
        except StoreError as error:
            facts.why = Reason(ReasonKind.NOT_RESTORABLE, str(error))
        return None

    def _restore(self, stage: Stage, plan: Plan, record: Record) -> TaskResult:
        """Read everything first, so that a damaged part changes nothing."""
        checkpoints, facts = stage.checkpoints, plan.facts
        values, kept = checkpoints.values_and_kept(record, stage.live)
        if words := let_go(record, self._desk.namespace):  # of what was restored for it just now
            raise StoreError(words)
        shown = outputs_from_bytes(checkpoints.display(record))
        restored = Restored(values, shown, checkpoints.random(record), checkpoints.state(record), kept)
        stage.enter(restored)
        facts.record, facts.outputs, facts.seconds = record, record.outputs, record.seconds
        facts.observed = record.observed
        self._desk.observer.given_back(record.observed)
        self._say_restored(stage, record, plan.resolution)
        stage.give_back(plan, record, restored)
        return TaskResult(TaskStatus.SUCCESS, data=task_data(plan.definition, values), restored=True)

    def _say_restored(self, stage: Stage, record: Record, resolution: Resolution) -> None:
        words = f"restored: saved {duration(record.seconds)} of work, {age(record.saved_at)}"
        for name, reason in unsaved_names(record.outputs).items():
            words += f"; {name!r} is not there ({reason})"
            words += "" if record.once else ": it is computed again when something needs it"
        stage.note(words)
        if changes := package_changes(record, resolution.inputs):
            text = f"saved with another version of {', '.join(changes)}; --force computes it anew"
            stage.note(text, symbol="⚠", warning=True)

    # running

    def run(self, stage: Stage, call: TaskCall, plan: Plan) -> TaskResult:
        """Have the body run, and save what it left."""
        midway = Midway(self._desk, stage, plan)
        with self._desk.observer.watching(plan) as watch, _kept_by(midway, call) as call:
            result, left = stage.run(self._inner, call, plan)
        if midway.stuck is not None and left is not None:  # the body went on with what was put back half
            raise midway.stuck
        plan.facts.seconds = seconds = midway.seconds
        if left is None:
            return result
        self.save(stage, plan, self._desk.observer.complete(watch, plan, left), seconds)
        self._forget_loops(plan.definition)
        return TaskResult(
            result.status, result.message, data=task_data(plan.definition, left.values), metrics=result.metrics
        )

    def _forget_loops(self, definition: Definition) -> None:
        """Only once what is saved survives a power loss, which could cost both else; what stays goes another time."""
        store, name = self._desk.store, definition.name
        if store.partials.any(name) and (definition.options.save == "never" or store.flush(PATIENCE)):
            store.partials.forget([name])

    def save(self, stage: Stage, plan: Plan, left: Left, seconds: float) -> None:
        """Write what a body left to the store, or say why not, and put it in place."""
        plan, left = self._without_damage(plan, left)
        saved = self.write(stage, plan, left, seconds)
        self._note_saved(stage, plan, saved)
        stage.keep(plan, left, saved)

    def write(self, stage: Stage, plan: Plan, left: Left, seconds: float) -> Saved:
        """Write what a task left to the store, if that can be."""
        return stage.checkpoints.save(_outcome(plan, left, seconds))

    def _without_damage(self, plan: Plan, left: Left) -> tuple[Plan, Left]:
        """What was computed from damaged data is not saved, and counts under a key that nothing else has."""
        self._desk.store.settle()
        reason = self._desk.troubles.behind(plan.resolution.inputs.values(), plan.found)
        if not reason:
            return plan, left
        plan.facts.key = digest_text(plan.key, secrets.token_hex(16))
        return replace(plan, key=plan.facts.key), replace(left, obstacle=left.obstacle or reason)

    @staticmethod
    def _note_saved(stage: Stage, plan: Plan, saved: Saved) -> None:
        facts = plan.facts
        facts.record, facts.outputs, facts.unsaved = saved.record, saved.outputs, saved.unsaved
        left_out = unsaved_names(saved.outputs)
        if left_out:
            facts.unsaved = "; ".join(f"{name!r}: {reason}" for name, reason in left_out.items())
        if facts.unsaved and plan.definition.options.save != "never":
            words = "runs each time" if plan.definition.automatic else "not saved"
            stage.note(f"{words}: {facts.unsaved}", symbol="⚠", warning=True)


@contextlib.contextmanager
def _kept_by(midway: Midway, call: TaskCall) -> Iterator[TaskCall]:
    """The call of a body whose loops are kept; each attempt begins with the first of them."""

    def retrying(*words: Any) -> None:
        midway.again()
        call.retrying(*words)

    token = keeper.set(midway)
    try:
        yield call._replace(retrying=retrying)
    finally:
        keeper.reset(token)


def _outcome(plan: Plan, left: Left, seconds: float) -> Outcome:
    return Outcome(
        definition=plan.definition,
        key=plan.key,
        resolution=plan.resolution,
        values=left.values,
        mutated=left.mutated,
        deleted=left.deleted,
        display=left.display,
        seconds=seconds,
        peak_bytes=left.peak_bytes or _peak_bytes(),
        why=plan.facts.why or plan.why,
        after=plan.facts.after,
        obstacle=left.obstacle,
        random_before=left.random_before,
        random_after=left.random_after,
        lost=left.lost,
        state=left.state,
        observed=left.observed,
        shared=left.shared,
        kept=left.kept,
        keeps=left.keeps,
        once=plan.once,
    )


def task_data(definition: Definition, values: dict[str, Any] | Any) -> Any:
    """What dependents get of a task: a function's return value; of a cell, the output that bears its name, the only
    one it has, or all of them by name."""
    if definition.function:
        return values.get(RETURN)
    if definition.name in values:
        return values[definition.name]
    return next(iter(values.values())) if len(values) == 1 else dict(values)


def _missing_in(history: Iterable[Record]) -> frozenset[str]:
    """The names that were not bound when some of these results came about."""
    return frozenset(item.name for record in history for item in record.inputs if item.kind == "missing")


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
