"""What pages ask for and the main thread does: running tasks, forgetting results, trusting those of others."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import MilepostError, UsageError
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.notebook.doubts import Doubts
from milepost.notebook.facts import Facts
from milepost.notebook.jobs import Jobs
from milepost.notebook.registration import Registration

KEPT = 100
"""Orders to run that no page has had carried out yet; older ones are dropped."""

_LATER = "as soon as the running cell has ended"


@dataclass(frozen=True, slots=True)
class Order:
    """Tasks to run, in this order; `force` has them run though what is saved is valid."""

    names: tuple[str, ...]
    force: bool = False


class Desk(Protocol):
    """What is needed of the session."""

    jobs: Jobs
    doubts: Doubts
    registration: Registration

    @property
    def store(self) -> LocalStore: ...
    def fact_table(self) -> dict[str, Facts]: ...
    def views(self) -> list[TaskView]: ...
    def forget(self, names: Iterable[str]) -> None: ...
    def has_cell(self, name: str) -> bool: ...
    def changed(self) -> None: ...


class Orders:
    """Of one session. Taken in any thread, checked at once; `call_soon` has the main thread do the rest when free.

    A task runs as a cell runs, so it needs a page (or a person) that has `%tasks run --order N` executed: a number,
    and never a name, which might hold code.
    """

    def __init__(self, desk: Desk, call_soon: Callable[[Callable[[], None]], None]) -> None:
        self._desk = desk
        self._call_soon = call_soon
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[int, Order] = {}
        self.news = ""
        """What came of the last one that was carried out later; for people."""

    def run(self, name: str | None, *, needs: bool, force: bool) -> dict[str, Any]:
        """Note what is to run: a task, with what it needs, or all. Says what to execute, and which cells it is."""
        names = in_order(self._desk.fact_table(), name, needs=needs)
        if name is not None:
            self._desk.registration.require([name])
            if not self._desk.has_cell(name):
                raise UsageError(f"task {name!r} is known from the store only: run its cell")
        if not names:
            raise UsageError("no task cell was run in this kernel yet: run the notebook's cells")
        with self._lock:
            number = next(self._numbers)
            self._open[number] = Order(names, force)
            for old in list(self._open)[:-KEPT]:
                del self._open[old]
        return {"execute": f"%tasks run --order {number}", "cells": self._cells(names), "message": self._when()}

    def _cells(self, names: Iterable[str]) -> list[str]:
        """The ids of their cells; none where one of them is a function, or its cell is not known."""
        facts = self._desk.fact_table()
        ids = [facts[name].definition.cell_id for name in names]
        return ids if all(ids) and not any(facts[name].definition.function for name in names) else []

    def take(self, number: int) -> Order:
        """An order that is carried out now; each only once."""
        with self._lock:
            order = self._open.pop(number, None)
        if order is None:
            raise UsageError(f"there is no order {number}, or it was carried out already: %tasks run NAME runs a task")
        return order

    def forget(self, name: str) -> str:
        """Drop what is saved of a task between two cells; says when that will be."""
        self._desk.registration.require([name])
        facts = self._desk.fact_table().get(name)
        if facts is not None and (facts.in_background or facts.state in (TaskState.RUNNING, TaskState.PAUSED)):
            raise UsageError(f"task {name!r} is running: cancel it first, then forget it")
        return self._later(lambda: self._desk.forget([name]), f"forgotten: {name}")

    def trust(self, name: str) -> str:
        """Sign what is saved of a task by others, as it is listed now."""
        self._desk.registration.require([name])
        strange = [record for record in self._desk.store.history(name) if not record.trusted]
        if not strange:
            raise UsageError(f"what is saved of task {name!r} is yours: there is nothing to trust")
        return self._later(lambda: self._desk.store.trust(strange), f"trusted from now on: {name}")

    def resolve(self, name: str, *, done: bool) -> str:
        """Decide for a task in doubt: it is done, or may run again."""
        self._desk.doubts.require(name)
        return self._later(lambda: self._desk.doubts.resolve(name, done=done))

    def _later(self, act: Callable[[], object], done: str = "") -> str:
        def carry_out() -> None:
            try:
                told = act()
                self.news = done or str(told)
            except MilepostError as error:
                self.news = str(error)
            self._desk.changed()

        when = self._when()
        self._call_soon(carry_out)
        return when

    def _when(self) -> str:
        """When the main thread comes to it, for people; "" where that is at once."""
        return _LATER if self._desk.jobs.busy else ""


def in_order(known: Mapping[str, Facts], name: str | None, *, needs: bool) -> tuple[str, ...]:
    """All tasks of a session, or one, perhaps with what it needs: each after those before it."""
    if name is not None and not needs:
        return (name,) if name in known else ()
    found: dict[str, None] = {}
    begun: set[str] = set()
    stack = [(each, False) for each in reversed([name] if name is not None else list(known))]
    while stack:
        each, over = stack.pop()
        if over:
            found[each] = None
        elif each in known and each not in begun:
            begun.add(each)
            stack += [(each, True), *((before, False) for before in reversed(known[each].after))]
    return tuple(found)
