"""Checkpoints within one task: of each of its loops, between two items, at most for a twentieth of its time.

Each loop has a place: "0" is the first that begins, "0.1" the second that begins within one item of that. An inner loop
is saved only where the outer one was saved when its item began: then it can be entered again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.errors import StoreError, TaskPaused
from milepost.model.record import Record
from milepost.model.states import TaskState
from milepost.notebook.activity import parts_of
from milepost.notebook.capture import in_background, unrecorded
from milepost.notebook.midway import around
from milepost.notebook.midway.around import Around, nature, shown_now
from milepost.notebook.midway.variables import (
    STATE,
    Captured,
    CellVariables,
    FunctionState,
    OfTask,
    Refused,
    Variables,
)
from milepost.notebook.namespace import Namespace
from milepost.notebook.observed.telling import current, unwatched
from milepost.notebook.random_state import read_states, restore_states
from milepost.notebook.recorder import outputs_from_bytes
from milepost.notebook.stage import Plan, Stage
from milepost.notebook.stamp import LastingStamp
from milepost.ports import Blob
from milepost.tracking.iterables import Changed, Source
from milepost.tracking.loop import Track
from milepost.tracking.report import line
from milepost.tracking.scope import Kept
from milepost.tracking.site import Site, site_of
from milepost.widget.ages import age

ITERABLE = "what is gone through"
"""Beside the variables."""

SHARE = 0.04
"""The share of a loop's time that may go into keeping it: with what showing it takes, less than a twentieth."""

SHOW = 0.5
"""Seconds between two lines of progress below a cell."""


class Desk(around.Desk, Protocol):
    """What keeping loops needs of the session."""

    namespace: Namespace
    can_resume: bool

    @property
    def store(self) -> LocalStore: ...
    def changed(self) -> None: ...


@dataclass(slots=True)
class Budget:
    """The time that keeping has taken (seconds), of the time since the first loop began."""

    began: float = 0.0
    spent: float = 0.0
    last: float = 0.0
    """What the last look, or the last save, took: the next will take about as long."""

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time of the `with`; what it opens is no file of the body's."""
        start = time.perf_counter()
        self.began = self.began or start
        try:
            with unwatched():
                yield
        finally:
            self.last = time.perf_counter() - start
            self.spent += self.last

    def next(self, every: float) -> float:
        """When there is time for more."""
        return max(time.perf_counter() + every, self.began + (self.spent + self.last) / SHARE)

    @property
    def allows_more(self) -> bool:
        """Whether there is time for another look now."""
        return not self.spent or self.spent + self.last <= SHARE * (time.perf_counter() - self.began)


class Midway:
    """The keeper of one run of a task."""

    def __init__(self, desk: Desk, stage: Stage, plan: Plan) -> None:
        self._desk = desk
        self._stage = stage
        self._begun = 0
        self._open: list[KeptLoop] = []
        self._begin = time.monotonic()
        self._line: LastingStamp | None = None
        self._next_line = 0.0
        self._said: set[str] = set()
        data = desk.namespace.data
        self._start = {name: data[name] for name in plan.definition.outputs if name in data}
        self.plan = plan
        self.budget = Budget()
        self.earlier = 0.0
        """Seconds that processes before this one have worked on what it goes on with."""

    @property
    def seconds(self) -> float:
        """How long the task has worked so far, in all processes."""
        return time.monotonic() - self._begin + self.earlier

    def again(self) -> None:
        """The body begins anew: another attempt."""
        self._begun, self._open = 0, []

    # loops

    def enter(self, loop: Track[Any], frame: FrameType) -> Kept | None:
        """A loop begins."""
        outer = self._open[-1] if self._open else None
        place = f"{outer.place}.{outer.inner}" if outer is not None else str(self._begun)
        if outer is not None:
            outer.inner += 1
        else:
            self._begun += 1
        try:
            with self.budget.spending():
                return self._entered(loop, frame, place, outer)
        except Refused as reason:
            return Unkept(self, loop, str(reason))
        except StoreError:  # where nothing can be saved, the end of the task says so
            return None

    def _entered(self, loop: Track[Any], frame: FrameType, place: str, outer: KeptLoop | None) -> KeptLoop | None:
        partials, task = self._desk.store.partials, self.plan.definition.name
        in_cell = frame.f_locals is frame.f_globals
        if not in_cell and loop.state is None:
            return None
        if not partials.has(task, place) and not self._worth_it(outer):
            return None
        if not isinstance(loop.iterable, Iterable):
            raise Refused("what it goes through is asynchronous")
        site = site_of(frame)
        if site is None:
            words = "a loop that is not a `for` statement over track(...) itself begins anew after a kill"
            raise Refused(f"{words}; write: for item in track(...)")
        if self.plan.resolution.blockers:
            return None  # what it depends on is not known, so nothing could tell whether it may go on
        variables = self._cell(loop, frame, site) if in_cell else self._function(loop, frame, site)
        kept = KeptLoop(self, self._desk, loop, place, outer, variables, frame.f_globals)
        self._open.append(kept)
        return kept

    def _worth_it(self, outer: KeptLoop | None) -> bool:
        """Whether the loop could ever be entered again, and there is time to look at the variables."""
        return (outer is None or outer.current) and self.budget.allows_more

    def _cell(self, loop: Track[Any], frame: FrameType, site: Site) -> Variables:
        namespace = Namespace(self._desk.shell, frame.f_globals)
        task = OfTask(tuple(self.plan.resolution.inputs), self.plan.definition.outputs, self._start)
        return CellVariables(namespace, site, loop.state, task)

    def _function(self, loop: Track[Any], frame: FrameType, site: Site) -> Variables:
        alone = not in_background() and frame.f_globals is self._desk.namespace.home
        return FunctionState(frame, site, loop.state, self._desk.namespace if alone else None)

    def left(self, loop: KeptLoop) -> None:
        """A loop has ended, and with it those within."""
        if loop in self._open:
            del self._open[self._open.index(loop) :]

    def innermost(self, loop: KeptLoop) -> bool:
        """Whether no other loop is under way, but those around it."""
        return bool(self._open) and self._open[-1] is loop

    def warn(self, text: str) -> None:
        """Say once that a loop begins anew after a kill, and why."""
        if text not in self._said:
            self._said.add(text)
            self._stage.note(
                f"{self.plan.definition.name!r} begins anew after a kill: {text}", symbol="⚠", warning=True
            )

    def note(self, text: str, *, warning: bool = False) -> None:
        """Say something of a loop."""
        self._stage.note(text, symbol="⚠" if warning else "↺", warning=warning)

    # what people see

    def hold(self, held: bool) -> None:
        """The task waits between two items; raises `TaskPaused` where no Resume could reach it."""
        facts = self._stage.facts
        facts.state = TaskState.PAUSED if held else TaskState.RUNNING
        self._desk.changed()
        if held and not in_background() and not self._desk.can_resume:
            raise TaskPaused(
                f"task {self.plan.definition.name!r} was paused within a loop, and this front end has no way to resume "
                "while a cell waits. Run `%tasks resume`, then this cell again: it goes on there"
            )

    def show(self, text: str, *, last: bool = False) -> None:
        """A line below the cell, where no page of ours shows how far the task is."""
        if self._desk.can_resume or in_background():
            return
        if getattr(self._desk.shell, "kernel", None) is None:
            with unrecorded():
                line(text, last=last)
            return
        now = time.monotonic()
        if now >= self._next_line or (last and self._line is not None):
            self._line = self._line or LastingStamp(self._desk.shell)
            self._line.show(text)
            self._next_line = now + SHOW


@dataclass(slots=True)
class Unkept:
    """One loop that cannot: that is said once it takes long enough to be worth knowing."""

    keeper: Midway
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

    keeper: Midway
    desk: Desk
    loop: Track[Any]
    place: str
    outer: KeptLoop | None
    variables: Variables
    home: dict[str, Any]
    inner: int = 0
    """Loops that have begun within the item that runs."""
    done: int = 0
    due: float = 0.0
    address: str = ""
    """Of what was saved last."""
    _broken: bool = False
    _source: Source = field(init=False)
    _items: Iterator[Any] | None = None
    _around: Around = field(init=False)
    _nature: dict[str, Any] = field(init=False)
    _at: int = 0
    """Items that are done by now."""

    def __post_init__(self) -> None:
        self._source = Source(self.loop.iterable)
        self._around = Around.now(self.desk, self.keeper.plan)
        self._nature = nature(self.loop.iterable, self.home)
        self._resume()
        self._at, self.due = self.done, self.keeper.budget.next(self.loop.every)

    @property
    def current(self) -> bool:
        """Whether what was saved is of the moment at which the item began that runs now."""
        return not self._broken and self._at == self.done

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
        if not self.keeper.innermost(self):
            raise Refused("several of its loops run at the same time")
        if _others_run():
            raise Refused("other coroutines run at the same time")
        captured = self.variables.captured()
        values = {**captured.values, **self._gone_through(captured)}
        blobs = {
            "values": self._dumped(captured, values, captured.shared),
            "rest": self._dumped(captured, self._rest(done), {}),
            "display": Blob(shown_now()),
        }
        record = self._record(done, captured)
        self.address = self.desk.store.partials.write(self.place, record, blobs, durable=lasting)
        self.done = done

    def _gone_through(self, captured: Captured) -> dict[str, Any]:
        """What it goes through, where the loop changes that; raises `Refused` where no place in it can be saved."""
        iterable = self.loop.iterable
        if isinstance(iterable, Iterator):
            changed = [captured.values[name] for name in captured.mutated if name in captured.values]
            if changed and _reach(iterable, changed):
                raise Refused("it changes what it goes through, by way of an iterator")
            return {}
        return {ITERABLE: iterable} if nature(iterable, self.home) != self._nature else {}

    def _rest(self, done: int) -> dict[str, Any]:
        state = self._around.changed(self.desk, self.keeper.plan)
        place = self._source.place(done)
        drawn, now = self._around.drawn(), read_states()
        began = {name: self._around.random[name] for name in drawn if name in self._around.random}
        return {"began": began, "random": {name: now[name] for name in drawn}, "state": state, "place": place}

    def _dumped(self, captured: Captured, values: Any, shared: Any) -> Blob:
        dump = NotebookSerializer(self.home).dump(values, shared)
        for name, reason in dump.unsaved.items():
            if name not in captured.spare:
                words = "its state" if name == STATE else repr(name)
                raise Refused(f"{words} cannot be saved ({reason})")
        return dump.blob

    def _record(self, done: int, captured: Captured) -> Record:
        plan, told = self.keeper.plan, self._around.told
        return Record(
            task=plan.definition.name,
            key=plan.key,
            cell_id=plan.definition.cell_id,
            deleted=captured.deleted,
            observed=self._around.observed(self.desk),
            seconds=self.keeper.seconds,
            saved_at=datetime.now(UTC).isoformat(timespec="microseconds"),
            extra={
                "random": {name: told[name] for name in self._around.drawn() if name in told},
                "done": done,
                "total": self.loop.total,
                "nature": self._nature,
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
        if reason:
            self.keeper.note(f"the loop begins anew: {reason}", warning=True)

    def _unfit(self, then: Record) -> str:
        """Why what is kept is not of this loop as it is now."""
        extra, plan = then.extra, self.keeper.plan
        forced = plan.definition.options.force
        if then.key != plan.key:
            return "what was kept of it is of other code or other inputs"
        if extra["nature"] != self._nature and not forced:
            return (
                f"what it goes through changed {_difference(extra['nature'], self._nature)} (--force goes on with it)"
            )
        found = self.variables.found()
        other = next((name for name, was in extra["found"].items() if found.get(name, was) != was), "")
        if other:
            return f"the code before it made another {other!r} than then"
        return self._around.differs(self.desk, then, files=not forced)

    def _go_on(self, record: Record, blobs: dict[str, Blob]) -> None:
        """Put all in place, the last that can fail first."""
        serializer, before = NotebookSerializer(self.home), read_states()
        rest = serializer.load(blobs["rest"])
        values = serializer.load(blobs["values"], self.home.get)
        done = record.extra["done"]
        self._take(values.pop(ITERABLE, self.loop.iterable))
        try:
            restore_states(rest["began"])
            self._items = self._source.go_on(done, rest["place"])
            self.desk.ambient.restore(rest["state"])
            self.variables.put_back(values, record.deleted)
        except BaseException:
            restore_states(before)
            raise
        restore_states(rest["random"])
        self._around = replace(self._around, random={**self._around.random, **rest["began"]})
        self.done, self.keeper.earlier = done, record.seconds
        self._around.show_again(self.desk, outputs_from_bytes(bytes(blobs["display"].stream)))
        watch = current()
        if watch is not None:
            watch.inherit(tuple(item for item in record.observed if item.kind != "state"))
        self._say(record, done)

    def _take(self, iterable: Any) -> None:
        """Go through this, which the loop has changed."""
        if iterable is not self.loop.iterable:
            self.loop.iterable = iterable
            self._source = Source(iterable)

    def _say(self, record: Record, done: int) -> None:
        total = record.extra["total"]
        of = f" of {total}" if total is not None else ""
        self.keeper.note(f"goes on after item {done}{of}, saved {age(record.saved_at)}")
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


def _reach(iterator: Iterator[Any], values: list[Any]) -> bool:
    """Whether an iterator holds one of these values, or a part of it."""
    frame = getattr(iterator, "gi_frame", None)
    roots = list(frame.f_locals.values()) if frame is not None else [iterator]
    held, changed = parts_of(roots), parts_of(values)
    return held is None or changed is None or bool(held & changed)


def _difference(then: dict[str, Any], now: dict[str, Any]) -> str:
    if then["kind"] != now["kind"]:
        return f"from a {then['kind']} to a {now['kind']}"
    if then["length"] != now["length"]:
        return f"from {then['length']} items to {now['length']}"
    return "in its content"
