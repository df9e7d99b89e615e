"""One function over many items: a task for each, their results in order, and one task that reduces them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, cast, overload

from milepost.functions.bodies import find_slot
from milepost.functions.names import Key, item_text, unique
from milepost.functions.parts import MapItem, MapReduction, Wiring
from milepost.functions.registered import FunctionOptions, RegisteredFunction, failed, map_registry
from milepost.model.errors import ItemsFailed, UsageError
from milepost.model.result import TaskResult
from milepost.model.sizes import count
from milepost.model.states import TaskStatus

R = TypeVar("R", covariant=True)
S = TypeVar("S")

SHOWN = 5
"""Failed items that an error names."""


class TaskMap(Sequence[MapItem[R]]):
    """What `f.map(items)` gives: the tasks of the items, in their order. Made by `TaskFunction.map`.

    `pages[0]` is the task of the first item, `len(pages)` their number. `results()`, `outcomes()` and `reduce()` are
    what it is for; nothing runs before one of them, or a run of all tasks, asks for it.
    """

    def __init__(
        self, template: RegisteredFunction[R], name: str, items: Iterable[Any], key: Key | None, to: str | None
    ) -> None:
        self.registry = map_registry(template)
        self.name = name
        self.template = template
        what = f"{name}.map(items)"
        self.slot = find_slot(template.function, to, self.registry.role_of, what)
        wiring = Wiring.of(template, self.slot)
        values = _values(items, what)
        texts = _texts(values, key)
        if template.options.once and (numbered := [text for text in texts if text.startswith("#")]):
            words = f"{what}: what happens once is known by its name, and {numbered[0]} says only where the item stood"
            raise UsageError(f"{words}; give a name for each: key=lambda item: ...")
        self.sources = {item.owner for item in values if isinstance(item, MapItem)}
        """The maps that items are of."""
        self.items = [
            MapItem(template, f"{name}[{text}]", self, wiring, text, item)
            for text, item in zip(texts, values, strict=True)
        ]
        self.names: tuple[str, ...] = tuple(item.name for item in self.items)
        """The names of the tasks."""
        self.reductions: dict[str, MapReduction[Any]] = {}
        self._register()

    def _register(self) -> None:
        registry, before = self.registry, self.registry.maps.get(self.name)
        gone = {*before.names, *before.reductions} - set(self.names) if before is not None else set()
        if registry.role_of(self.slot.name) != "task":
            gone.add(self.template.name)  # it could never run by itself
        registry.withdraw(gone)
        registry.register_all(self.items)
        registry.maps[self.name] = self

    def __repr__(self) -> str:
        return f"<map {self.name!r} of {count(len(self), 'item')}>"

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, place: int) -> MapItem[R]: ...

    @overload
    def __getitem__(self, place: slice) -> list[MapItem[R]]: ...

    def __getitem__(self, place: int | slice) -> MapItem[R] | list[MapItem[R]]:
        return self.items[place]

    def __iter__(self) -> Iterator[MapItem[R]]:
        return iter(self.items)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"map {self.name!r} belongs to this session; its results can be saved, and its items are")

    @property
    def content(self) -> Any:
        """What decides the results: for a fingerprint."""
        return [item.content for item in self]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names that its items get besides the items."""
        return self[0].needs if self else ()

    def check(self) -> None:
        """Raise `UsageError` where a later map has taken this one's place."""
        if self.registry.maps.get(self.name) is not self:
            words = f"this map was replaced by a later one of the same name, {self.name!r}"
            raise UsageError(f"{words}; give one of them another: f.map(items, name=...)")
        for source in self.sources:
            source.check()

    def outcomes(self, concurrency: int | None = None) -> list[TaskResult]:
        """The result of every item, in order, also of those that failed; what is missing runs, side by side.

        Parameters
        ----------
        concurrency : int, optional
            Items at once at most; 8 by default. Where the function runs `on="main"`, which a notebook does unless
            `@task(on=...)` says otherwise, it is one at a time.

        Returns
        -------
        list of TaskResult
            A failure says in `error` why; an item that builds on one that failed is skipped.
        """
        self.check()
        return self.registry.results_of(self.items, concurrency)

    def results(self, concurrency: int | None = None) -> list[R]:
        """The data of every item, in order; see `outcomes`.

        Raises
        ------
        ItemsFailed
            When items failed, after all others have run (and are kept): it names them, and `exceptions` holds what
            they raised.
        """
        outcomes = self.outcomes(concurrency)
        bad = {name: outcome for name, outcome in zip(self.names, outcomes, strict=True) if not outcome.ok}
        if bad:
            raise _items_failed(self.name, len(self), bad)
        return [cast(R, outcome.data) for outcome in outcomes]

    def reduce(
        self,
        function: Callable[..., S] | RegisteredFunction[S],
        name: str | None = None,
        *,
        to: str | None = None,
        skip_failed: bool = False,
    ) -> MapReduction[S]:
        """A task that gets the list of all results, in order, and comes to one.

        Parameters
        ----------
        function : callable
            A function of the list, or a `@task` function, whose options then hold. Other parameters without a
            default name tasks, as always.
        name : str, optional
            The task's name, by which others can depend on it: else that of the function; of a lambda or a built-in
            function that of the map with `.reduce`, or its own, behind it.
        to : str, optional
            The parameter that gets the list, where it is not plain.
        skip_failed : bool
            Have the list of those that succeeded, when all others have ended too. Else one failed item means that the
            reduction is skipped.

        Returns
        -------
        MapReduction
            A task like any other: ask for its `.result()`, or name it as a parameter.

        Raises
        ------
        UsageError
            When another task has that name, or it is not clear which parameter gets the list.
        """
        self.check()
        template = self._reduction_template(function, name)
        slot = find_slot(template.function, to, self.registry.role_of, f"{self.name}.reduce({template.name})")
        made = MapReduction(template, self, Wiring.of(template, slot), skip_failed=skip_failed)
        if isinstance(function, RegisteredFunction) and self.registry.role_of(slot.name) != "task":
            self.registry.withdraw([function.name])  # it could never run by itself
        self.registry.register_all([made])
        self.reductions[made.name] = made
        return made

    def _reduction_template(self, function: Any, name: str | None) -> RegisteredFunction[Any]:
        known = isinstance(function, RegisteredFunction)
        plain = function.function if known else function
        if not callable(plain):
            raise UsageError(f"{self.name}.reduce takes a function of the list of results, not {plain!r}")
        chosen = name or (function.name if known else _name_of(plain, self.name))
        if self._taken(chosen) and not (known and function.name == chosen and not self._taken_by_map(chosen)):
            words = f"there is a task {chosen!r} already"
            raise UsageError(f"{words}; give the reduction another name: {self.name}.reduce(function, name=...)")
        options = function.options if known else FunctionOptions()
        return RegisteredFunction(plain, chosen, options, self.registry)

    def _taken(self, name: str) -> bool:
        return name not in self.reductions and self.registry.has(name)

    def _taken_by_map(self, name: str) -> bool:
        return any(name in other.reductions for other in self.registry.maps.values() if other is not self)


def _values(items: Any, what: str) -> list[Any]:
    """The items, each once.

    Raises
    ------
    UsageError
        For what is no collection of items, or holds tasks that are no items of a map.
    """
    advice = "ask for its data first: f.map(task.result())"
    if isinstance(items, RegisteredFunction):
        words = f"{what}: the items must be there when the map is registered, and {items.name!r} is a task"
        raise UsageError(f"{words}; {advice}")
    if isinstance(items, str | bytes):
        words = f"{what}: one {type(items).__name__}, {items[:40]!r}, is no collection of items"
        raise UsageError(f"{words}; for one item write [item]; if it names a task, {advice}")
    if not isinstance(items, Iterable):
        raise UsageError(f"{what}: {type(items).__name__} cannot be iterated over; for one item write [item]")
    values = list(items)
    for item in values:
        if isinstance(item, MapItem):
            item.check()
        elif isinstance(item, RegisteredFunction | TaskMap):
            raise UsageError(f"{what}: {item!r} is no item; {advice}")
    return values


def _texts(values: list[Any], key: Key | None) -> list[str]:
    """What stands in the brackets; items of a map keep it."""
    return unique(
        item.key if isinstance(item, MapItem) and key is None else item_text(place, item, key)
        for place, item in enumerate(values)
    )


def _name_of(function: Any, of: str) -> str:
    own = str(getattr(function, "__name__", "") or "reduce")
    if own.isidentifier() and hasattr(function, "__code__"):
        return own
    return f"{of}.{own}" if own.isidentifier() else f"{of}.reduce"


def _items_failed(name: str, number: int, bad: dict[str, TaskResult]) -> ItemsFailed:
    errors = []
    for item, outcome in bad.items():
        raised = outcome.exception if outcome.status is not TaskStatus.SKIPPED else None
        errors.append(raised if isinstance(raised, Exception) else failed(item, outcome))
    lines = [f"  {item}: {outcome.error or outcome.message or outcome.status}" for item, outcome in bad.items()]
    more = [f"  … and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
    listed = "\n".join([*lines[:SHOWN], *more])
    return ItemsFailed(f"{len(bad)} of {number} items of {name!r} did not succeed:\n{listed}", errors)
