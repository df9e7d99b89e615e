"""Which run has which task under way, so that two runs of one runner never do the same work twice."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable

from milepost.engine.nesting import Key
from milepost.model.errors import TaskGraphError
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus

_Tell = Callable[[TaskResult], None]

_NEVER = (0, None, None)

_LOOK_AGAIN = TaskResult(TaskStatus.CANCELLED)
"""For runs that met a claim which only took a result over: it may be an old one for them, if they began later."""


class Claims:
    """Shared by the runs of one runner; safe for threads.

    Tasks are the same here that have name and body in common: others may bear the same name in another run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Key, object] = {}
        self._waiting: dict[Key, list[_Tell]] = {}
        self._needs: defaultdict[Key, set[Key]] = defaultdict(set)
        """By task in whose body a run was started: the tasks of other runs that it waits for."""
        self._runs: set[object] = set()
        self._crowded: set[object] = set()
        """Runs that were not alone all the time."""
        self._serial = 0
        self._ended: dict[Key, tuple[int, object, TaskResult | None]] = {}
        """By task: when it ended, under which run, and how; kept only while runs overlap."""

    def enter(self, run: object) -> int:
        """A run begins; the moment, to tell what ended after it."""
        with self._lock:
            self._runs.add(run)
            if len(self._runs) > 1:
                self._crowded |= self._runs
            return self._serial

    def leave(self, run: object) -> bool:
        """A run has ended; whether others ran beside it."""
        with self._lock:
            crowded = run in self._crowded
            self._runs.discard(run)
            self._crowded.discard(run)
            if not self._runs:
                self._ended.clear()
            return crowded

    def claim(self, task: Key, run: object, moment: int) -> TaskResult | bool:
        """Whether this run may start the task now: not while another has it under way.

        A result says how it ended under another run after that moment; one that was cancelled can start.
        """
        if self._running.setdefault(task, run) is not run:  # one step, and so without the lock
            return False
        if not self._ended:
            return True
        since, other, result = self._ended.get(task, _NEVER)
        if result is None or since <= moment or other is run or result.status is TaskStatus.CANCELLED:
            return True
        self._running.pop(task, None)
        self._tell(task, _LOOK_AGAIN)
        return result

    def release(self, task: Key, run: object, result: TaskResult) -> None:
        """The task has ended, and its result can be seen by all: tell the runs that wait for it.

        Nothing happens where this run holds it no longer: an interrupt may have torn the run, which then releases all.
        """
        if self._running.get(task) is not run:
            return
        if len(self._runs) > 1:
            with self._lock:
                self._serial += 1
                self._ended[task] = (self._serial, run, result)
        self._running.pop(task, None)  # two threads of the run that holds it may be here
        if self._waiting:
            self._tell(task, result)

    def _tell(self, task: Key, result: TaskResult) -> None:
        with self._lock:
            waiting = self._waiting.pop(task, [])
            for needed in self._needs.values():
                needed.discard(task)
        for tell in waiting:
            tell(result)

    def wait(self, task: Key, asking: tuple[Key, ...], tell: _Tell) -> bool:
        """Have `tell(result)` called when the task ends; false when it is under way no longer.

        Raises
        ------
        TaskGraphError
            When the task itself waits for one of `asking`, in whose bodies this is asked.
        """
        with self._lock:
            if self._reaches(task, asking):
                asker, _ = asking[-1]
                raise TaskGraphError(
                    [f"task {asker!r} asks for {task[0]!r}, which cannot end before {asker!r} has ended"]
                )
            waiting = self._waiting.setdefault(task, [])
            waiting.append(tell)
            if task not in self._running:  # it ended in between: `release` has seen `tell`, or else never will
                waiting.remove(tell)
                return False
            for waits in asking:
                self._needs[waits].add(task)
            return True

    def _reaches(self, task: Key, asking: tuple[Key, ...]) -> bool:
        seen, waiting = {task}, [task]
        while waiting:
            new = self._needs.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return not seen.isdisjoint(asking)
