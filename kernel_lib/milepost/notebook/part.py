"""One task of a map in a notebook: an item or a reduction, which is looked up, run and saved by itself."""

from __future__ import annotations

import contextvars
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from milepost.analysis.code import digest_text
from milepost.analysis.describe import short
from milepost.analysis.digest import digest
from milepost.functions import MapItem, MapPart, MapReduction
from milepost.functions.bodies import ItemBody
from milepost.model.parameters import GIVEN
from milepost.model.record import Input, Record
from milepost.model.result import TaskResult
from milepost.model.sizes import count
from milepost.notebook import common
from milepost.notebook.ambient.ambient import Ambient, Snapshot, with_state
from milepost.notebook.capture import play, recording, replay
from milepost.notebook.checkpoints import Checkpoints, Saved
from milepost.notebook.common import Common
from milepost.notebook.definition import RETURN
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver
from milepost.notebook.namespace import mutable, state_of
from milepost.notebook.random_state import UNSEEDED, Seeds, drawn, read_states, restore_states, state_digests
from milepost.notebook.remote import Results
from milepost.notebook.resolution import Resolution
from milepost.notebook.send import Errand, Sender
from milepost.notebook.stage import Left, Plan, Restored
from milepost.notebook.wire import Decoder
from milepost.ports import ExecutionStrategy, Executor, TaskCall

RANDOM = "the random generators"


class Desk(common.Desk, Protocol):
    """What a part needs of the session."""

    shell: Any
    seeds: Seeds
    ambient: Ambient

    @property
    def checkpoints(self) -> Checkpoints: ...
    @property
    def processes(self) -> Executor: ...
    def facts(self, name: str) -> Facts: ...
    def results_for(self, code: str, values: Iterable[Any]) -> Results: ...


class Part:
    """The stage of one part."""

    def __init__(self, desk: Desk, part: MapPart[Any], shared: Common) -> None:
        self._desk = desk
        self._part = part
        self._shared = shared
        self.facts = desk.facts(part.name)

    @property
    def resolver(self) -> InputResolver:
        """That of the notebook."""
        return self._desk.resolver

    @property
    def checkpoints(self) -> Checkpoints:
        """Saving and restoring the user's own variables."""
        return self._desk.checkpoints

    @property
    def _alone(self) -> bool:
        """Whether no other part runs at the same time."""
        return self._part.options.on in ("", "main")

    # looking up

    def plan(self) -> Plan:
        """What all parts depend on, and what this one gets."""
        base, own = self._shared.resolution, self._input()
        blockers = {own.name: own.text} if own.kind == "opaque" else {}
        found = Resolution({**base.inputs, own.name: own}, {**base.blockers, **blockers}, list(base.notes))
        return self._desk.strategy.planned(self.facts, found)

    def _input(self) -> Input:
        """What goes into the slot, by content."""
        part, name = self._part, f"{self._part.slot.name or 'argument'} (of the map)"
        if isinstance(part, MapReduction):
            return self._list_input(name, part)
        if part.sources:
            found = self._desk.arguments.input(part.sources[0])
            return Input(name=name, kind=found.kind, digest=found.digest, text=found.text, source=found.source)
        item = self._value()
        content = digest(item, self._desk.namespace.home)
        kind, text = ("value", short(item)) if content.hex else ("opaque", content.opaque)
        return Input(name=name, kind=kind, digest=content.hex, text=text)

    def _list_input(self, name: str, part: MapReduction[Any]) -> Input:
        found = [self._desk.arguments.input(source) if ok else None for source, ok in self._sources(part)]
        opaque = next((item for item in found if item is not None and item.kind == "opaque"), None)
        if opaque is not None:
            return Input(name=name, kind="opaque", digest="", text=f"{opaque.name!r}: {opaque.text}")
        content = digest_text(*(item.digest if item is not None else "failed" for item in found))
        return Input(name=name, kind="task", digest=content, text=count(len(found), "result"))

    def _sources(self, part: MapPart[Any]) -> list[tuple[str, bool]]:
        """The tasks whose data the part gets, and whether each succeeded; those that may be left out are."""
        found = [(name, self._succeeded(name)) for name in part.sources]
        return [(name, ok) for name, ok in found if ok or not getattr(part, "skip_failed", False)]

    def _succeeded(self, name: str) -> bool:
        result = self._desk.facts(name).result
        return result is not None and result.ok

    def _value(self) -> Any:
        """What goes into the slot."""
        part, arguments = self._part, self._desk.arguments
        data = [arguments.argument(name).value if ok else None for name, ok in self._sources(part)]
        if isinstance(part, MapItem):
            return data[0] if data else part.item
        return data

    def live(self, name: str) -> Any:
        """A variable of the user."""
        return self._desk.namespace.data.get(name)

    def note(self, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
        """For the one note of the map."""
        if warning:
            self._shared.warnings.append(f"{self._part.name}: {text}")

    def enter(self, restored: Restored) -> None:
        """At once."""
        self._desk.ambient.restore(restored.state)

    def give_back(self, plan: Plan, record: Record, restored: Restored) -> None:
        """Show what the part showed, and put generators where it left them."""
        self._shared.saved.append(record.seconds)
        restore_states(restored.states)
        replay(self._desk.shell, restored.shown)

    def keep(self, plan: Plan, left: Left, saved: Saved) -> None:
        """A part leaves nothing but its value."""

    # running

    def run(self, inner: ExecutionStrategy, call: TaskCall, plan: Plan) -> tuple[TaskResult, Left | None]:
        """Run the body with what goes into the slot."""
        shell, value = self._desk.shell, self._value()
        call.signal.raise_if_cancelled()
        away = self._sender(value) if self._part.options.on == "processes" else None
        digests, before, found = state_digests(read_states()), self._state(value), self._desk.ambient.read()
        with recording(shell) as recorder:
            result = self._away(inner, call, away) if away else self._here(inner, call, value)
        if not result.ok:
            return result, None
        left = Left(values={RETURN: result.data}, display=recorder.to_bytes())
        if away:
            return result, self._of_away(left, away)
        return result, self._with_state(self._of_here(left, plan, digests, before, value), plan, found)

    def _here(self, inner: ExecutionStrategy, call: TaskCall, value: Any) -> TaskResult:
        part, given = self._part, self._shared.given
        function = partial(part.function, **given) if given else part.function
        body = ItemBody(function, part.slot, tuple(name for name in part.inputs if name in GIVEN), value)
        return inner.execute(call._replace(task=replace(call.task, run=body)))

    def _of_here(self, left: Left, plan: Plan, digests: Mapping[str, str], before: str, value: Any) -> Left:
        obstacle = ""
        if self._state(value) != before:
            obstacle = f"it changed its argument {self._part.slot.name!r}; have it return a new value instead"
        elif shared := self._shared.changed(self._desk.namespace):
            names = ", ".join(map(repr, shared))
            obstacle = f"{names} changed meanwhile, which all parts of the map share; have it return new values only"
        found, states = drawn(digests, self._desk.seeds)
        if found and not self._alone:
            states = {}  # which part drew what, nobody can tell
            if self._desk.seeds.mentioned:
                plan.resolution.blockers[RANDOM] = "other parts of the map, which ran meanwhile, may have drawn too"
        return replace(left, obstacle=obstacle, random_before=found, random_after=states)

    def _with_state(self, left: Left, plan: Plan, found: Snapshot) -> Left:
        """With what it changed of the state of the process; of parts that run side by side, nobody knows which did."""
        left = with_state(self._desk.ambient, found, plan, left)
        if self._alone or not left.state:
            return left
        words = f"{self._desk.ambient.words(left.state)} changed while parts of the map ran side by side"
        return replace(left, state={}, obstacle=left.obstacle or words)

    def _state(self, value: Any) -> str:
        return state_of(value, self._desk.namespace.home) if mutable(value) else ""

    # in a worker process

    def _sender(self, value: Any) -> Sender:
        part, read = self._part, self._shared.read
        slot, given = part.slot, dict(self._shared.given)
        errand = Errand(
            task=part.name,
            inputs=read,
            needed=frozenset(read),
            function=partial(part.function, value) if slot.by_place else part.function,
            arguments=given if slot.by_place else {slot.name: value, **given},
            results=self._desk.results_for(self.facts.definition.code, read.values()),
        )
        return Sender(self._desk.processes, errand, self._desk.namespace.home)

    def _away(self, inner: ExecutionStrategy, call: TaskCall, sender: Sender) -> TaskResult:
        shell, here = self._desk.shell, contextvars.copy_context()
        decoder = Decoder(lambda event: here.run(play, shell, [event]))
        with recording(shell, decoder):
            result = inner.execute(call._replace(executor=sender))
        decoder.close()
        return result

    def _of_away(self, left: Left, sender: Sender) -> Left:
        """Nothing here was changed. Generators over there were somewhere: that is no state to come back to."""
        reply = sender.answer.reply if sender.answer else None
        drawn_from = dict.fromkeys(reply.states, UNSEEDED) if reply else {}
        stayed = [n for n in (sender.answer.values if sender.answer else ()) if n.isidentifier() and n != RETURN]
        if stayed:
            self.note(f"{', '.join(map(repr, stayed))} stayed in the worker process", warning=True)
        return replace(left, random_before=drawn_from)
