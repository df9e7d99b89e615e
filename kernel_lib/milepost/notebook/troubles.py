"""What the store finds out after it has given a result back, or saved one: said loudly, and what is damaged counts no
more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from milepost.engine.runner import TaskRunner
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Input, Record
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.notebook.facts import Facts
from milepost.notebook.ledger import Ledger
from milepost.notebook.stamp import stamp
from milepost.ports import Trouble, TroubleKind


class Desk(Protocol):
    """What this needs of the session."""

    shell: Any
    ledger: Ledger
    runner: TaskRunner

    def fact_table(self) -> Mapping[str, Facts]: ...
    def given_back(self, record: Record) -> bool: ...
    def take_back(self, task: str) -> None: ...
    def changed(self) -> None: ...


@dataclass(slots=True)
class _Damage:
    """A damaged record; `ended` is when its values ceased to count as the task's (by the monotonic clock)."""

    record: Record
    text: str
    ended: float | None = None


class Troubles:
    """The troubles of one session. They come in any thread, and are told in the main thread, between two cells.

    `call_soon` has the main thread do something when it is free; `busy` tells whether a cell runs.
    """

    def __init__(self, desk: Desk, call_soon: Callable[[Callable[[], None]], None], busy: Callable[[], bool]) -> None:
        self._desk = desk
        self._call_soon = call_soon
        self._busy = busy
        self._lock = threading.Lock()
        self._untold: list[Trouble] = []
        self._damage: list[_Damage] = []

    def come(self, trouble: Trouble) -> None:
        """The store has found something out."""
        with self._lock:
            self._untold.append(trouble)
            if trouble.kind is TroubleKind.DAMAGED:
                self._damage.append(_Damage(trouble.record, trouble.text))
        self._call_soon(lambda: None if self._busy() else self.take_back())

    def take_back(self) -> None:
        """What damaged records gave back is no result any more; the variables are left as they are."""
        with self._lock:
            news = [damage for damage in self._damage if damage.ended is None]
        for damage in news:
            self._invalidate(damage)
            damage.ended = time.monotonic()
        if news:
            self._desk.changed()

    def tell(self) -> None:
        """Say what came since the last time, in the cell that runs."""
        self.take_back()
        with self._lock:
            untold, self._untold = self._untold, []
        for trouble in untold:
            if trouble.kind is TroubleKind.EVICTED:
                self._unsave(trouble.record)
            stamp(self._desk.shell, trouble.text, symbol="⚠", warning=True)

    def behind(self, inputs: Iterable[Input], found: float) -> str:
        """Why a result is not to be saved that was computed from these inputs, as they were found then; "" if it is."""
        sources = {item.source for item in inputs}
        with self._lock:
            for damage in self._damage:
                if damage.record.task in sources and (damage.ended is None or found < damage.ended):
                    return f"it was computed from what {damage.record.task!r} had saved, and that is damaged"
        return ""

    def marked(self, view: TaskView, record: Record) -> TaskView:
        """How a task looks that only the store knows."""
        found = next((damage for damage in self._damage if damage.record.identity == record.identity), None)
        if found is None:
            return view
        return replace(view, state=TaskState.STALE, restored=False, saved=False, durable=False, why=_reason(found))

    def _unsave(self, record: Record) -> None:
        """The values at hand are as good as before, and are not saved any more."""
        facts = self._desk.fact_table().get(record.task)
        if facts is not None and facts.record is not None and facts.record.identity == record.identity:
            facts.record, facts.unsaved = None, "it had to make room, as the store has a size limit"
            self._desk.changed()

    def _invalidate(self, damage: _Damage) -> None:
        desk, task = self._desk, damage.record.task
        facts = desk.fact_table().get(task)
        own = facts is not None and facts.record is not None and facts.record.identity == damage.record.identity
        if facts is not None and own:
            facts.record, facts.unsaved = None, "its checkpoint is damaged"
        if facts is not None and own and facts.result is not None and facts.result.restored:
            facts.result, facts.state, facts.outputs = None, TaskState.STALE, ()
            facts.why, facts.unsaved = _reason(damage), ""
        elif not desk.given_back(damage.record):
            return  # the values at hand were computed here
        desk.runner.state.drop([task])
        desk.ledger.forget(task)
        desk.take_back(task)


def _reason(damage: _Damage) -> Reason:
    return Reason(ReasonKind.CORRUPT, damage.text)
