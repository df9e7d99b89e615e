"""Which run has which task under way, so that two runs of one runner never do the same work twice."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from milepost.model.errors import TaskGraphError
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus

_Tell = Callable[[TaskResult], None]

_NEVER = (0, None, None)

_LOOK_AGAIN = TaskResult(TaskStatus.CANCELLED)
"""For runs that met a claim which only took a result over: it may be an old one for them, if they began later."""


class Claims:
    """Shared by the runs of one runner; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, object] = {}
        self._waiting: dict[str, list[_Tell]] = {}
        self._needs: defaultdict[str, set[str]] = defaultdict(set)
        """By task in whose body a run was started: the tasks of other runs that it waits for."""
        self._runs = 0
        self._serial = 0
        self._ended: dict[str, tuple[int, object, TaskResult | None]] = {}
        """By task: when it ended, under which run, and how; kept only while runs overlap."""

    def enter(self) -> int:
        """A run begins; the moment, to tell what ended after it."""
        with self._lock:
            self._runs += 1
            return self._serial

    def leave(self) -> None:
        """A run has ended."""
        with self._lock:
            self._runs -= 1
            if not self._runs:
                self._ended.clear()

    def claim(self, name: str, run: object, moment: int) -> TaskResult | bool:
        """Whether this run may start the task now: not while another has it under way.

        A result says how it ended under another run after that moment; one that was cancelled can start.
        """
        if self._running.setdefault(name, run) is not run:  # one step, and so without the lock
            return False
        if not self._ended:
            return True
        since, other, result = self._ended.get(name, _NEVER)
        if result is None or since <= moment or other is run or result.status is TaskStatus.CANCELLED:
            return True
        self._free(name, _LOOK_AGAIN)
        return result

    def release(self, name: str, run: object, result: TaskResult) -> None:
        """The task has ended, and its result can be seen by all: tell the runs that wait for it.

        Nothing happens where this run holds it no longer: an interrupt may have torn the run, which then releases all.
        """
        if self._running.get(name) is not run:
            return
        if self._runs > 1:
            with self._lock:
                self._serial += 1
                self._ended[name] = (self._serial, run, result)
        self._free(name, result)

    def _free(self, name: str, result: TaskResult) -> None:
        self._running.pop(name, None)  # two threads of the run that holds it may be here
        if self._waiting:
            self._tell(name, result)

    def _tell(self, name: str, result: TaskResult) -> None:
        with self._lock:
            waiting = self._waiting.pop(name, [])
            for needed in self._needs.values():
                needed.discard(name)
        for tell in waiting:
            tell(result)

    def wait(self, name: str, asking: tuple[str, ...], tell: _Tell) -> bool:
        """Have `tell(result)` called when the task ends; false when it is under way no longer.

        Raises
        ------
        TaskGraphError
            When the task itself waits for one of `asking`, in whose bodies this is asked.
        """
        with self._lock:
            if self._reaches(name, asking):
                words = f"task {asking[-1]!r} asks for {name!r}, which cannot end before {asking[-1]!r} has ended"
                raise TaskGraphError([words])
            waiting = self._waiting.setdefault(name, [])
            waiting.append(tell)
            if name not in self._running:  # it ended in between: `release` has seen `tell`, or else never will
                waiting.remove(tell)
                return False
            for task in asking:
                self._needs[task].add(name)
            return True

    def _reaches(self, name: str, asking: tuple[str, ...]) -> bool:
        seen, waiting = {name}, [name]
        while waiting:
            new = self._needs.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return not seen.isdisjoint(asking)
