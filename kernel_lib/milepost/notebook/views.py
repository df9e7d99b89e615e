"""What people see of the tasks of a session: each as a `TaskView`, cells that nobody marked by what they say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from milepost.checkpoint.local import LocalStore
from milepost.engine.runner import TaskRunner
from milepost.model.errors import StoreError
from milepost.model.once import OnceState, Standing
from milepost.model.record import Identity, Record
from milepost.model.states import BUSY, TaskState
from milepost.model.view import TaskView
from milepost.notebook.auto.naming import labels
from milepost.notebook.doubts import Doubts
from milepost.notebook.facts import Facts, as_kept, relabelled, view_of_facts
from milepost.notebook.ledger import Ledger
from milepost.notebook.log import Log
from milepost.notebook.troubles import Troubles
from milepost.widget.saved import view_in_doubt, view_of_record, view_of_unfinished


def _settled_here(facts: Facts | None, state: OnceState) -> bool:
    """Whether this session knows better: the task runs here, or what it left is there as long as this kernel."""
    if facts is None:
        return False
    return facts.in_background or facts.state in BUSY or (state.standing is Standing.IN_DOUBT and facts.done)


class Desk(Protocol):
    """What they need of the session."""

    ledger: Ledger
    logs: dict[str, Log]
    runner: TaskRunner
    troubles: Troubles
    doubts: Doubts

    @property
    def store(self) -> LocalStore: ...
    def records(self) -> Sequence[Record]: ...
    def fact_table(self) -> dict[str, Facts]: ...
    def given_back(self, record: Record) -> bool: ...


class Views:
    """Of one session."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def all(self, chosen: Collection[str] = ()) -> list[TaskView]:
        """Every task, or those chosen: the session's as they were defined, then what only the store has."""
        known, kept = self._known(), self._kept()
        took = {record.task: record.seconds for record in sorted((kept or {}).values(), key=lambda r: r.saved_at)}
        shown = {name: as_kept(self._view(facts, took), facts, kept) for name, facts in known.items()}
        for record in self._desk.records():
            facts = known.get(record.task)
            if facts is None or (not facts.settled and facts.state is TaskState.PENDING):
                view = view_of_record(record, loaded=self._desk.given_back(record))
                shown[record.task] = self._desk.troubles.marked(view, record)
        for record in self._unfinished():
            facts = known.get(record.task)
            begun = facts is not None and (facts.started is not None or facts.result is not None)
            if not begun and (facts is not None or record.task not in shown):
                view = view_of_unfinished(record, paused=self._desk.runner.paused)
                shown[record.task] = view if facts is None else replace(view, after=facts.after)
        for name, state in self._desk.doubts.unsettled().items():
            if not _settled_here(known.get(name), state):
                shown[name] = view_in_doubt(state, shown.get(name))
        called = self.labels()
        return [relabelled(view, called) for name, view in shown.items() if not chosen or name in chosen]

    def labels(self) -> dict[str, str]:
        """What people read in the place of the names of cells that nobody marked."""
        said = {record.task: record.automatic for record in self._desk.records()}
        known = {name: facts.definition for name, facts in self._known().items()}
        said.update({name: found.source if found.automatic else "" for name, found in known.items()})
        own = {name: line for name, line in said.items() if line}
        return labels(own.items(), set(said) - set(own))

    def sources(self) -> dict[str, str]:
        """The text of each task's cell as it ran last, else as it was saved: pages see what was edited since."""
        found = {record.task: record.extra.get("source") for record in self._desk.records()}
        found |= {name: facts.definition.source for name, facts in self._known().items()}
        return {name: text for name, text in found.items() if isinstance(text, str) and text.lstrip().startswith("%%")}

    def _known(self) -> dict[str, Facts]:
        """The tasks of the session, as of now: other threads add some."""
        return dict(self._desk.fact_table())

    def _kept(self) -> dict[Identity, Record] | None:
        """What the store holds now of the tasks of this session; None where it cannot be read."""
        names = {facts.record.task if facts.record else name for name, facts in self._known().items()}
        try:
            with self._desk.store.looking() as seen:
                return {record.identity: record for name in names for record in seen.history(name)}
        except StoreError:
            return None

    def _unfinished(self) -> list[Record]:
        try:
            return self._desk.store.partials.unfinished()
        except StoreError:
            return []

    def _view(self, facts: Facts, took: Mapping[str, float]) -> TaskView:
        view = view_of_facts(facts, self._stale(facts))
        held = facts.in_background and facts.state is TaskState.PENDING and self._desk.runner.paused
        log = facts.definition.name in self._desk.logs
        expected = view.expected if view.expected is not None else took.get(view.name)
        state = TaskState.PAUSED if held else view.state
        return replace(view, state=state, background=facts.in_background, log=log, expected=expected)

    def _stale(self, facts: Facts) -> str:
        """Which upstream output is another one now than the one that the result was made from; "" if none."""
        for item in facts.record.inputs if facts.record else ():
            known = self._desk.ledger.known.get(item.name)
            changed = known is not None and item.of_task and known.digest != item.digest
            if changed and known is not None and known.task != facts.definition.name and known.task == item.source:
                return f"input {item.name!r} from {known.task!r} is another one now; run this task again"
        return ""
