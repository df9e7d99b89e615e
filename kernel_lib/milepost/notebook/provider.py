"""Names that only a checkpoint provides: who has them, and giving them back."""

from __future__ import annotations

import builtins
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from milepost.model.errors import StoreError
from milepost.model.once import again
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Record
from milepost.notebook.ambient.ambient import Ambient
from milepost.notebook.checkpoints import Checkpoints
from milepost.notebook.definition import RETURN
from milepost.notebook.entangled import let_go
from milepost.notebook.facts import Facts
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.namespace import Namespace
from milepost.notebook.observed.observer import Observer
from milepost.notebook.stamp import stamp
from milepost.widget.ages import age
from milepost.widget.words import duration


class Desk(Protocol):
    """What the provider needs of the session."""

    shell: Any
    namespace: Namespace
    ledger: Ledger
    ambient: Ambient
    observer: Observer

    @property
    def checkpoints(self) -> Checkpoints: ...
    def records(self) -> Sequence[Record]: ...
    def all_facts(self) -> list[Facts]: ...
    def recompute(self, facts: Facts, names: Iterable[str]) -> bool: ...
    def data_of(self, record: Record, values: dict[str, Any]) -> None: ...


class Provider:
    """Restores single names, or whole tasks, from what is saved and still plausible.

    A saved value is plausible while nothing that is known now contradicts it: inputs that are bound have the
    content they had, and inputs that another checkpoint provides are the ones it was made from.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._busy: set[str] = set()
        self._indexed: Sequence[Record] = ()
        self._index: dict[str, list[int]] = {}

    def needed(self, names: Iterable[str]) -> list[str]:
        """Those of `names`, and of what the notebook's functions among them read, that are not bound."""
        namespace = self._desk.namespace
        unbound = [name for name in namespace.reach(names) if name not in namespace.data]
        return [name for name in unbound if not hasattr(builtins, name) or self._hidden_by_task(name)]

    def record_for(self, name: str) -> Record | None:
        """What provides a name: the task that left it last in this session, else the newest record that stands.

        Never that of a cell that nobody marked: a cheap cell that nobody saved may have changed the value since.
        """
        known = self._desk.ledger.known.get(name)
        if known is not None and known.record is not None and not known.record.automatic:
            return known.record
        if hasattr(builtins, name) and not self._hidden_by_task(name):
            return None
        records = self._desk.records()
        given = [records[place] for place in self._places(records).get(name, ())]
        if not given:
            return None
        settled = {facts.definition.name: facts for facts in self._desk.all_facts() if facts.settled}
        for record in reversed(given):
            facts = settled.get(record.task)
            stands = facts is None or (facts.record is not None and facts.record.key == record.key)
            if stands and record.trusted and not record.automatic:
                return record
        return None

    def _hidden_by_task(self, name: str) -> bool:
        """Whether a task has left something under the name of a built-in, as far as is known: nobody looks for that."""
        return name in (self._index if self._indexed else self._places(self._desk.records()))

    def _places(self, records: Sequence[Record]) -> Mapping[str, Sequence[int]]:
        """Where each name is among the outputs of these records: a cell asks several times, and there may be many."""
        if records is not self._indexed:
            self._index = defaultdict(list)
            for place, record in enumerate(records):
                for name in {output.name for output in record.outputs}:
                    self._index[name].append(place)
            self._indexed = records
        return self._index

    def record_of_task(self, task: str) -> Record | None:
        """The newest record of a task that may be loaded."""
        return next((r for r in reversed(self._desk.records()) if r.task == task and r.trusted), None)

    def provide(self, name: str) -> bool:
        """Bind a missing name from a checkpoint, or by computing it again where it could not be saved."""
        if name in self._desk.namespace.data:
            return True
        record = self.record_for(name)
        if record is None or record.task in self._busy:
            return False
        unsaved = next((o.unsaved for o in record.outputs if o.name == name), "")
        if unsaved:
            return self._recompute(record, name, unsaved)
        self._busy.add(record.task)
        try:
            return self.restore(record)
        finally:
            self._busy.discard(record.task)

    def _recompute(self, record: Record, name: str, reason: str) -> bool:
        facts = next((f for f in self._desk.all_facts() if f.definition.name == record.task), None)
        if facts is None:
            text = f"{name!r} of {record.task!r} is not there: it could not be saved ({reason}); run its cell"
            stamp(self._desk.shell, text, symbol="⚠", warning=True)
            return False
        if facts.definition.options.once:
            words = (
                f"{name!r} of {record.task!r} could not be saved ({reason}), and what happens once is not run for that"
            )
            stamp(self._desk.shell, f"{words}; {again(record.task)}", symbol="⚠", warning=True)
            return False
        stamp(self._desk.shell, f"{record.task!r} runs again for {name!r}, which could not be saved ({reason})")
        done = self._desk.recompute(facts, [name])
        facts.why = Reason(ReasonKind.NOT_RESTORABLE, f"{name!r} was asked for, and could not be saved: {reason}")
        return done

    def restore(self, record: Record, *, overwrite: bool = False) -> bool:
        """Bind the missing names of one task (or all of its names); whether that was possible."""
        contradiction = self.contradiction(record)
        if contradiction:
            text = f"{record.task!r} is saved, but stale: {contradiction}; run its cell"
            stamp(self._desk.shell, text, symbol="⚠", warning=True)
            return False
        try:
            values = self._desk.checkpoints.values_beside(record, self._live)
        except StoreError as error:
            stamp(self._desk.shell, f"{record.task!r} cannot be restored: {error}", symbol="⚠", warning=True)
            return False
        self._bind(record, values, overwrite)
        self._desk.ambient.show(values.values())
        names = ", ".join(name for name in values if name != RETURN) or "its result"
        words = f"restored {names} of {record.task!r}: saved {duration(record.seconds)} of work, {age(record.saved_at)}"
        stamp(self._desk.shell, words)
        return True

    def _live(self, name: str) -> Any:
        """An input that a restored value shares: the live one, restored itself if need be."""
        data = self._desk.namespace.data
        if name not in data:
            self.provide(name)
        return data.get(name)

    def _bind(self, record: Record, values: dict[str, Any], overwrite: bool) -> None:
        data = self._desk.namespace.data
        self._desk.data_of(record, values)
        for output in record.outputs:
            if output.name != RETURN and output.name in values and (overwrite or output.name not in data):
                data[output.name] = values[output.name]
                self._desk.ledger.produced(output.name, Known(record.task, output.digest, record))

    def contradiction(self, record: Record) -> str:
        """Why a record cannot be valid now, as far as anything is known; "" when nothing speaks against it."""
        namespace, ledger = self._desk.namespace, self._desk.ledger
        own = {output.name for output in record.outputs}
        for item in record.inputs:
            if item.kind not in {"task", "value", "function", "class"} or item.name in own:
                continue
            known = ledger.known.get(item.name)
            if known is not None and item.name in namespace.data and item.of_task:
                if known.digest != item.digest:
                    return f"its input {item.name!r} is another one now"
            elif item.name in namespace.data:
                found = namespace.digest(item.name).hex
                if found and found != item.digest:
                    return f"its input {item.name!r} is another one now"
        found = self._upstream_contradiction(record) or self._desk.observer.contradiction(record.observed)
        return found or let_go(record, namespace)

    def _upstream_contradiction(self, record: Record) -> str:
        for item in record.inputs:
            if not item.of_task or item.name in self._desk.namespace.data:
                continue
            upstream = self.record_for(item.name)
            digests = {output.name: output.digest for output in upstream.outputs} if upstream else {}
            if upstream and upstream.task != record.task and digests.get(item.name, item.digest) != item.digest:
                return f"{upstream.task!r} has computed another {item.name!r} since"
        return ""
