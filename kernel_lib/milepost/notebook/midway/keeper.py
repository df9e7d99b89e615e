"""Checkpoints within one task: of each of its loops, between two items, at most for a twentieth of its time.

Each loop has a place: "0" is the first that begins, "0.1" the second that begins within one item of that. An inner loop
is saved only where the outer one was saved when its item began: then it can be entered again.
"""

from __future__ import annotations

import inspect
import threading
import time
from types import FrameType
from typing import Any, Protocol

from milepost.model.errors import LoopNotResumed, StoreError, TaskPaused
from milepost.model.once import rerun
from milepost.model.states import TaskState
from milepost.notebook.capture import in_background, streams, unrecorded
from milepost.notebook.midway import kept
from milepost.notebook.midway.budget import Budget
from milepost.notebook.midway.function_state import FunctionState
from milepost.notebook.midway.kept import AT_ONCE, KeptLoop, Unkept
from milepost.notebook.midway.variables import CellVariables, OfTask, Refused, Variables
from milepost.notebook.namespace import Namespace
from milepost.notebook.stage import Plan, Stage
from milepost.notebook.stamp import LastingStamp
from milepost.tracking.loop import Track
from milepost.tracking.report import line
from milepost.tracking.scope import Kept
from milepost.tracking.site import Site, site_of

_GIVES = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR

SHOW = 0.5
"""Seconds between two lines of progress below a cell."""


class Desk(kept.Desk, Protocol):
    """What keeping loops needs of the session."""

    namespace: Namespace
    can_resume: bool

    def changed(self) -> None: ...


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
        self._start = dict(desk.namespace.data)
        self._streams = streams()
        self.found = desk.ambient.read()
        """The state of the process as the body found it."""
        self.plan = plan
        self.budget = Budget()
        self.stuck: LoopNotResumed | None = None
        """That a loop could not go on, which the body may catch."""
        self.earlier = 0.0
        """Seconds that processes before this one have worked on what it goes on with."""

    @property
    def seconds(self) -> float:
        """How long the task has worked so far, in all processes."""
        return time.monotonic() - self._begin + self.earlier

    def again(self) -> None:
        """The body begins anew: another attempt."""
        self._begun, self._open = 0, []
        self.found = self._desk.ambient.read()

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
        except LoopNotResumed as error:
            self.stuck = error
            raise
        except StoreError:  # where nothing can be saved, the end of the task says so
            return None

    def _entered(self, loop: Track[Any], frame: FrameType, place: str, outer: KeptLoop | None) -> KeptLoop | None:
        if outer is not None and outer.thread != threading.get_ident():
            outer.refused = AT_ONCE
            raise Refused(AT_ONCE)
        partials, task = self._desk.store.partials, self.plan.definition.name
        in_cell = frame.f_locals is frame.f_globals
        if in_cell and frame.f_globals.get("__name__") != "__main__":
            raise Refused("a loop of a module that is being imported begins anew after a kill")
        if not in_cell and loop.state is None:
            return None
        if not partials.has(task, place) and not self._worth_it(outer):
            return None
        if hasattr(type(loop.iterable), "__aiter__"):
            raise Refused("what it goes through is asynchronous")
        if frame.f_code.co_flags & _GIVES:
            raise Refused("it is in a generator: what that has given so far is not kept")
        if self._streams != streams():
            raise Refused("what it prints is redirected, and nobody keeps where to")
        site = site_of(frame)
        if site is None:
            words = "a loop that is not a `for` statement over track(...) itself begins anew after a kill"
            raise Refused(f"{words}; write: for item in track(...)")
        if self.plan.resolution.blockers:
            return None  # what it depends on is not known, so nothing could tell whether it may go on
        variables = self._cell(loop, frame, site) if in_cell else self._function(loop, frame, site)
        made = KeptLoop(self, self._desk, loop, place, site.statement, outer, variables, frame.f_globals)
        self._open.append(made)
        return made

    def _worth_it(self, outer: KeptLoop | None) -> bool:
        """Whether the loop could ever be entered again, and there is time to look at the variables."""
        return (outer is None or outer.current) and self.budget.allows_more

    def _cell(self, loop: Track[Any], frame: FrameType, site: Site) -> Variables:
        namespace = Namespace(self._desk.shell, frame.f_globals)
        return CellVariables(namespace, frame, site, loop, self._of_task())

    def _function(self, loop: Track[Any], frame: FrameType, site: Site) -> Variables:
        alone = not in_background() and frame.f_globals is self._desk.namespace.home
        namespace = Namespace(self._desk.shell, frame.f_globals)
        return FunctionState(frame, site, loop, self._of_task(), namespace, alone=alone)

    def _of_task(self) -> OfTask:
        return OfTask(tuple(self.plan.resolution.inputs), self.plan.definition.outputs, self._start)

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
                f"while a cell waits. {self._how_to_go_on()}"
            )

    def _how_to_go_on(self) -> str:
        how, definition = "Run `%tasks resume`", self.plan.definition
        if definition.options.once:  # it has begun, and does not begin again by itself
            how += f" and, where its code before the loop may run again, {rerun(definition.name)}"
        kept = any(loop.goes_on for loop in self._open)
        then = "it goes on there" if kept else "the loop is not kept, and begins anew"
        return f"{how}, then this cell again: {then}"

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
