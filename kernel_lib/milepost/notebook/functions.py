"""The `@task` functions of a session: where they register, and what gives them their results."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from milepost.functions import MapPart, TaskFunction
from milepost.functions.registered import Role
from milepost.model.errors import UsageError
from milepost.model.result import TaskResult
from milepost.notebook.arguments import Arguments
from milepost.notebook.capture import in_background
from milepost.notebook.cells import Cells
from milepost.notebook.coroutine import run_coroutine
from milepost.notebook.definition import Definition, body_for, function_definition
from milepost.notebook.elsewhere import results_for
from milepost.notebook.facts import Facts
from milepost.notebook.maps import Desk as MapsDesk
from milepost.notebook.maps import Maps
from milepost.notebook.part import Part
from milepost.notebook.remote import Results


class Desk(MapsDesk, Protocol):
    """What functions need of the session."""

    arguments: Arguments
    cells: Cells

    def define(self, definition: Definition) -> Facts: ...
    def drop(self, name: str) -> None: ...


class Functions:
    """Of one session, with the maps of them; to these, it is their `MapRegistry`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._parts = Maps(desk)
        self.maps: dict[str, Any] = {}
        """What functions are mapped over, by the name of the map."""

    def register(self, function: TaskFunction[..., Any]) -> None:
        """Register a `@task` function."""
        definition = function_definition(function, body_for(function, self._call))
        self._desk.registration.refuse_second(definition)
        facts = self._desk.fact_table().setdefault(function.name, Facts(definition))
        facts.definition = definition
        self._desk.changed()

    def _call(self, function: TaskFunction[..., Any], run: dict[str, Any]) -> Any:
        """Run a function's body, with what it asks for of its run, and note which arguments it changed in place."""
        facts, arguments = self._facts(function), self._desk.arguments
        given = arguments.values(facts.definition)
        before = arguments.states(given)
        value = function.function(**given, **run)
        if inspect.iscoroutine(value):
            value = run_coroutine(lambda: value)
        facts.changed = tuple(arguments.changed(given, before))
        return value

    def _facts(self, function: TaskFunction[..., Any]) -> Facts:
        return self._desk.fact_table()[function.name]

    def result_of(self, function: TaskFunction[..., Any]) -> TaskResult:
        """A function's result: what it needs first, then itself, each restored where it is valid."""
        desk, facts = self._desk, self._facts(function)
        definition = facts.definition
        if in_background():
            return _there(facts)
        desk.waiting.for_names((*definition.reads, *definition.upstream), function.options.after)
        desk.arguments.settle(definition)
        facts = desk.define(definition)
        desk.cells.hydrate(facts.after)
        return desk.cells.run_here(function.name)

    def results_for(self, code: str, values: Iterable[Any]) -> Results:
        """What the functions among these values have come to, where the code asks for results at all."""
        functions = [value for value in values if isinstance(value, TaskFunction)] if "result" in code else []
        return results_for(functions, lambda function: _there(self._facts(function)))

    # maps

    def stage(self, name: str) -> Part | None:
        """Where a part of a map that runs now runs."""
        return self._parts.stage(name)

    def register_all(self, functions: Iterable[MapPart[Any]]) -> None:
        """Register the parts of a map."""
        self._parts.register(functions)

    def results_of(self, functions: Sequence[MapPart[Any]], concurrency: int | None = None) -> list[TaskResult]:
        """The results of parts of maps, in order: restored where valid, else computed side by side."""
        return self._parts.results(functions, concurrency)

    def withdraw(self, names: Iterable[str]) -> None:
        """Drop tasks from this session, as far as they are there; what is saved of them stays."""
        for name in filter(self.has, names):
            self._desk.drop(name)

    def has(self, name: str) -> bool:
        """Whether a task of this session has this name."""
        return name in self._desk.fact_table()

    def role_of(self, name: str) -> Role:
        """What a parameter of this name stands for."""
        return self._desk.registration.role_of(name)


def _there(facts: Facts) -> TaskResult:
    """The result that a function has, for who cannot start it."""
    name = facts.definition.name
    if facts.result is None or not facts.result.ok:
        words = f"task {name!r} has no result yet, and a task in the background cannot start it"
        raise UsageError(f"{words}: ask for {name}.result() in a cell before that one")
    return facts.result
