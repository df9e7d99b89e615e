"""What a run has left to do: unmet dependencies, ready tasks, and what a failure takes with it.

Tasks are numbers here, their places in the graph: a list look-up costs a fifth of a dictionary's, and less memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence

from milepost.model.graph import TaskGraph

HERE, THERE = 0, 1
"""Lanes: tasks that the thread of the run itself runs, and those that go to an executor's threads."""

NONE = -1
"""No task."""


class Schedule:
    """Not safe for threads: the run that has it holds a lock around it.

    Parameters
    ----------
    graph : TaskGraph
    chosen : collection of int
        The places of the tasks to run; the others count as done.
    lanes : sequence of int
        The lane of each task, by its place.
    """

    def __init__(self, graph: TaskGraph, chosen: Collection[int], lanes: Sequence[int]) -> None:
        edges = graph.edges
        self._dependents = edges.dependents
        self._lanes = lanes
        self._size = len(graph)
        self._priorities = [task.priority for task in graph.listed] if any(t.priority for t in graph.listed) else None
        self._waits = bytearray(self._size)
        """1 for a task that has not started."""
        self._ready: tuple[list[int], list[int]] = ([], [])
        self.left = len(chosen)
        """Tasks without an outcome."""
        if len(chosen) == self._size:
            self._unmet = list(edges.unmet)
        else:
            self._unmet = self._unmet_among(chosen)
        for place in sorted(chosen):
            self._waits[place] = 1
            if not self._unmet[place]:
                self.make_ready(place)

    def _unmet_among(self, chosen: Collection[int]) -> list[int]:
        unmet = [0] * self._size
        for place in chosen:
            for dependent in self._dependents[place]:
                unmet[dependent] += 1
        return unmet

    def make_ready(self, place: int) -> None:
        """Let a task start when its turn comes: the higher priority first, then the earlier place."""
        self._waits[place] = 1
        rank = place - self._priorities[place] * self._size if self._priorities else place
        heapq.heappush(self._ready[self._lanes[place]], rank)

    def has_ready(self, lane: int) -> bool:
        """Whether a task of this lane could start."""
        return bool(self._ready[lane])

    def take(self, lane: int) -> int:
        """The next task of a lane, which counts as started; `NONE` when none is ready."""
        ready = self._ready[lane]
        if not ready:
            return NONE
        place = heapq.heappop(ready) % self._size
        self._waits[place] = 0
        return place

    def hold(self, place: int) -> None:
        """Count a task that was taken as not started after all; `make_ready` brings it back."""
        self._waits[place] = 1

    def waits(self, place: int) -> bool:
        """Whether a task has not started (and was not skipped or cancelled)."""
        return bool(self._waits[place])

    def settle(self, place: int) -> None:
        """Take note that a task waits no longer, without having been taken."""
        self._waits[place] = 0

    def free_dependents(self, place: int) -> None:
        """Count a task off for those that wait for it."""
        unmet = self._unmet
        for dependent in self._dependents[place]:
            unmet[dependent] -= 1
            if not unmet[dependent] and self._waits[dependent]:
                self.make_ready(dependent)

    def doom_dependents(self, place: int) -> list[tuple[int, int]]:
        """All that can no longer run, each with the task that it waited for; they wait no longer."""
        doomed: list[tuple[int, int]] = []
        blamed = [place]
        for blame in blamed:  # grows while it is read
            for dependent in self._dependents[blame]:
                if self._waits[dependent]:
                    self._waits[dependent] = 0
                    doomed.append((dependent, blame))
                    blamed.append(dependent)
        return doomed

    def drain(self) -> list[int]:
        """Every task that has not started, in the graph's order; they wait no longer."""
        for ready in self._ready:
            ready.clear()
        places = [place for place, waits in enumerate(self._waits) if waits]
        self._waits = bytearray(self._size)
        return places
