"""Where a cell that nobody marked runs: in the notebook, by IPython's own hands."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from milepost.analysis.flat import about
from milepost.model.record import Record
from milepost.notebook.activity import Activity
from milepost.notebook.ambient.ambient import Snapshot, with_state
from milepost.notebook.auto import history
from milepost.notebook.auto.memo import Memo, differing
from milepost.notebook.auto.sharing import untied
from milepost.notebook.auto.threads import own_threads
from milepost.notebook.body import show_figures
from milepost.notebook.capture import keep_values, recording
from milepost.notebook.definition import Definition
from milepost.notebook.facts import Facts
from milepost.notebook.foreground import Desk, Foreground
from milepost.notebook.namespace import mutable, state_of
from milepost.notebook.random_state import UNSEEDED, drawn, read_states, state_digests
from milepost.notebook.reach import reach_of, union
from milepost.notebook.recorder import Recorder
from milepost.notebook.resolution import Resolution
from milepost.notebook.seeding import Seeding
from milepost.notebook.stage import Left, Plan, Restored
from milepost.notebook.strategy import CheckpointStrategy
from milepost.notebook.ties import tied

Body = Callable[[], Awaitable[Any]]
"""Has IPython run the cell; whether that failed."""

CHEAP = 0.05
"""Seconds up to which a cell is not worth saving: it runs again."""

A_PART = 5e-7
"""Seconds that it takes to hash and to save a part of plain data: a cell that makes it faster runs again, too."""

NEVER_CHEAP = 5.0
"""Seconds from which on a cell is worth saving, whatever that takes: the number of parts is only estimated."""

PATIENCE = 40
"""How many times as long as a look at what a cell cannot reach a cell has to take for that look to be worth it."""

HELD = 1_000
"""Parts of a value that is kept alive while a cell runs which binds its name anew."""

CHEAPLY = "it is cheap, and just runs again"
"""Why such a cell is not saved."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A body that has run: whether it failed, in how many seconds, what it showed; and how it found the process."""

    failed: Any
    seconds: float
    random: Mapping[str, str]
    seeding: Seeding
    ambient: Snapshot
    activity: Activity
    recorder: Recorder
    threads: set[threading.Thread]


@dataclass(frozen=True, slots=True)
class Looks:
    """What was seen before a body.

    `states` are those of the variables that it can reach: the `inputs`, and others that may be changed by way of them.
    `identities` tell which object each variable was; objects of inputs are held where that costs no memory.
    """

    inputs: frozenset[str]
    states: Mapping[str, str]
    identities: Mapping[str, int]
    held: Mapping[str, Callable[[], Any]]
    shown: Mapping[str, Any]
    """What `_` and the like held among the inputs; of `Out` a function, since it grows."""


class AutoStage(Foreground):
    """The stage of one such cell."""

    def __init__(self, desk: Desk, facts: Facts, memo: Memo, *, keeps: bool) -> None:
        super().__init__(desk, facts)
        self._memo = memo
        self._keeps = keeps
        self._looks = Looks(frozenset(), {}, {}, {}, {})
        self._cheap = self._clears = False

    def note(self, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
        """A stamp in the cell; of a cheap one there is nothing to say, and nothing may clear what the cell shows."""
        if not self._cheap and not self._clears:
            super().note(text, symbol=symbol, warning=warning)

    # before

    def find(self, strategy: CheckpointStrategy) -> Plan:
        """The cell's inputs as they are now, its key, and its valid record if there is one."""
        self._memo.settle()
        namespace, definition = self._desk.namespace, self.facts.definition
        with namespace.remembering():
            found, joined, others = strategy.resolution(self.resolver, definition), list[str](), list[str]()
            reads = self._variables(found)
            for _ in range(2):  # `c = [d, e]` changes with `d`, and goes on holding the very `e`
                others = self._memo.meeting(union(self._memo.entry(name).reach for name in reads), reads)
                more = [name for name in others if any(self._joined(name, read) for read in reads)]
                if not more:
                    break
                joined += more
                found = strategy.resolution(self.resolver, _reading(definition, joined))
                reads = self._variables(found)
            states = {name: namespace.state(name) for name in dict.fromkeys((*reads, *others))}
            identities = namespace.identities()
        shown = {name: _before_now(namespace.data[name]) for name in reads if not namespace.is_user(name)}
        self._looks = Looks(frozenset(reads), states, identities, self._held(reads), shown)
        return strategy.planned(self.facts, found)

    def _variables(self, found: Resolution) -> list[str]:
        """The inputs that are variables and can be changed in place."""
        data = self._desk.namespace.data
        return [name for name in found.inputs if name in data and mutable(data[name])]

    def _joined(self, one: str, two: str) -> bool:
        """Whether two variables have objects or memory in common."""
        return self._memo.entry(one).reach.joins(self._memo.entry(two).reach)

    def _held(self, reads: list[str]) -> dict[str, Callable[[], Any]]:
        """The objects of inputs whose names the cell binds anew: others may hold them, too."""
        data, outputs = self._desk.namespace.data, set(self.facts.definition.outputs)
        return {name: _reference(data[name]) for name in reads if name in outputs}

    # while it runs, and after

    async def follow(self, plan: Plan, body: Body) -> Ran:
        """Have IPython run the cell."""
        desk = self._desk
        with desk.activities.running(None if desk.activities.idle else self._roots(plan)) as activity:
            random, ambient, threads = state_digests(read_states()), desk.ambient.read(), own_threads()
            seeding, began = Seeding(), time.perf_counter()
            with recording(desk.shell) as recorder, seeding.watching(desk.namespace.data):
                failed = await body()
                if not failed:
                    show_figures()
            seconds = time.perf_counter() - began
            return Ran(failed, seconds, random, seeding, ambient, activity, recorder, threads)

    def left_after(self, plan: Plan, ran: Ran) -> Left | None:
        """What a cell left, if that shall be saved."""
        bound = self._bound()
        self._memo.touched((*self._looks.states, *bound))
        seeds = self._desk.seeds.mentioned_with(plan.definition.code)
        found, states = drawn(ran.random, self._desk.seeds, ran.seeding.noted, loads=seeds)
        parts = sum(about(self._desk.namespace.data[name]) for name in bound)
        self._cheap = ran.seconds < CHEAP + min(A_PART * parts, NEVER_CHEAP)
        self._clears = ran.recorder.clear_next
        if ran.failed or (self._cheap and not (UNSEEDED in found.values() or plan.definition.differs)):
            self._desk.ledger.bound(tuple(bound), plan.definition.code, plan.definition.reads)
            return None
        left = with_state(self._desk.ambient, ran.ambient, plan, self._left_by(bound, ran))
        obstacle = left.obstacle or _leaves_running(ran) or _shows_alive(ran, left.values)
        return replace(left, random_before=found, random_after=states, obstacle=obstacle, keeps=self._keeps)

    def _bound(self) -> list[str]:
        """The names that are bound to something else than before, or may be."""
        namespace, known, outputs = self._desk.namespace, self._looks.identities, self.facts.definition.outputs
        now = namespace.identities()
        other = {name for name, identity in now.items() if known.get(name) != identity}.union(outputs)
        own = {name for name in outputs if self._keeps and history.asks([name])}  # `for _ in rows`, and `_` later on
        return [name for name in now if name in other and (namespace.is_user(name) or name in own)]

    def _left_by(self, bound: list[str], ran: Ran) -> Left:
        namespace, looks = self._desk.namespace, self._looks
        others = [name for name in looks.states if name not in bound and name not in looks.shown]
        there = [name for name in others if name in namespace.data]
        changed = [name for name in there if namespace.state(name) != looks.states[name]]
        mutated, unsure = ran.activity.own(changed, namespace.data)
        unsure = unsure or self._only_shown(mutated)
        left = dict.fromkeys((*bound, *there))
        torn = untied({name: self._memo.entry(name).reach for name in left})
        values = {name: namespace.data[name] for name in dict.fromkeys((*bound, *mutated))}
        return Left(
            values=values,
            mutated=mutated,
            deleted=tuple(name for name in looks.identities if name not in namespace.data and namespace.is_user(name)),
            display=ran.recorder.to_bytes(),
            kept=tuple(ran.recorder.values),
            obstacle=unsure or torn or tied(namespace.data, values) or self._astray(mutated, ran.seconds),
            shared=self._kept(bound),
        )

    def _only_shown(self, mutated: Iterable[str]) -> str:
        """Why a change of what `_` or `Out` holds cannot be made again: no variable holds it."""
        data, home, states = self._desk.namespace.data, self._desk.namespace.home, self._looks.states
        known = [data[name] for name in mutated]
        for name, shown in self._looks.shown.items():
            value = shown() if callable(shown) else shown
            if not any(value is one for one in known) and state_of(value, home) != states[name]:
                return f"it changes what {name} holds"
        return ""

    def _astray(self, mutated: Iterable[str], seconds: float) -> str:
        """Why it cannot be said what the cell changed: something did that nothing in it leads to."""
        looks, names = self._looks, self._desk.namespace.names()
        others = [name for name in names if name not in looks.states and mutable(self._desk.namespace.data[name])]
        looked = self._memo.look(others, seconds / PATIENCE)
        strange = [*(name for name in mutated if name not in looks.inputs), *differing(looked)]
        words = ", ".join(map(repr, strange))
        return f"{words} changed by then, and nothing in the cell shows that it does that" if strange else ""

    def _kept(self, bound: Iterable[str]) -> dict[str, Any]:
        """Inputs that the body left as they were and whose names it bound anew: `x, y = y, x` keeps both objects."""
        looks, home = self._looks, self._desk.namespace.home
        held = {name: looks.held[name]() for name in bound if name in looks.held}
        return {n: v for n, v in held.items() if v is not None and state_of(v, home) == looks.states[n]}

    # instead

    def give_back(self, plan: Plan, record: Record, restored: Restored) -> None:
        """As for a task; and `_` and `Out` are what they would be."""
        self._memo.touched((*self._looks.states, *(output.name for output in record.outputs)))
        data = self._desk.namespace.data
        changed = [output.name for output in record.outputs if output.mutated and output.name in data]
        old = [data[name] for name in changed]
        super().give_back(plan, record, restored)
        history.exchange(old, [data[name] for name in changed], data)
        if any(output["output_type"] == "execute_result" for output in restored.shown):
            hook, lost = self._desk.shell.displayhook, [] if restored.kept else [history.NotKept()]
            keep_values(self._desk.shell, lost)
            hook.fill_exec_result((restored.kept or lost)[-1])


def _before_now(value: Any) -> Any:
    """What IPython's history holds; of its dicts a function that leaves out what came since."""
    if type(value) is not dict:
        return value
    known = set(value)
    return lambda: {number: item for number, item in value.items() if number in known}


def _reading(definition: Definition, more: Iterable[str]) -> Definition:
    """As if the cell read some more names."""
    return replace(definition, options=replace(definition.options, inputs=tuple(more)))


def _reference(value: Any) -> Callable[[], Any]:
    """A reference that does not keep a large object alive."""
    try:
        return weakref.ref(value)
    except TypeError:
        kept = value if len(reach_of(value).parts) <= HELD else None
        return lambda: kept


def _shows_alive(ran: Ran, values: Mapping[str, Any]) -> str:
    """Why a cell must run again for a widget that it shows, and that others can go on with."""
    shown = {id(widget) for widget in ran.recorder.widgets}
    names = (name for name, value in values.items() if shown and not shown.isdisjoint(reach_of(value).parts))
    return next((f"it shows {name!r}, a widget that is alive" for name in names), "")


def _leaves_running(ran: Ran) -> str:
    """Why a cell must run again for what goes on after it."""
    left = own_threads() - ran.threads
    return f"it leaves {len(left)} thread{'s' if len(left) > 1 else ''} running" if left else ""
