"""What a run has left to do: unmet dependencies, ready tasks, and what a failure takes with it.

Tasks are numbers here, their places in the graph: a list look-up costs a fifth of a dictionary's, and less memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from milepost.model.graph import TaskGraph

HERE, THERE = 0, 1
"""Lanes: tasks that the thread of the run itself runs, and those that go to an executor's threads."""

NONE = -1
"""No task."""


class Schedule:
    """Tasks that wait or are ready. `free_dependents` is for one thread at a time; the rest is for any.

    What any thread may do needs no lock, since each step of it is one call into C, and so indivisible: taking a number
    out of a heap or a set. A task belongs to who takes its place out of the set `open`.

    Parameters
    ----------
    graph : TaskGraph
    chosen : set of int
        The places of the tasks to run, taken over; the others count as done.
    lanes : sequence of int
        The lane of each task, by its place.
    """

    def __init__(self, graph: TaskGraph, chosen: set[int], lanes: Sequence[int]) -> None:
        self._dependents = graph.edges.dependents
        self._starts, self._heads = graph.edges.starts, graph.edges.heads
        self._listed = graph.listed
        self._size = len(graph)
        self._lanes = lanes
        self._priorities = [task.priority for task in graph.listed] if any(t.priority for t in graph.listed) else None
        whole = len(chosen) == self._size
        self._unmet = list(graph.edges.unmet) if whole else self._unmet_among(chosen)
        self._first: tuple[list[int], list[int]] = ([], [])
        """By lane: ready from the start, the next one last, since to take it from there costs less than from a heap."""
        self._ready: tuple[list[int], list[int]] = ([], [])
        """By lane: a heap of those that became ready."""
        for place in range(self._size) if whole else sorted(chosen):
            if not self._unmet[place]:
                self._first[lanes[place]].append(self._rank(place) if self._priorities else place)
        for first in self._first:
            first.sort(reverse=True)
        self._open = chosen

    def _unmet_among(self, chosen: set[int]) -> list[int]:
        unmet = [0] * self._size
        for place in chosen:
            for dependent in self._dependents(place):
                unmet[dependent] += 1
        return unmet

    def hold(self, place: int) -> None:
        """Count a task that was taken as not started after all."""
        self._open.add(place)

    def make_ready(self, place: int) -> None:
        """Let a task start when its turn comes: the higher priority first, then the earlier place."""
        self._open.add(place)
        heapq.heappush(self._ready[self._lanes[place]], self._rank(place) if self._priorities else place)

    def _rank(self, place: int) -> int:
        return place - self._priorities[place] * self._size if self._priorities else place

    def has_ready(self, lane: int) -> bool:
        """Whether a task of this lane may be ready."""
        return bool(self._ready[lane] or self._first[lane])

    def take(self, lane: int) -> int:
        """The next task of a lane, which belongs to the caller then; `NONE` when none is ready."""
        first, ready = self._first[lane], self._ready[lane]
        while first or ready:
            try:
                rank = first.pop() if first and (not ready or first[-1] < ready[0]) else heapq.heappop(ready)
            except IndexError:  # another thread was faster
                continue
            place = rank % self._size
            try:  # `claim`, without a call for every task
                self._open.remove(place)
            except KeyError:
                continue
            return place
        return NONE

    def claim(self, place: int) -> bool:
        """Whether a task had not started, nor been skipped or cancelled; it belongs to the caller then."""
        try:
            self._open.remove(place)
        except KeyError:
            return False
        return True

    def free_dependents(self, place: int) -> None:
        """Count a task off for those that wait for it."""
        unmet = self._unmet
        for dependent in self._heads[self._starts[place] : self._starts[place + 1]]:
            unmet[dependent] -= 1
            if not unmet[dependent] and dependent in self._open:  # else it was skipped or cancelled
                rank = self._rank(dependent) if self._priorities else dependent
                heapq.heappush(self._ready[self._lanes[dependent]], rank)

    def claim_dependents(self, place: int) -> list[tuple[int, int]]:
        """All that can no longer run without this task, each with the one that it waited for."""
        claimed: list[tuple[int, int]] = []
        blamed = [place]
        for blame in blamed:  # grows while it is read
            name = self._listed[blame].name
            for dependent in self._dependents(blame):
                if name not in self._listed[dependent].optional and self.claim(dependent):
                    claimed.append((dependent, blame))
                    blamed.append(dependent)
        return claimed

    def free_tolerant(self, places: Iterable[int]) -> None:
        """Count tasks that came to nothing off for those that wait for their end only."""
        for place in places:
            name = self._listed[place].name
            for dependent in self._dependents(place):
                if name in self._listed[dependent].optional:
                    self._unmet[dependent] -= 1
                    if not self._unmet[dependent] and dependent in self._open:
                        self.make_ready(dependent)

    def claim_all(self) -> list[int]:
        """Every task that has not started, in the graph's order."""
        return [place for place in sorted(self._open.copy()) if self.claim(place)]
