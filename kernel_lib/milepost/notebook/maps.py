"""`f.map(items)` in a notebook: each item is a task that is saved and restored by itself; many run side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from milepost.engine.runner import CONCURRENCY, TaskRunner
from milepost.functions import MapPart
from milepost.model.cancel import CancelSignal
from milepost.model.errors import UsageError
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.notebook.activity import Activities
from milepost.notebook.body import cell_trace
from milepost.notebook.capture import in_background
from milepost.notebook.common import Common, common
from milepost.notebook.definition import Definition, function_definition
from milepost.notebook.facts import Facts
from milepost.notebook.part import Desk as PartDesk
from milepost.notebook.part import Part
from milepost.notebook.registration import Registration
from milepost.notebook.stamp import stamp
from milepost.notebook.waiting import Waiting
from milepost.widget.words import duration

SHOWN = 3
"""Warnings of parts that a note spells out."""


class Desk(PartDesk, Protocol):
    """What maps need of the session."""

    runner: TaskRunner
    registration: Registration
    activities: Activities
    waiting: Waiting

    def fact_table(self) -> dict[str, Facts]: ...
    def cancellable(self) -> contextlib.AbstractContextManager[CancelSignal]: ...
    def hold_while_paused(self, facts: Facts) -> None: ...
    def changed(self) -> None: ...


class Maps:
    """The maps of one session. Runs them in the main thread, their items where the function says."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._stages: dict[str, Part] = {}

    def stage(self, name: str) -> Part | None:
        """Where a part that runs now runs."""
        return self._stages.get(name)

    # registering

    def register(self, parts: Iterable[MapPart[Any]]) -> None:
        """Take parts in; of each template the code is read once.

        Raises
        ------
        TaskGraphError
            Where a cell has the name of a part.
        """
        if in_background():
            raise UsageError("a task in the background cannot register a map: do it in a cell before that one")
        templates: dict[int, Definition] = {}
        made = [self._definition(part, templates) for part in parts]
        table = self._desk.fact_table()
        for definition in made:
            known = table.get(definition.name)
            if known is not None and known.definition.function is None:
                self._desk.registration.refuse_second(definition)
        for definition in made:
            facts = table.setdefault(definition.name, Facts(definition))
            facts.definition = definition
            facts.after = self._after(definition, table)
        self._desk.changed()

    @staticmethod
    def _definition(part: MapPart[Any], templates: dict[int, Definition]) -> Definition:
        base = templates.get(id(part.function))
        if base is None:
            base = templates[id(part.function)] = function_definition(part, _not_called)
        return replace(base, name=part.name, function=part, upstream=part.upstream)

    @staticmethod
    def _after(definition: Definition, table: dict[str, Facts]) -> tuple[str, ...]:
        names = definition.function.dependencies if definition.function else ()
        return tuple(name for name in names if name in table)

    # running

    def results(self, functions: Sequence[MapPart[Any]], concurrency: int | None) -> list[TaskResult]:
        """The results of parts, in order: restored where valid, computed else, with what they build on."""
        table = self._desk.fact_table()
        if in_background():
            return [self._there(function.name, table.get(function.name)) for function in functions]
        parts = self._with_sources(functions)
        groups = self._prepare(parts)
        tasks = [self._task(part) for part in parts]
        try:
            self._run(tasks, groups, concurrency or CONCURRENCY)
        finally:
            for task in tasks:
                self._stages.pop(task.name, None)
            self._tell(groups)
        return [self._result(function.name) for function in functions]

    def _with_sources(self, functions: Sequence[MapPart[Any]]) -> list[MapPart[Any]]:
        """The parts with those whose data they get, these first; registered, should they have been forgotten."""
        table = self._desk.fact_table()
        found = {function.name: function for function in functions}
        waiting = list(functions)
        for function in waiting:  # grows while it is read
            new = [source for source in function.source_parts if source.name not in found]
            found.update({source.name: source for source in new})
            waiting += new
        forgotten = [function for function in found.values() if function.name not in table]
        if forgotten:
            self.register(forgotten)
        return list(found.values())

    def _prepare(self, parts: list[MapPart[Any]]) -> list[tuple[MapPart[Any], Common]]:
        """Have at hand what the parts need; what each map and reduction has in common."""
        desk, found = self._desk, dict[tuple[int, int], tuple[MapPart[Any], Common]]()
        for part in parts:
            group = id(part.owner), id(part.function)
            if group not in found:
                facts = desk.facts(part.name)
                definition = facts.definition
                desk.waiting.for_names((*definition.reads, *definition.upstream), part.options.after)
                desk.arguments.settle(definition)
                found[group] = part, common(desk, facts)
            self._stages[part.name] = Part(desk, part, found[group][1])
        return list(found.values())

    @staticmethod
    def _task(part: MapPart[Any]) -> Task:
        """Of what the part depends on, only other parts are left to run."""
        away = part.options.on == "processes"  # the stage sends the body there
        return replace(
            part.to_task(), run=_not_called, dependencies=part.sources, on="threads" if away else part.options.on
        )

    def _run(self, tasks: list[Task], groups: list[tuple[MapPart[Any], Common]], concurrency: int) -> None:
        desk = self._desk
        roots = [root for _, shared in groups for root in shared.watched.values()]
        with desk.cancellable() as signal, desk.activities.running(roots):
            if tasks and desk.runner.paused:
                desk.hold_while_paused(desk.facts(tasks[0].name))
            desk.runner.run(tasks, concurrency=concurrency, signal=signal)

    def _result(self, name: str) -> TaskResult:
        result = self._desk.runner.state.result(name) or TaskResult(TaskStatus.CANCELLED)
        if result.exception is not None:
            result.exception.__traceback__ = cell_trace(self._desk.shell, result.exception.__traceback__)
        return result

    @staticmethod
    def _there(name: str, facts: Facts | None) -> TaskResult:
        if facts is None or facts.result is None:
            words = f"task {name!r} has no result yet, and a task in the background cannot start it"
            raise UsageError(f"{words}: ask for the results of its map in a cell before that one")
        return facts.result

    def _tell(self, groups: list[tuple[MapPart[Any], Common]]) -> None:
        """One note for each map, however many items it has."""
        for part, shared in groups:
            if shared.saved:
                words = (
                    f"restored {len(shared.saved)} of {part.owner.name!r}: saved {duration(sum(shared.saved))} of work"
                )
                stamp(self._desk.shell, words)
            if shared.warnings:
                more = len(shared.warnings) - SHOWN
                lines = [*shared.warnings[:SHOWN], *([f"… and {more} more"] if more > 0 else [])]
                stamp(self._desk.shell, "\n".join(lines), symbol="⚠", warning=True)


def _not_called() -> None:
    raise AssertionError("the stage of a part puts the body in")
