"""The tasks of a map: one for each item, and those that reduce their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from milepost.functions.bodies import ItemBody, LinkBody, ReduceBody, Slot, other_inputs
from milepost.functions.registered import MapRegistry, RegisteredFunction
from milepost.model.errors import UsageError
from milepost.model.parameters import required
from milepost.model.result import TaskResult
from milepost.model.task import Task

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the map gives a function (`slot`), which tasks its other parameters name, and all that the runner gives."""

    slot: Slot
    upstream: tuple[str, ...]
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, template: RegisteredFunction[Any], slot: Slot) -> Wiring:
        """Read off the function once, for all parts."""
        upstream = tuple(name for name in required(template.function, template.options.after) if name != slot.name)
        return cls(slot, upstream, other_inputs(template.function, slot, template.options.after))


class Owner(Protocol):
    """The map that a part belongs to."""

    name: str
    names: tuple[str, ...]
    registry: MapRegistry

    @property
    def items(self) -> Sequence[MapItem[Any]]: ...
    @property
    def reductions(self) -> Mapping[str, MapReduction[Any]]: ...
    @property
    def content(self) -> Any: ...
    def check(self) -> None: ...


class MapPart(RegisteredFunction[R]):
    """A task of a map: its function has one parameter, the slot, that the map fills."""

    def __init__(self, template: RegisteredFunction[R], name: str, owner: Owner, wiring: Wiring) -> None:
        super().__init__(template.function, name, template.options, owner.registry)
        self.owner = owner
        self.wiring = wiring

    @property
    def slot(self) -> Slot:
        """The parameter that the map fills."""
        return self.wiring.slot

    @property
    def upstream(self) -> tuple[str, ...]:
        """The parameters that name tasks, without the slot."""
        return self.wiring.upstream

    @property
    def inputs(self) -> tuple[str, ...]:
        """What the runner gives besides the slot."""
        return self.wiring.inputs

    @property
    def source_parts(self) -> Sequence[MapPart[Any]]:
        """The parts of maps whose data fill the slot."""
        return ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(part.name for part in self.source_parts)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The sources, upstream parameters, and the tasks named by `after`."""
        return tuple(dict.fromkeys((*self.sources, *self.upstream, *self.options.after)))

    @property
    def content(self) -> Any:
        """All that decides what the part comes to, but the data of tasks: for a fingerprint."""
        raise NotImplementedError

    @property
    def needs(self) -> tuple[str, ...]:
        """The tasks, and in a notebook variables, that the part and those it builds on get by their names."""
        own = (*self.upstream, *self.options.after)
        return tuple(dict.fromkeys((*own, *(name for part in self.source_parts[:1] for name in part.needs))))

    def _outcome(self) -> TaskResult:
        self.check()
        return self.owner.registry.results_of([self])[0]

    def check(self) -> None:
        """Raise `UsageError` where a later map or reduction has taken this one's place."""
        self.owner.check()


class MapItem(MapPart[R]):
    """The task of one item: of a value, or of what the same item of an earlier map came to."""

    def __init__(
        self,
        template: RegisteredFunction[R],
        name: str,
        owner: Owner,
        wiring: Wiring,
        key: str,
        item: Any,
    ) -> None:
        super().__init__(template, name, owner, wiring)
        self.key = key
        self.item = item

    @property
    def source_parts(self) -> Sequence[MapPart[Any]]:
        """The item of the earlier map, if this one builds on one."""
        return (self.item,) if isinstance(self.item, MapItem) else ()

    @property
    def content(self) -> Any:
        """The function and its item."""
        return self.function, self.slot.name, self.item.content if isinstance(self.item, MapItem) else self.item

    @property
    def body(self) -> Callable[..., Any]:
        """The function, bound to the item."""
        if isinstance(self.item, MapItem):
            return LinkBody(self.function, self.slot, self.inputs, self.item.name)
        return ItemBody(self.function, self.slot, self.inputs, self.item)


class MapReduction(MapPart[R]):
    """The task that gets the list of a map's results."""

    def __init__(self, template: RegisteredFunction[R], owner: Owner, wiring: Wiring, *, skip_failed: bool) -> None:
        super().__init__(template, template.name, owner, wiring)
        self.skip_failed = skip_failed

    @property
    def source_parts(self) -> Sequence[MapPart[Any]]:
        """The tasks of all items."""
        return self.owner.items

    @property
    def sources(self) -> tuple[str, ...]:
        """Their names."""
        return self.owner.names

    @property
    def content(self) -> Any:
        """The function and the map."""
        return self.function, self.slot.name, self.skip_failed, self.owner.content

    @property
    def body(self) -> Callable[..., Any]:
        """The function, bound to the list."""
        return ReduceBody(self.function, self.slot, self.inputs, self.sources)

    def to_task(self) -> Task:
        """The task that an engine runs."""
        task = super().to_task()
        return replace(task, optional=frozenset(self.sources)) if self.skip_failed else task

    def check(self) -> None:
        """Raise `UsageError` where a later map or reduction has taken this one's place."""
        super().check()
        if self.owner.reductions.get(self.name) is not self:
            words = f"{self.name!r} was replaced by a later reduction of {self.owner.name!r} with the same name"
            raise UsageError(f"{words}; give one of them another: reduce(function, name=...)")
