"""A graph's arrows by numbers, in flat arrays: no object for each task that the garbage collector would visit."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from milepost.model.task import Task


@dataclass(frozen=True, slots=True)
class Edges:
    """Who depends on whom, by the places of the tasks in their graph ("compressed sparse rows").

    Parameters
    ----------
    starts : array of int
        By place, where in `heads` its dependents begin; one more at the end.
    heads : array of int
        The dependents of all tasks, each once, in the order of the graph.
    unmet : sequence of int
        By place, on how many tasks of the graph it depends.
    forwards : bool
        Whether every task stands after all it depends on: then there can be no circle.
    missing : sequence of (int, str)
        Dependencies that are no task of the graph, with the place of the task that has them.
    """

    starts: array[int]
    heads: array[int]
    unmet: Sequence[int]
    forwards: bool
    missing: Sequence[tuple[int, str]]

    def dependents(self, place: int) -> Sequence[int]:
        """The tasks that depend on one directly, in the order of the graph."""
        return self.heads[self.starts[place] : self.starts[place + 1]]

    @classmethod
    def of(cls, listed: Sequence[Task], places: Mapping[str, int]) -> Edges:
        """The edges between some tasks."""
        tails: list[int] = []
        heads: list[int] = []
        missing: list[tuple[int, str]] = []
        for place, task in enumerate(listed):
            names = task.dependencies
            for name in names if len(names) < 2 else dict.fromkeys(names):
                tail = places.get(name)
                if tail is None:
                    missing.append((place, name))
                else:
                    tails.append(tail)
                    heads.append(place)
        forwards = all(map(operator.lt, tails, heads))
        return cls(*_by_tail(len(listed), tails, heads), _counts(len(listed), heads), forwards, missing)


def _counts(size: int, places: Sequence[int]) -> list[int]:
    counts = [0] * size
    for place in places:
        counts[place] += 1
    return counts


def _by_tail(size: int, tails: Sequence[int], heads: Sequence[int]) -> tuple[array[int], array[int]]:
    """The heads in the order of their tails, and where each tail's begin: a counting sort."""
    starts = array("l", accumulate(_counts(size, tails), initial=0))
    ordered, free = array("l", heads), starts.tolist()
    for tail, head in zip(tails, heads, strict=True):
        slot = free[tail]
        ordered[slot] = head
        free[tail] = slot + 1
    return starts, ordered
