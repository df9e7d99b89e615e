"""One loop within a task: saved between two items, and entered again after a kill."""

from __future__ import annotations

import asyncio
import shlex
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from milepost.analysis.digest import digest
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.checkpoint.view import stamp
from milepost.model.errors import LoopNotResumed, StoreError, TaskCancelled
from milepost.model.once import rerun
from milepost.model.record import Record
from milepost.model.result import TaskError
from milepost.notebook.ambient.ambient import Snapshot
from milepost.notebook.ambient.modules import SHARED as OF_MODULE
from milepost.notebook.ambient.modules import find_shared
from milepost.notebook.midway import around
from milepost.notebook.midway.around import Around, shown_now
from milepost.notebook.midway.budget import Budget
from milepost.notebook.midway.gone_through import (
    changes,
    difference,
    gives_rows_once,
    goes_on_with,
    is_read_by_code,
    nature,
)
from milepost.notebook.midway.leads import Leads
from milepost.notebook.midway.variables import OF_NOTEBOOK, STATE, Captured, Refused, Variables, shown
from milepost.notebook.observed.observer import told
from milepost.notebook.observed.outcome import WRITTEN
from milepost.notebook.observed.telling import current
from milepost.notebook.random_state import read_states, restore_states, state_digests
from milepost.notebook.recorder import outputs_from_bytes
from milepost.notebook.stage import Plan
from milepost.ports import Blob
from milepost.tracking.iterables import Changed, Source, has_content
from milepost.tracking.loop import Track
from milepost.widget.ages import age

ITERABLE = "what is gone through"
"""Beside the variables."""

OTHERWISE = "only a list, or keys or numbers, could be gone on with there"

HINT = " (what is part of `state` is kept)"

AT_ONCE = "several of its loops run at the same time"


class Desk(around.Desk, Protocol):
    """What a loop needs of the session."""

    @property
    def store(self) -> LocalStore: ...


class Run(Protocol):
    """The run of the task that a loop is in."""

    plan: Plan
    budget: Budget
    earlier: float
    found: Snapshot

    @property
    def seconds(self) -> float: ...
    def left(self, loop: KeptLoop) -> None: ...
    def innermost(self, loop: KeptLoop) -> bool: ...
    def warn(self, text: str) -> None: ...
    def note(self, text: str, *, warning: bool = False) -> None: ...


@dataclass(slots=True)
class Unkept:
    """One loop that cannot: that is said once it takes long enough to be worth knowing."""

    keeper: Run
    loop: Track[Any]
    reason: str
    done: int = 0
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.due = time.perf_counter() + self.loop.every

    def items(self) -> Iterator[Any]:
        """All of them."""
        return iter(self.loop.iterable)  # type: ignore[arg-type]

    def save(self, done: int, *, lasting: bool = False) -> None:
        """Say why not."""
        self.keeper.warn(self.reason)
        self.due = float("inf")

    def leave(self) -> None:
        """Nothing."""


@dataclass(slots=True, eq=False)
class KeptLoop:
    """One loop that can go on after a kill."""

    keeper: Run
    desk: Desk
    loop: Track[Any]
    place: str
    statement: str
    outer: KeptLoop | None
    variables: Variables
    home: dict[str, Any]
    inner: int = 0
    """Loops that have begun within the item that runs."""
    done: int = 0
    due: float = 0.0
    address: str = ""
    """Of what was saved last."""
    refused: str = ""
    """Why it is not saved any more."""
    thread: int = field(default_factory=threading.get_ident)
    _broken: bool = False
    _drew: bool = False
    """Whether what was skipped, and can be had no more, has moved the random generators."""
    _source: Source = field(init=False)
    _items: Iterator[Any] | None = None
    _around: Around = field(init=False)
    _nature: dict[str, Any] = field(init=False)
    _at: int = 0
    """Items that are done by now."""

    def __post_init__(self) -> None:
        self._around = Around.now(self.desk, self.keeper.plan, self.keeper.found)
        self._nature = nature(self.loop.iterable, self.home)
        self._source = self._source_of(self.loop.iterable)
        self._resume()
        self._at, self.due = self.done, self.keeper.budget.next(self.loop.every)

    @property
    def current(self) -> bool:
        """Whether what was saved is of the moment at which the item began that runs now."""
        return not self._broken and self._at == self.done

    @property
    def goes_on(self) -> bool:
        """Whether something is saved of it with which the next run goes on."""
        return bool(self.address) and not self._broken

    def items(self) -> Iterator[Any]:
        """What is left."""
        items = self._items if self._items is not None else self._source.begin()
        for item in items:
            yield item
            self._at += 1
            self.inner = 0

    def leave(self) -> None:
        """The loop has ended."""
        self.keeper.left(self)

    # saving

    def save(self, done: int, *, lasting: bool = False) -> None:
        """Save that so many items are done. A loop that ends is not: the next one may be, or the whole task."""
        ends = done == self.loop.total and not self.variables.rebinds
        if self._broken or done == self.done or ends:
            self.due = self.keeper.budget.next(self.loop.every)
            return
        try:
            with self.keeper.budget.spending():
                self._write(done, lasting=lasting)
        except Refused as reason:
            self._broken = True
            self.desk.store.partials.drop(self.keeper.plan.definition.name, self.place)
            self.keeper.warn(str(reason))
        except StoreError as error:
            self._broken = True
            self.keeper.warn(str(error))
        self.due = float("inf") if self._broken else self.keeper.budget.next(self.loop.every)

    def _write(self, done: int, *, lasting: bool) -> None:
        if self.refused or not self.keeper.innermost(self):
            raise Refused(self.refused or AT_ONCE)
        if _others_run():
            raise Refused("other coroutines run at the same time")
        ambient = self.desk.ambient.read()
        state = self._around.changed(self.desk, self.keeper.plan, ambient)
        of_modules = self.desk.ambient.objects(state)
        captured = self.variables.captured(of_modules)
        shared = self._around.shared(self.desk, ambient)
        self._look_at_modules(captured, of_modules, shared)
        own = {**captured.values, **self._gone_through(captured, of_modules, state)}
        values, lost = self._dumped(captured, own, {**captured.shared, **shared})
        if done == self.loop.total and lost:
            return  # no item is left to bind them; what was saved last stays
        rest, _ = self._dumped(captured, self._rest(done, state), {})
        blobs = {"values": values, "rest": rest, "display": Blob(shown_now())}
        record = self._record(done, captured, lost)
        self.address = self.desk.store.partials.write(self.place, record, blobs, durable=lasting)
        self.done = done

    def _look_at_modules(self, captured: Captured, of_modules: list[Any], shared: Mapping[str, Any]) -> None:
        """What a module has, comes back with that: a variable that holds it too must hold that very object again."""
        known = frozenset(map(id, shared.values()))
        if not self.variables.rebinds:  # what is filled in place itself
            known &= captured.mutated or frozenset()
        other = [value for value in of_modules if id(value) not in known]
        if Leads(other).meets(captured.values.values()):
            raise Refused("a module holds what it changes")

    def _gone_through(self, captured: Captured, of_modules: list[Any], state: Mapping[str, Any]) -> dict[str, Any]:
        """What it goes through, where the loop changes that; raises `Refused` where no place in it can be saved."""
        iterable = self.loop.iterable
        if self._source.gives_blindly:
            raise Refused("what it goes through gives objects that nothing tells from others, like futures or files")
        source = self._source
        if source.lent.changed:
            raise Refused("it changes items that what gives them goes on with")
        if source.lent.gave_up:
            raise Refused("it takes too long to see whether it changes items that what gives them goes on with")
        if source.lent.any and Leads([source.iterator]).meets(source.lent.without([*captured.values.values()])):
            raise Refused("it keeps items that what gives them goes on with")
        if is_read_by_code(iterable, self._nature):
            if changes(iterable, captured, of_modules, state):
                raise Refused(f"it changes what it goes through, or what that reads: {OTHERWISE}")
            return {}
        if nature(iterable, self.home) == self._nature:
            return {}
        if not self.variables.rebinds or not has_content(iterable):
            raise Refused("it changes what it goes through")
        return {ITERABLE: iterable}

    def _told(self, item: Any) -> str:
        try:
            return digest(item, self.home).hex
        except RuntimeError:  # another thread changes it right now
            return ""

    def _holds(self, source: Iterator[Any], item: Any) -> bool:
        with self.keeper.budget.spending():
            return not gives_rows_once(self.loop.iterable) and goes_on_with(source, item, self.home)

    def _rest(self, done: int, state: dict[str, Any]) -> dict[str, Any]:
        place = self._source.place(done)
        drawn, now = self._around.drawn(), read_states()
        began = {name: self._around.random[name] for name in drawn if name in self._around.random}
        return {"began": began, "random": {name: now[name] for name in drawn}, "state": state, "place": place}

    def _dumped(self, captured: Captured, values: Any, shared: Any) -> tuple[Blob, frozenset[str]]:
        """The values, and the names of those that the loop can do without and that could not be saved."""
        dump = NotebookSerializer(self.home).dump(values, shared)
        free = captured.spare | captured.late if self.loop.total is not None else captured.spare
        for name, reason in dump.unsaved.items():
            if name not in free:
                words = "its state" if name == STATE else repr(name)
                raise Refused(f"{words} cannot be saved ({reason})")
        return dump.blob, frozenset(dump.unsaved)

    def _record(self, done: int, captured: Captured, lost: frozenset[str]) -> Record:
        plan, told = self.keeper.plan, self._around.told
        return Record(
            task=plan.definition.name,
            key=plan.key,
            cell_id=plan.definition.cell_id,
            deleted=(*captured.deleted, *sorted(lost)),
            observed=self._around.observed(self.desk),
            seconds=self.keeper.seconds,
            saved_at=stamp(datetime.now(UTC)),
            extra={
                "random": {name: told[name] for name in self._around.drawn() if name in told},
                "done": done,
                "total": self.loop.total,
                "nature": self._nature,
                "statement": self.statement,
                "made": dict(self._around.made),
                "written": self._around.written_since(self.desk),
                "left": sorted({*captured.values, *captured.deleted}),
                "found": dict(captured.found),
                "outer": self._within(),
            },
        )

    def _within(self) -> list[Any] | None:
        """The very item of the loop around it, as that was saved."""
        return [self.outer.address, self.outer.done] if self.outer is not None else None

    # going on

    def _resume(self) -> None:
        try:
            found = self.desk.store.partials.read(self.keeper.plan.definition.name, self.place)
            if found is None or found[0].extra["outer"] != self._within():
                return
            record, blobs, address = found
            reason = self._unfit(record)
            if not reason:
                self._go_on(record, blobs)
                self.address = address
        except (StoreError, Changed) as error:
            reason = str(error)
            if self._drew or self._source.spent:
                self.desk.store.partials.drop(self.keeper.plan.definition.name, self.place)
                why = "it has drawn random numbers for that" if self._drew else "it has gone on with what it gave"
                raise LoopNotResumed(f"{reason}, and {why}: run it again, and it begins anew") from None
        except TaskCancelled:  # while items are skipped
            raise
        except Exception as error:
            raise self._stuck(error) from error
        if reason:
            self.keeper.note(f"the loop begins anew: {reason}", warning=True)

    def _stuck(self, error: Exception) -> LoopNotResumed:
        definition = self.keeper.plan.definition
        name, once = definition.name, definition.options.once  # such a task has begun, and is in doubt by this
        words = error if isinstance(error, LoopNotResumed) else TaskError.of(error)
        first, then = (f" after {rerun(name)}", " that and") if once else ("", "")
        how = f"try again{first}, or begin anew after{then}"
        return LoopNotResumed(
            f"a loop of {name!r} cannot go on after what was kept of it: {words}. That stays kept: {how} "
            f"`%tasks forget {shlex.quote(name)}`"
        )

    def _unfit(self, then: Record) -> str:
        """Why what is kept is not of this loop as it is now."""
        extra, plan = then.extra, self.keeper.plan
        forced = plan.definition.options.force
        if then.key != plan.key:
            return "what was kept of it is of other code or other inputs"
        if forced and self._has_ended(then):
            return "the task has ended since"
        if extra.get("statement") != self.statement:
            return "what was kept is of another loop of the task: it is another loop that begins now"
        if extra["nature"] != self._nature and not forced:
            return f"what it goes through changed {difference(extra['nature'], self._nature)} (--force goes on with it)"
        if other := self._made_otherwise(extra):
            return f"the code before it made another {shown(other)!r} than then{'' if self.variables.rebinds else HINT}"
        return self._around.differs(self.desk, then, files=not forced)

    def _has_ended(self, then: Record) -> bool:
        """Whether what is kept stays only until the result of the same work survives a power loss."""
        results = self.desk.store.history(then.task)
        return any(result.key == then.key and result.saved_at >= then.saved_at for result in results)

    def _made_otherwise(self, extra: dict[str, Any]) -> str:
        """A variable that is not as the loop had found it then, and that nothing would put back; "" where none is.

        A function may lack some that an earlier item had left: no item reads those before it binds them.
        """
        then, now = extra["found"], self.variables.found()
        gone = set(then) - set(now)
        missing = gone if self.variables.rebinds else {name for name in gone if name.startswith(OF_NOTEBOOK)}
        more = set(now) - set(then) - set(extra["left"])
        other = {name for name in set(then) & set(now) if then[name] != now[name]}
        return min(missing | more | other, default="")

    def _go_on(self, record: Record, blobs: dict[str, Blob]) -> None:
        """Put all in place, the last that can fail first."""
        serializer, before, ambient = NotebookSerializer(self.home), read_states(), self.desk.ambient.read()
        rest = serializer.load(blobs["rest"])
        done, own = record.extra["done"], (self.loop.iterable, self._source)
        try:
            self.desk.ambient.restore(rest["state"])  # what modules hold may be a part of the values
            values = serializer.load(blobs["values"], self._live)
            self._take(values.pop(ITERABLE, self.loop.iterable))
            restore_states(rest["began"])
            self._items = self._source.go_on(done, rest["place"])
            self.variables.put_back(values, record.deleted)
        except BaseException as error:
            if isinstance(error, Changed) and isinstance(own[0], Iterator):
                self._drew = state_digests(read_states()) != state_digests({**before, **rest["began"]})
            restore_states(before)
            self.desk.ambient.back_to(ambient)
            self.loop.iterable, self._source = own
            raise
        restore_states(rest["random"])
        self._around = replace(self._around, random={**self._around.random, **rest["began"]})
        self.done, self.keeper.earlier = done, record.seconds
        self._around.show_again(self.desk, outputs_from_bytes(bytes(blobs["display"].stream)))
        watch = current()
        if watch is not None:
            watch.inherit(tuple(item for item in record.observed if item.kind != "state"))
        self._say(record, done)

    def _live(self, name: str) -> Any:
        return find_shared(name) if name.startswith(OF_MODULE) else self.variables.live(name)

    def _take(self, iterable: Any) -> None:
        """Go through this, which the loop has changed."""
        if iterable is not self.loop.iterable:
            self.loop.iterable = iterable
            self._source = self._source_of(iterable)

    def _source_of(self, iterable: Any) -> Source:
        return Source(iterable, self._told, self._holds, known=self._nature["whole"])

    def _say(self, record: Record, done: int) -> None:
        total = record.extra["total"]
        of = f" of {total}" if total is not None and done <= total else ""
        self.keeper.note(f"goes on after item {done}{of}, saved {age(record.saved_at)}")
        wrote = [item for item in record.observed if item.kind in WRITTEN and item.name in record.extra["written"]]
        if other := told(self.desk.observer.differences(wrote)):
            self.keeper.note(f"the item after that had begun to write, and does so again: {other}", warning=True)
        if self._source.skips_dearly:
            self.keeper.note(f"its generator was run again for the {done} items before", warning=True)


def _others_run() -> bool:
    """Whether there are other coroutines than the one that goes through the loop, if that is in one.

    A body's coroutine has a thread of its own; those of the main thread are the kernel's.
    """
    if threading.current_thread() is threading.main_thread():
        return False
    try:
        return len(asyncio.all_tasks()) > 1
    except RuntimeError:
        return False
