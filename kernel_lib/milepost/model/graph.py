"""Tasks and what they depend on: checked, ordered and drawn as text."""

from __future__ import annotations

import difflib
import heapq
import re
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from functools import cached_property

from milepost.model.cycles import find_cycles
from milepost.model.edges import Edges
from milepost.model.errors import TaskGraphError
from milepost.model.task import Task

_HINT_BUDGET = 200_000
"""How many names to compare in all for hints: a hint must not make a large graph's error slow."""

_LONGEST_LABEL = 120
"""Characters of a name in a Mermaid label: it refuses more than 50,000 in all."""

_NOT_PLAIN = re.compile(r"[^\w -]|(?<![^\W_])[ _-]|[ _-](?![^\W_])")
"""All but letters and digits, and what joins two of them."""

_PATH_END = 10
"""How many names of a long circle to show at its start, and at its end."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the most similar known name, to end a sentence with; empty when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


class TaskGraph:
    """Tasks by name, with the edges between them.

    Parameters
    ----------
    tasks : iterable of Task
        In the order in which equal ones shall run.
    given : container of str
        Names of tasks whose results are there already: a dependency on one needs no task here.
    near : collection of str
        Names of tasks elsewhere that a dependency without a task may have meant.

    Raises
    ------
    TaskGraphError
        When some of `tasks` are none.
    """

    def __init__(self, tasks: Iterable[Task], given: Container[str] = (), near: Collection[str] = ()) -> None:
        self._all = _checked(tasks)
        self._given = given
        self._near = near
        self.tasks: dict[str, Task] = {}
        for task in self._all:
            self.tasks.setdefault(task.name, task)
        self.listed = self._all if len(self._all) == len(self.tasks) else tuple(self.tasks.values())
        """The tasks by place; of those that share a name the first."""

    def __len__(self) -> int:
        return len(self.tasks)

    def __contains__(self, name: object) -> bool:
        return name in self.tasks

    def __iter__(self) -> Iterator[Task]:
        return iter(self.listed)

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each task, by name."""
        return {name: place for place, name in enumerate(self.tasks)}

    @cached_property
    def edges(self) -> Edges:
        """The graph by numbers."""
        return Edges.of(self.listed, self.places)

    def validate(self, more: Iterable[str] = ()) -> None:
        """Raise one `TaskGraphError` with every problem: duplicate names, missing dependencies, cycles, and `more`."""
        problems = [*more, *self._duplicates(), *self._missing(), *self._cycles()]
        if problems:
            raise TaskGraphError(problems)

    def dependencies(self, name: str) -> tuple[str, ...]:
        """The tasks of this graph that `name` depends on directly, each once."""
        return tuple(dict.fromkeys(d for d in self.tasks[name].dependencies if d in self.tasks))

    def dependents(self, name: str) -> tuple[str, ...]:
        """The tasks that depend on `name` directly, in the order of the graph."""
        return tuple(self.listed[place].name for place in self.edges.dependents(self.places[name]))

    def order(self) -> tuple[str, ...]:
        """Every name after all it depends on; among those that could come next the highest priority, then the first."""
        unmet = list(self.edges.unmet)
        ranks = [(-task.priority, place) for place, task in enumerate(self.listed)]
        ready = sorted(rank for rank, count in zip(ranks, unmet, strict=True) if not count)
        order: list[str] = []
        while ready:
            place = heapq.heappop(ready)[1]
            order.append(self.listed[place].name)
            for dependent in self._freed(place, unmet):
                heapq.heappush(ready, ranks[dependent])
        if len(order) < len(self.listed):
            self.validate()
        return tuple(order)

    def to_mermaid(self) -> str:
        """The graph as Mermaid text; any name is safe, since it is only ever a quoted label."""
        ids = self._ids()
        lines = ["graph TD", *(f'  {ids[name]}["{_mermaid_label(name)}"]' for name in self.tasks)]
        return "\n".join([*lines, *(f"  {ids[a]} --> {ids[b]}" for a, b in self._arrows())]) + "\n"

    def to_dot(self) -> str:
        """The graph as Graphviz DOT text; any name is safe, since it is only ever a quoted label."""
        ids = self._ids()
        lines = ["digraph tasks {", *(f'  {ids[name]} [label="{_dot_label(name)}"];' for name in self.tasks)]
        return "\n".join([*lines, *(f"  {ids[a]} -> {ids[b]};" for a, b in self._arrows()), "}"]) + "\n"

    def _ids(self) -> dict[str, str]:
        return {name: f"t{number}" for number, name in enumerate(self.tasks)}

    def _arrows(self) -> Iterator[tuple[str, str]]:
        return ((dependency, name) for name in self.tasks for dependency in self.dependencies(name))

    def _freed(self, done: int, unmet: list[int]) -> Iterator[int]:
        """Count `done` off in `unmet`; the tasks that wait for nothing more."""
        for dependent in self.edges.dependents(done):
            unmet[dependent] -= 1
            if not unmet[dependent]:
                yield dependent

    def _stuck(self) -> dict[str, None]:
        """The tasks that can never be ready, in the order of the graph: circles and what hangs behind them."""
        if self.edges.forwards:
            return {}
        unmet = list(self.edges.unmet)
        ready = [place for place, count in enumerate(unmet) if not count]
        for place in ready:  # grows while it is read
            ready.extend(self._freed(place, unmet))
        return dict.fromkeys(self.listed[place].name for place, count in enumerate(unmet) if count)

    def _duplicates(self) -> list[str]:
        if len(self._all) == len(self.tasks):
            return []
        counts = Counter(task.name for task in self._all).items()
        return [f"{count} tasks are named {name!r}; names must differ" for name, count in counts if count > 1]

    def _missing(self) -> list[str]:
        missing = [(self.listed[place].name, name) for place, name in self.edges.missing if name not in self._given]
        known = self.tasks.keys() | set(self._near) if missing else ()
        hints = _HINT_BUDGET // max(len(known), 1)
        return [
            f"task {task!r} depends on {name!r}, which is no task here"
            + (did_you_mean(name, known) if number < hints else "")
            for number, (task, name) in enumerate(missing)
        ]

    def _cycles(self) -> list[str]:
        """One sentence for each knot of tasks; those that only hang behind one are not to blame."""
        stuck = self._stuck()
        edges = {name: [d for d in self.dependents(name) if d in stuck] for name in stuck}
        return [f"these tasks wait for each other in a circle: {_path(cycle)}" for cycle in find_cycles(edges)]


def _checked(tasks: Iterable[Task]) -> tuple[Task, ...]:
    if isinstance(tasks, Mapping):
        raise TaskGraphError([f"a graph is made of several tasks, not of a {type(tasks).__name__}; {_values(tasks)}"])
    if not isinstance(tasks, Iterable):
        raise TaskGraphError([f"a graph is made of several tasks, such as [task]; {tasks!r} is not"])
    found = tuple(tasks)
    wrong = [f"{item!r} is no Task{_advice(item)}" for item in found if not isinstance(item, Task)]
    if wrong:
        raise TaskGraphError(wrong)
    return found


def _advice(item: object) -> str:
    if callable(getattr(item, "to_task", None)):
        return "; give its to_task()"
    return '; write Task("name", function)' if callable(item) else ""


def _values(tasks: Mapping[object, object]) -> str:
    if all(isinstance(item, Task) for item in tasks.values()):
        return "give its values()"
    return "write [Task(name, function) for name, function in it.items()]"


def _path(names: list[str]) -> str:
    left_out = len(names) - 2 * _PATH_END
    if left_out > 1:
        names = [*names[:_PATH_END], f"({left_out} more)", *names[-_PATH_END:]]
        return " → ".join(name if place == _PATH_END else _plain(name) for place, name in enumerate(names))
    return " → ".join(map(_plain, names))


def _plain(name: str) -> str:
    """The name as it is, in quotes where it would not read as one word."""
    return name if name.isprintable() and not set(name) & set(" →'\"") else repr(name)


def _mermaid_label(name: str) -> str:
    """Every character that is not plainly harmless as a Mermaid entity (`#35;`).

    Mermaid reads a label as Markdown, also where it says that it does not: so also what may begin a list or a stress.
    """
    if len(name) > _LONGEST_LABEL:
        name = f"{name[: _LONGEST_LABEL - 30]}…{name[-29:]}"
    return _NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", name)


def _dot_label(name: str) -> str:
    # Graphviz reads `&lt;` and the like as HTML does, and a backslash as the start of an escape.
    for found, safe in (("&", "&amp;"), ("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        name = name.replace(found, safe)
    return "".join(c if c >= " " and not "\ud800" <= c <= "\udfff" else "\ufffd" for c in name)
