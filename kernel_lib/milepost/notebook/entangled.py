"""Variables that a task does not read, and that hang together with what it changes.

`b = a` makes `b` another name for what a task does to `a`, and `b = [1]` does not: no input tells. So a task that
changed something is valid only where the same variables hang together with it in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from typing import Any

from milepost.analysis.code import digest_text
from milepost.analysis.sharing import Walked, sharing
from milepost.model.record import Input, Record
from milepost.notebook.namespace import Namespace, mutable
from milepost.notebook.reach import Reach, reach_of, union

KIND = "entangled"


class Entangled:
    """How the variables hang together with inputs of a task, at one moment."""

    def __init__(self, namespace: Namespace, inputs: Collection[str]) -> None:
        self._reaches = _reaches(namespace)
        self._states = {name: namespace.state(name) for name in _joined(self._reaches, inputs)}
        names = [*self._states, *(name for name in inputs if name in self._reaches)] if self._states else []
        self._walks = {name: _walked(namespace, name) for name in names}

    def told(self, changed: Container[str]) -> tuple[Input, ...]:
        """What counts once it is known what was `changed`."""
        roots = [name for name in self._walks if name not in self._states and name in changed]
        others = [name for name in _joined(self._reaches, roots) if name in self._states]
        return tuple(_input(n, roots, self._walks, self._states[n] if n in changed else "") for n in others)


def disentangled(record: Record, namespace: Namespace) -> str:
    """What does not hang together as it did with what the task changes, in words; "" where all does."""
    then = {item.name: item for item in record.observed if item.kind == KIND}
    changed = [output.name for output in record.outputs if output.mutated]
    inputs = {item.name for item in record.inputs}
    roots = [name for name in changed if name in inputs and name in namespace.data]
    if not roots or record.automatic:  # what hangs together with what such a cell reads is among its inputs
        return ""
    reaches = _reaches(namespace)
    others = [name for name in _joined(reaches, roots) if name not in inputs]
    if new := [name for name in others if name not in then]:
        return f"{new[0]!r} hangs together with {roots[0]!r}, which it changes, and did not when it was saved"
    there = [name for name in then if name in namespace.data]
    walks = {name: _walked(namespace, name) for name in (*roots, *there)} if there else {}
    for name in there:
        state = namespace.state(name) if name in changed else ""
        if _input(name, roots, walks, state).digest != then[name].digest:
            return f"{name!r}, which hung together with {roots[0]!r} when it was saved, is something else now"
    return ""


def _input(name: str, roots: Iterable[str], walks: Mapping[str, Walked], state: str) -> Input:
    shared = sharing({other: walks[other] for other in sorted({name, *roots})})
    return Input(name=name, kind=KIND, digest=digest_text(shared, state), text="hangs together with what it changes")


def _reaches(namespace: Namespace) -> dict[str, Reach]:
    data = namespace.data
    return {name: reach_of(data[name]) for name in namespace.names() if mutable(data[name])}


def _joined(reaches: Mapping[str, Reach], names: Collection[str]) -> list[str]:
    """The other variables that have an object or memory in common with these."""
    whole = union(reaches[name] for name in names if name in reaches)
    return [name for name, reach in reaches.items() if name not in names and reach.joins(whole)]


def _walked(namespace: Namespace, name: str) -> dict[int, Any]:
    return dict(enumerate(namespace.digest(name, walked=True).walked))
