"""From a definition to a task: what it comes after, and what is refused before anything changes."""

from __future__ import annotations

import ast
import builtins
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from milepost.analysis.names import cell_names
from milepost.functions import MapPart, TaskFunction
from milepost.functions.registered import Role
from milepost.model.errors import TaskGraphError, UsageError
from milepost.model.graph import TaskGraph, did_you_mean
from milepost.model.once import OnceState
from milepost.model.task import RetryPolicy, Task
from milepost.notebook.definition import Definition
from milepost.notebook.facts import Facts, before
from milepost.notebook.ledger import Ledger
from milepost.notebook.location import cell_sources
from milepost.notebook.namespace import Namespace
from milepost.notebook.options import CellOptions
from milepost.notebook.provider import Provider


class Registration:
    """Makes tasks of definitions. `facts` are the session's tasks, `known` names them and those of the store.

    `giving(name, reader)` names the task that is about to bind a name in the background, if there is one;
    `in_doubt(name)` is the state of a task in doubt that would have bound it.
    """

    def __init__(
        self,
        namespace: Namespace,
        ledger: Ledger,
        provider: Provider,
        facts: Mapping[str, Facts],
        known: Callable[[], list[str]],
        notebook: Callable[[], Path | None],
        giving: Callable[[str, str], str],
        in_doubt: Callable[[str], OnceState | None],
    ) -> None:
        self._namespace = namespace
        self._ledger = ledger
        self._provider = provider
        self._facts = facts
        self._known = known
        self._notebook = notebook
        self._giving = giving
        self._in_doubt = in_doubt

    def task(self, definition: Definition, others: Iterable[Task]) -> Task:
        """The task of a definition, in a graph with the others.

        Raises
        ------
        TaskGraphError
            For the name of another cell, an unknown `--after` or a cycle.
        """
        self.refuse_second(definition)
        self._require_after(definition)
        task = self._task(definition)
        if task.dependencies:  # else it closes no cycle
            TaskGraph([*others, task], given=self._known()).validate()
        return task

    def require(self, names: Iterable[str]) -> None:
        """Raise `UsageError` naming all tasks that do not exist."""
        unknown = [name for name in names if name not in self._known()]
        if unknown:
            raise UsageError(f"no task is named {', '.join(map(repr, unknown))}{self._hint(unknown)}")

    def refuse_second(self, definition: Definition) -> None:
        """Raise `TaskGraphError` where another cell has the name."""
        known = self._facts.get(definition.name)
        if known is None:
            return
        one, two = known.definition, definition
        other_cell = one.cell_id != two.cell_id if one.cell_id and two.cell_id else self._stands_twice(two.name)
        if bool(one.function) != bool(two.function) or (other_cell and not two.function):
            way = f"give one another name, or run `%tasks forget {two.name}` if its cell is gone"
            raise TaskGraphError([f"two cells are named {two.name!r}; {way}:\n{_cell(one)}\n{_cell(two)}"])

    def role_of(self, name: str) -> Role:
        """What a parameter of this name stands for: a task or its output, a variable, or nothing."""
        if name in self._facts or self._ledger.producer(name, "") or self._provider.record_of_task(name):
            return "task"
        if name in self._namespace.data:
            return "variable"
        return "task" if self._provider.record_for(name) else ""

    def _stands_twice(self, name: str) -> bool:
        """Where the front end gives no cell ids: whether the notebook's file has two task cells of that name."""
        path = self._notebook()
        heads = [source.splitlines()[0].split() for source in cell_sources(path) if source] if path else []
        return sum(head[:2] == ["%%task", name] for head in heads) > 1

    def _require_after(self, definition: Definition) -> None:
        unknown = [name for name in definition.options.after if name not in self._known()]
        if unknown:
            names = ", ".join(map(repr, unknown))
            words = f"task {definition.name!r} comes --after {names}, which does not exist{self._hint(unknown)}"
            raise TaskGraphError([words])

    def _hint(self, unknown: Iterable[str]) -> str:
        known = self._known()
        near = [match for name in unknown for match in difflib.get_close_matches(name, known, 1)]
        return (
            f"; did you mean {', '.join(map(repr, near))}?" if near else f"; there are {', '.join(known) or 'none yet'}"
        )

    def _task(self, definition: Definition) -> Task:
        options, function = definition.options, definition.function
        condition = options.condition
        return Task(
            name=definition.name,
            run=definition.body,
            dependencies=self._dependencies(definition),
            priority=function.options.priority if function else options.priority,
            condition=(lambda _: self._holds(condition)) if condition else None,
            retry=self._retry(options),
            loop=function.options.loop if function else None,
            timeout=function.options.timeout if function else options.timeout,
            on="" if options.place == "main" else "threads",  # the stage sends the body to a process
            continue_on_error=function.options.continue_on_error if function else options.continue_on_error,
            once=options.once,
        )

    def _retry(self, options: CellOptions) -> RetryPolicy | None:
        """The policy of a cell, with the errors that it names."""
        if not options.retry_on:
            return options.retry
        errors = tuple(self._error(name) for name in options.retry_on)
        return replace(options.retry or RetryPolicy(), retry_on=errors)

    def _error(self, name: str) -> type[BaseException]:
        """The class of errors that a name means in the notebook."""
        first, *rest = name.split(".")
        found = self._namespace.data.get(first, getattr(builtins, first, None))
        for part in rest:
            found = getattr(found, part, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return found
        words = "is no class of errors" if found is not None else "is not there"
        raise UsageError(f"--retry-on {name}: {name!r} {words}{self._hint_of_error(first)}")

    def _hint_of_error(self, name: str) -> str:
        errors = [word for word, thing in {**vars(builtins), **self._namespace.data}.items() if isinstance(thing, type)]
        return did_you_mean(name, errors) or "; import it first, in a cell before"

    def _holds(self, condition: str) -> Any:
        """What an `--if` comes to; names that only a checkpoint provides are restored for it."""
        for name in self._provider.needed(cell_names(ast.parse(condition)).reads):
            self._provider.provide(name)
        return eval(condition, self._namespace.data)

    def _dependencies(self, definition: Definition) -> tuple[str, ...]:
        """Tasks named by `--after`, and those whose outputs the code reads, as far as it shows."""
        function = definition.function
        found = dict.fromkeys(function.options.after if function else definition.options.after)
        found.update(dict.fromkeys(name for name in definition.upstream if name in self._facts))
        found.update(dict.fromkeys(before(self._facts.values(), definition.name, self._read(definition))))
        found.pop(definition.name, None)
        return tuple(found)

    def _read(self, definition: Definition) -> list[str]:
        """The tasks whose outputs the code reads."""
        waiting, seen, found = [*definition.reads, *definition.upstream], self._unset(definition), list[str]()
        while waiting:
            name = waiting.pop(0)
            if name not in seen:
                seen.add(name)
                tasks, reads = self._sources(definition.name, name)
                found += tasks
                waiting[:0] = reads
        return found

    def _unset(self, definition: Definition) -> set[str]:
        """Names that are unbound, as they were when the task last came to its result."""
        record = self._provider.record_of_task(definition.name)
        then = {item.name for item in record.inputs if item.kind == "missing"} if record else set()
        return {name for name in then if name not in self._namespace.data}

    def _sources(self, reader: str, name: str) -> tuple[list[str], tuple[str, ...]]:
        """The tasks behind a name: its producer; else what the plain cell read that bound it."""
        value = self._namespace.data.get(name)
        if isinstance(value, TaskFunction):  # one that waits to be mapped is no task
            return [value.name] if value.name in self._facts and all(map(self.role_of, value.upstream)) else [], ()
        if isinstance(value, MapPart):
            return [value.name], ()
        if running := self._giving(name, reader):
            return [running], ()
        if producer := self._ledger.producer(name, reader):
            return [producer], ()
        if name not in self._namespace.data and (record := self._provider.record_for(name)):
            return [record.task], ()
        if name not in self._namespace.data and (doubt := self._in_doubt(name)) and doubt.note:
            return [doubt.note.task], ()
        origin = self._ledger.origins.get(name)
        return [], tuple(origin.reads) if origin else ()


def _cell(definition: Definition) -> str:
    """Which cell a definition is, with its first lines, for an error."""
    lines = definition.source.strip().splitlines()
    shown = [*lines[:4], *(["…"] if len(lines) > 4 else [])]
    head = f"    cell {definition.cell_id}:" if definition.cell_id else "    cell:"
    return "\n".join([head, *(f"        {line}" for line in shown)])
