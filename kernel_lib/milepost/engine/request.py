"""What a run is asked for: everything that can be refused is refused before anything runs."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from milepost.engine.parameters import unfilled
from milepost.engine.state import TaskStateManager
from milepost.model import checks
from milepost.model.cancel import CancelSignal
from milepost.model.errors import SnapshotWarning, TaskGraphError, UsageError
from milepost.model.graph import TaskGraph, did_you_mean
from milepost.model.parameters import parameters_of
from milepost.model.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A graph that can run, the tasks of it to run (None: all), and how."""

    graph: TaskGraph
    targets: Sequence[str] | None
    concurrency: int
    timeout: float | None
    dry_run: bool


def check_options(concurrency: int, timeout: float | None, signal: CancelSignal | None) -> None:
    """Raise `UsageError` for options that make no sense."""
    problems = [checks.whole("concurrency, how many tasks run at once at most,", concurrency, 1)]
    if timeout is not None:
        problems.append(checks.seconds("timeout", timeout))
    if signal is not None:
        problems.append(checks.instance("signal", signal, CancelSignal, "CancelSignal()"))
    checks.refuse("a run", problems)


def validate(graph: TaskGraph, executors: Iterable[str], *, once: bool) -> None:
    """Raise one `TaskGraphError` with every problem of the graph; `once` says whether tasks may be so here."""
    known = tuple(executors)
    strange = [task for task in graph.listed if task.on and task.on not in known]
    there_are = ", ".join(name for name in known if name)
    words = [f"task {t.name!r} runs on {t.on!r}, which is no executor; there are {there_are}" for t in strange]
    words += [] if once else [_not_once(task) for task in graph.listed if task.once]
    graph.validate([*words, *unfilled(graph)])


def _not_once(task: Task) -> str:
    words = f"task {task.name!r} happens once, and nothing here would remember that"
    return f"{words}: give the runner a store in a folder, with_store('study.milepost')"


def find_targets(graph: TaskGraph, only: Iterable[str] | None) -> list[str] | None:
    """The tasks that `only` names; None for all.

    Raises
    ------
    UsageError, TaskGraphError
        When these are no names, or no task has one of them.
    """
    if only is None:
        return None
    if isinstance(only, str):
        raise UsageError(f"only is several names, such as [{only!r}], not one string")
    targets = list(only)
    unknown = [name for name in targets if name not in graph.tasks]
    if unknown:
        raise TaskGraphError([f"there is no task {name!r}{did_you_mean(name, graph.tasks)}" for name in unknown])
    return targets


def warn_of_snapshot(graph: TaskGraph, state: TaskStateManager, besides: Container[str], *, context: bool) -> None:
    """Warn of results that stand for no task of the graph or `besides` it, and of what they did to a `context`."""
    gone = sorted(name for name in state.brought() - graph.tasks.keys() if name not in besides)
    if gone:
        _warn(f"the snapshot names tasks that are not in the graph: {_list(gone)}")
    hydrated = state.hydrated() if context else ()
    using = [task.name for task in graph if task.name in hydrated and "context" in parameters_of(task.run).named]
    if using:
        words = "are not run again, so what they did to the context is not there unless you restored it"
        _warn(f"{_list(using)} {words}")


def _warn(words: str) -> None:
    warnings.warn(words, SnapshotWarning, 6)  # who called `TaskRunner.run`


def _list(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
