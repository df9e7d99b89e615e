"""What the parts of one map have in common in one run of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from milepost.analysis.digest import digest
from milepost.notebook.arguments import Arguments
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver
from milepost.notebook.namespace import Namespace, mutable, state_of
from milepost.notebook.resolution import Resolution
from milepost.notebook.strategy import CheckpointStrategy


class Desk(Protocol):
    """What is needed of the session."""

    namespace: Namespace
    arguments: Arguments
    resolver: InputResolver
    strategy: CheckpointStrategy


@dataclass(slots=True)
class Common:
    """Found out once, and watched, since each part could change it in place.

    Parameters
    ----------
    resolution : Resolution
        All inputs but the one that differs from part to part.
    given : mapping
        The arguments that name tasks.
    read : mapping
        The variables that the function reads.
    watched, states : mapping
        Values that a part could change in place, and what they were like.
    bound : mapping
        Every variable of the notebook.
    saved : list of float
        Filled: the seconds of computing that each restored part saved.
    warnings : list of str
        Filled: what there is to say of single parts.
    """

    resolution: Resolution
    given: Mapping[str, Any]
    read: Mapping[str, Any]
    watched: Mapping[str, Any]
    states: Mapping[str, str]
    bound: Mapping[str, Any]
    saved: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def changed(self, namespace: Namespace) -> list[str]:
        """What is no longer as it was: by whichever part that was done."""
        data = namespace.data
        rebound = [n for n in {**self.bound, **dict.fromkeys(namespace.names())} if self._differs(n, data)]
        in_place = [n for n, value in self.watched.items() if state_of(value, namespace.home) != self.states[n]]
        return list(dict.fromkeys((*rebound, *in_place)))

    def _differs(self, name: str, data: Mapping[str, Any]) -> bool:
        return (name in data) != (name in self.bound) or data.get(name) is not self.bound.get(name)


def common(desk: Desk, facts: Facts) -> Common:
    """What the parts share of which `facts` are one; in the main thread, with all that they need at hand."""
    definition, namespace = facts.definition, desk.namespace
    assert definition.function is not None
    resolution = desk.strategy.resolution(desk.resolver, definition)
    given = desk.arguments.values(definition)
    reached = {name: namespace.data[name] for name in resolution.inputs if name in namespace.data}
    watched = {name: value for name, value in {**reached, **given}.items() if mutable(value)}
    return Common(
        resolution=resolution,
        given=given,
        read=namespace.read_by(digest(definition.function.function, namespace.home).globals),
        watched=watched,
        states={name: state_of(value, namespace.home) for name, value in watched.items()},
        bound={name: namespace.data[name] for name in namespace.names()},
    )
