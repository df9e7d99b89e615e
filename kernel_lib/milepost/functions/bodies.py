"""The bodies of a map's tasks: a function with one of its arguments settled. They travel to worker processes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from milepost.functions.registered import Role
from milepost.model.errors import UsageError
from milepost.model.parameters import GIVEN, parameters_of, required


@dataclass(frozen=True, slots=True)
class Slot:
    """The parameter that gets the item; an empty name is the first one of a function that tells no names."""

    name: str
    by_place: bool = False

    def call(self, function: Callable[..., Any], value: Any, others: dict[str, Any]) -> Any:
        """Call the function with this argument, and others by name."""
        return function(value, **others) if self.by_place else function(**{self.name: value}, **others)


def find_slot(function: Callable[..., Any], to: str | None, role_of: Callable[[str], Role], what: str) -> Slot:
    """The parameter for an item (or for the list, when reducing): the one that nothing else can fill.

    Raises
    ------
    UsageError
        When there is none, or more than one; `what` is the call, for the message.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return Slot("", by_place=True)
    if to is None:
        first = next(iter(parameters.values()), None)
        if first is not None and first.kind is first.POSITIONAL_ONLY:  # as of `list`, which needs none
            return _slot(first)
        return _slot(parameters[_free(required(function), role_of, what)])
    if to not in parameters or to in GIVEN:
        raise UsageError(f"{what}: there is no parameter {to!r} to give it to; there are {', '.join(parameters)}")
    return _slot(parameters[to])


def _slot(parameter: inspect.Parameter) -> Slot:
    if parameter.kind is parameter.VAR_KEYWORD:
        raise UsageError(f"parameter {parameter.name!r} takes any number of values, so no single one")
    return Slot(parameter.name, by_place=parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL))


def _free(names: Sequence[str], role_of: Callable[[str], Role], what: str) -> str:
    if not names:
        raise UsageError(f"{what}: the function has no parameter without a default that could take it; add one")
    if len(names) == 1:
        return names[0]
    roles = {name: role_of(name) for name in names}
    open_ = [name for name in names if roles[name] != "task"]
    free = [name for name in open_ if not roles[name]] if len(open_) > 1 else open_
    if len(free) == 1:
        return free[0]
    rivals = free or open_ or names
    listed, why = " and ".join(map(repr, rivals)), "could each take it" if free or open_ else "each name a task"
    raise UsageError(
        f"{what}: parameters {listed} {why}; say which one does with to={rivals[0]!r}. The others need a default, or "
        "the name of a task"
    )


class _Body:
    """A function whose slot is filled. `__milepost_inputs__` names what the runner has to give."""

    __slots__ = ("__milepost_inputs__", "__weakref__", "function", "slot")

    def __init__(self, function: Callable[..., Any], slot: Slot, inputs: tuple[str, ...]) -> None:
        self.function = function
        self.slot = slot
        self.__milepost_inputs__ = inputs


class ItemBody(_Body):
    """Calls the function with one item."""

    __slots__ = ("item",)

    def __init__(self, function: Callable[..., Any], slot: Slot, inputs: tuple[str, ...], item: Any) -> None:
        super().__init__(function, slot, inputs)
        self.item = item

    def __call__(self, /, **inputs: Any) -> Any:
        """The function's value."""
        return self.slot.call(self.function, self.item, inputs)


class LinkBody(_Body):
    """Calls the function with the data of one task, whatever that is called."""

    __slots__ = ("source",)

    def __init__(self, function: Callable[..., Any], slot: Slot, inputs: tuple[str, ...], source: str) -> None:
        super().__init__(function, slot, (source, *inputs))
        self.source = source

    def __call__(self, /, **inputs: Any) -> Any:
        """The function's value."""
        return self.slot.call(self.function, inputs.pop(self.source), inputs)


class ReduceBody(_Body):
    """Calls the function with the list of the data of many tasks, in order, without those that gave none."""

    __slots__ = ("sources",)

    def __init__(
        self, function: Callable[..., Any], slot: Slot, inputs: tuple[str, ...], sources: Sequence[str]
    ) -> None:
        super().__init__(function, slot, (*sources, *inputs))
        self.sources = sources

    def __call__(self, /, **inputs: Any) -> Any:
        """The function's value."""
        values = [inputs.pop(name) for name in self.sources if name in inputs]
        return self.slot.call(self.function, values, inputs)


def other_inputs(function: Callable[..., Any], slot: Slot, more: Sequence[str] = ()) -> tuple[str, ...]:
    """What the runner gives a function besides the slot: tasks that it names, and `context` and the like."""
    parameters = parameters_of(function)
    taken = (*parameters.named, *(more if parameters.any_name else ()))
    wanted = dict.fromkeys((*required(function), *more, *GIVEN))
    return tuple(name for name in wanted if name in taken and name != slot.name)
