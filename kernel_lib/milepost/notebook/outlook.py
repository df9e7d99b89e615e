"""What would happen if a task's cell ran now. Nothing is run, restored or saved to find out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import MilepostError
from milepost.model.once import Standing
from milepost.model.reasons import Reason
from milepost.model.record import Input, Record
from milepost.notebook.definition import Definition
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver, Stands
from milepost.notebook.ledger import Ledger
from milepost.notebook.namespace import Namespace
from milepost.notebook.resolution import Resolution
from milepost.notebook.stage import Plan


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether a task would be `restored` now, and why or why not."""

    restored: bool
    why: Reason

    def to_json(self) -> dict[str, Any]:
        """The outlook as plain JSON data."""
        return {"restored": self.restored, **self.why.to_json()}


class Provides(Protocol):
    """What knows the records of names that are not bound; `Provider` is one."""

    def record_for(self, name: str) -> Record | None: ...


class Plans(Protocol):
    """What says which record is valid; `CheckpointStrategy` is one."""

    def unset(self, resolver: InputResolver, definition: Definition) -> frozenset[str]: ...
    def resolution(self, resolver: InputResolver, definition: Definition, unset: frozenset[str]) -> Resolution: ...
    def planned(self, facts: Facts, resolution: Resolution) -> Plan: ...


class Desk(Protocol):
    """What it needs of the session."""

    namespace: Namespace
    ledger: Ledger
    stands: Stands

    @property
    def provider(self) -> Provides: ...
    @property
    def strategy(self) -> Plans: ...
    @property
    def store(self) -> LocalStore: ...


class _NothingGiven:
    """Leaves unbound what is not bound."""

    def needed(self, names: Iterable[str]) -> list[str]:
        return []

    def provide(self, name: str) -> bool:
        return False


def outlook(desk: Desk, facts: Facts, definition: Definition) -> Outlook | None:
    """What would happen now, with the code of `definition`; None where only running it could tell."""
    if definition.options.once and (state := desk.store.once.look(definition.name)).standing is not Standing.FREE:
        return Outlook(True, state.reason) if state.standing is Standing.DONE else None
    resolver = InputResolver(desk.namespace, desk.ledger, _NothingGiven(), desk.stands)
    known = replace(facts, definition=definition)
    try:
        unset = desk.strategy.unset(resolver, definition)
        plan = _plan(desk, resolver, known, unset)
        if plan.record is None and unset:
            plan = _plan(desk, resolver, known, frozenset())
    except MilepostError:
        return None
    return Outlook(plan.record is not None, plan.why)


def _plan(desk: Desk, resolver: InputResolver, facts: Facts, unset: frozenset[str]) -> Plan:
    """What would be found out about a task; names that are to be restored for it count as they will be then."""
    found = desk.strategy.resolution(resolver, facts.definition, unset)
    for name in [name for name, item in found.inputs.items() if item.kind == "missing" and name not in unset]:
        found.inputs[name] = _as_saved(name, desk.provider.record_for(name)) or found.inputs[name]
    return desk.strategy.planned(facts, found)


def _as_saved(name: str, record: Record | None) -> Input | None:
    """A name that a restored task will give, as it will be then."""
    output = next((output for output in record.outputs if output.name == name), None) if record else None
    if record is None or output is None:
        return None
    return Input(name=name, kind="task", digest=output.digest, text=output.type, source=record.task)
