"""Which tasks of a graph a run has to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from milepost.engine.state import TaskStateManager
from milepost.model.graph import TaskGraph
from milepost.model.result import TaskResult


@dataclass(frozen=True, slots=True)
class Selection:
    """The places of the tasks to run, and the earlier successes by name that they build on.

    These are kept as they were found: another run of the same runner may change the state meanwhile.
    """

    chosen: set[int]
    earlier: dict[str, TaskResult]


def select(graph: TaskGraph, state: TaskStateManager, targets: Iterable[str] | None) -> Selection:
    """The targets (None: all tasks) that were not hydrated, and all they need that has no success."""
    places, listed, hydrated = graph.places, graph.listed, state.hydrated()
    if targets is None and not hydrated:
        return Selection(set(range(len(graph))), {})
    chosen = {places[name] for name in (graph.tasks if targets is None else targets) if name not in hydrated}
    earlier: dict[str, TaskResult] = {}
    waiting = list(chosen)
    while waiting:
        for name in listed[waiting.pop()].dependencies:
            place = places.get(name, -1)
            if place in chosen:
                continue
            result = state.result(name)
            if result is not None and result.ok:
                earlier[name] = result
            elif place >= 0:
                chosen.add(place)
                waiting.append(place)
    return Selection(chosen, earlier)
