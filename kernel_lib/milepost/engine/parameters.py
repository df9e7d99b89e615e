"""Parameters of a body that nothing would fill: told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from milepost.model.graph import TaskGraph, did_you_mean
from milepost.model.parameters import GIVEN, parameters_of
from milepost.model.task import Task


def unfilled(graph: TaskGraph) -> Iterator[str]:
    """A sentence for each parameter without a default that names neither a dependency of its task nor what is given."""
    for task in graph.listed:
        _, needed, unnamed, _ = parameters_of(task.run)
        known = task.dependencies
        for name in needed:
            if name in unnamed:
                yield f"the body of task {task.name!r} takes {name!r} by position only; take out the '/' behind it"
            elif name not in known and name not in GIVEN:
                yield _sentence(task, name, graph)


def _sentence(task: Task, name: str, graph: TaskGraph) -> str:
    words = f"the body of task {task.name!r} has a parameter {name!r}, which names none of its dependencies"
    if name in graph:
        return f"{words}; add {name!r} to them"
    hint = did_you_mean(name, (*task.dependencies, *GIVEN))
    return f"{words}{hint or '; give it a default, or name the task whose data it is for'}"
