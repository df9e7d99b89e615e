"""A task in the main thread, in the user's namespace, like any cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from milepost.model.record import Record
from milepost.model.result import TaskResult
from milepost.notebook import away
from milepost.notebook.activity import Activities, Activity
from milepost.notebook.ambient.ambient import Ambient, with_state
from milepost.notebook.away import Away, runs_away
from milepost.notebook.capture import keep_values, recording, replay
from milepost.notebook.checkpoints import Checkpoints, Saved
from milepost.notebook.definition import RETURN
from milepost.notebook.entangled import Entangled, unread
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.namespace import Before, state_of
from milepost.notebook.provider import Provider
from milepost.notebook.random_state import drawn, read_states, restore_states, state_digests
from milepost.notebook.recorder import Recorder
from milepost.notebook.seeding import Seeding
from milepost.notebook.stage import Left, Plan, Restored
from milepost.notebook.stamp import stamp
from milepost.notebook.ties import tied
from milepost.ports import ExecutionStrategy, TaskCall


class Desk(away.Desk, Protocol):
    """What the foreground needs of the session."""

    ledger: Ledger
    resolver: InputResolver
    provider: Provider
    ambient: Ambient
    activities: Activities

    @property
    def checkpoints(self) -> Checkpoints: ...


class Foreground:
    """The stage of a cell, or of a function, that runs here and now."""

    def __init__(self, desk: Desk, facts: Facts) -> None:
        self._desk = desk
        self.facts = facts
        self.resolver = desk.resolver

    @property
    def checkpoints(self) -> Checkpoints:
        """Saving and restoring the user's own variables."""
        return self._desk.checkpoints

    def plan(self) -> Plan | None:
        """Nothing is known beforehand."""
        return None

    def live(self, name: str) -> Any:
        """A variable of the user; one that only a checkpoint has is restored, as what comes back goes on holding it."""
        self._desk.provider.provide(name)
        return self._desk.namespace.data.get(name)

    def note(self, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
        """A stamp in the cell."""
        stamp(self._desk.shell, text, symbol=symbol, warning=warning)

    def enter(self, restored: Restored) -> None:
        """At once."""
        self._desk.ambient.restore(restored.state)

    def give_back(self, plan: Plan, record: Record, restored: Restored) -> None:
        """Bind what was saved, put generators where they were left, and show the outputs again."""
        data, ledger = self._desk.namespace.data, self._desk.ledger
        for name in record.deleted:
            data.pop(name, None)
        for output in record.outputs:
            if output.unsaved:
                data.pop(output.name, None)
            elif output.name != RETURN:
                data[output.name] = restored.values[output.name]
            if output.name != RETURN:
                ledger.produced(output.name, Known(record.task, output.digest, record))
        restore_states(restored.states)
        replay(self._desk.shell, restored.shown)
        keep_values(self._desk.shell, restored.kept)

    def run(self, inner: ExecutionStrategy, call: TaskCall, plan: Plan) -> tuple[TaskResult, Left | None]:
        """Every variable is compared before and after: real mutations hit names that no code shows."""
        desk = self._desk
        with desk.activities.running(self._roots(plan)) as activity:
            with desk.namespace.remembering():
                before, others = desk.namespace.fix(), Entangled(desk.namespace, plan.resolution.inputs)
            digests, found = state_digests(read_states()), desk.ambient.read()
            call.signal.raise_if_cancelled()  # looking things up may have taken long
            elsewhere, seeding = Away(desk, plan.facts) if runs_away(plan.facts) else None, Seeding()
            with recording(desk.shell) as recorder, seeding.watching(desk.namespace.data):
                result = elsewhere.execute(inner, call) if elsewhere else inner.execute(call)
            if result.ok:
                left = self._left(plan, result, before, recorder, activity)
                left = self._tied(plan, before, others, left)
                if elsewhere is None:
                    left = with_state(desk.ambient, found, plan, left)
                seeds = desk.seeds.mentioned_with(plan.definition.code)
                here = drawn(digests, desk.seeds, seeding.noted, loads=seeds)
                random_before, random_after = elsewhere.random if elsewhere else here
                return result, replace(left, random_before=random_before, random_after=random_after)
        names = desk.namespace.changes(before).bound
        desk.ledger.bound(names, plan.definition.code, plan.definition.reads)
        return result, None

    def _roots(self, plan: Plan) -> list[Any] | None:
        """What the body starts from; None where that may be anything."""
        data = self._desk.namespace.data
        opaque = plan.definition.names.opaque
        return None if opaque else [data[name] for name in plan.resolution.inputs if name in data]

    def _left(
        self,
        plan: Plan,
        result: TaskResult,
        before: Before,
        recorder: Recorder,
        activity: Activity,
    ) -> Left:
        namespace, definition = self._desk.namespace, plan.definition
        assigned = () if definition.function else definition.outputs
        changes = namespace.changes(before, [name for name in assigned if name in namespace.data])
        mutated, unsure = activity.own(changes.mutated, namespace.data)
        names = dict.fromkeys((*changes.bound, *mutated))
        values = {name: namespace.data[name] for name in names}
        if definition.function:
            values[RETURN] = result.data
        return Left(
            values=values,
            mutated=mutated,
            deleted=changes.deleted,
            display=recorder.to_bytes(),
            kept=tuple(recorder.values),
            obstacle=_argument(plan) or unsure or tied(namespace.data, values),
        )

    def _tied(self, plan: Plan, before: Before, others: Entangled, left: Left) -> Left:
        """With what hangs together with what it changed, and what that holds on.

        Inputs that the body left as they were and whose names it bound anew or deleted are held on, too:
        `x, y = y, x` keeps both objects.
        """
        inputs, names = plan.resolution.inputs, dict.fromkeys((*left.values, *left.deleted))
        gone = [name for name in names if name in others and name not in left.mutated]
        as_found = {name: before.values[name] for name in gone if self._is_as_found(name, before)}
        altered = {*left.mutated, *(name for name in gone if name not in as_found)}
        told, obstacle = others.told(altered, names), others.hidden(altered, names)
        return replace(
            left,
            obstacle=left.obstacle or obstacle,
            observed=(*told, *unread(sorted(altered), {*inputs, *(item.name for item in told)}, before.digests)),
            shared={**others.held(altered, names), **{n: as_found[n] for n in as_found if n in inputs}},
        )

    def _is_as_found(self, name: str, before: Before) -> bool:
        return state_of(before.values[name], self._desk.namespace.home) == before.digests[name]

    def keep(self, plan: Plan, left: Left, saved: Saved) -> None:
        """The values are in place; remember where they came from."""
        for output in saved.outputs:
            if output.name != RETURN:
                self._desk.ledger.produced(output.name, Known(plan.definition.name, output.digest, saved.record))


def _argument(plan: Plan) -> str:
    """Why the result of a function that changed an argument must not be saved."""
    changed = ", ".join(repr(name) for name in plan.facts.changed)
    return f"it changed its argument {changed}; have it return a new value instead" if changed else ""
