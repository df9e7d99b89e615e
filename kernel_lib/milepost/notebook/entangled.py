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
HELD = "held"
"""What goes on holding an object of a variable, which must be there with the content that it had."""


class Entangled:
    """How the variables hang together with inputs of a task, at one moment.

    Near ones have something in common with an input, far ones with a near one: of `c = [d, e]`, a task that reads `d`
    alone changes `c`, too, and `c` goes on holding `e`.
    """

    def __init__(self, namespace: Namespace, inputs: Collection[str]) -> None:
        self._namespace = namespace
        self._reaches = _reaches(namespace)
        near = _joined(self._reaches, inputs)
        far = _joined(self._reaches, near, but=inputs) if near else []
        self._states = {name: namespace.state(name) for name in (*near, *far)}
        names = [*self._states, *(name for name in inputs if name in self._reaches)] if near else []
        self._walks = {name: _walked(namespace, name) for name in names}
        self._values = {name: namespace.data[name] for name in self._states}

    def told(self, changed: Container[str]) -> tuple[Input, ...]:
        """What counts once it is known what was `changed`."""
        roots = [name for name in self._walks if name in changed]
        if all(name in self._states for name in roots):
            return ()
        others = [name for name in self._met(roots) if name not in roots]
        tied = [name for name in (*roots, *others) if name in self._states]
        return (
            *(_input(name, roots, self._walks, self._states[name] if name in changed else "") for name in tied),
            *(Input(name=n, kind=HELD, digest=self._states[n], text="is held on") for n in others if n in self._states),
        )

    def held(self, left: Container[str]) -> dict[str, Any]:
        """The objects that what was changed may go on holding: of variables that are not among what the task left."""
        roots, data = [name for name in self._walks if name in left], self._namespace.data
        there = [name for name in self._met(roots) if name in self._states and name not in left]
        return {name: self._values[name] for name in there if data.get(name) is self._values[name]}

    def _met(self, roots: Collection[str]) -> list[str]:
        return _joined(self._reaches, roots)


def disentangled(record: Record, namespace: Namespace) -> str:
    """What does not hang together as it did with what the task changes, in words; "" where all does."""
    changed = [output.name for output in record.outputs if output.mutated]
    inputs = {item.name for item in record.inputs}
    first = next((name for name in changed if name in inputs and name in namespace.data), "")
    if not first or record.automatic:  # what hangs together with what such a cell reads is among its inputs
        return ""
    then = {item.name: item for item in record.observed if item.kind == KIND}
    roots = [name for name in changed if name in namespace.data and (name in inputs or name in then)]
    if new := [name for name in _joined(_reaches(namespace), roots) if name not in inputs and name not in then]:
        return f"{new[0]!r} hangs together with {first!r}, which it changes, and did not when it was saved"
    there = [name for name in then if name in namespace.data]
    walks = {name: _walked(namespace, name) for name in (*roots, *there)} if there else {}
    for name in there:
        state = namespace.state(name) if name in changed else ""
        if _input(name, roots, walks, state).digest != then[name].digest:
            return f"{name!r}, which hung together with {first!r} when it was saved, is something else now"
    return let_go(record, namespace)


def let_go(record: Record, namespace: Namespace) -> str:
    """What a record holds on of a variable that is something else now, in words; "" where there is none."""
    held = [item for item in record.observed if item.kind == HELD and item.name in namespace.data]
    other = next((item.name for item in held if namespace.state(item.name) != item.digest), "")
    return f"{other!r}, of which it goes on holding a part, is something else now" if other else ""


def _input(name: str, roots: Iterable[str], walks: Mapping[str, Walked], state: str) -> Input:
    shared = sharing({other: walks[other] for other in sorted({name, *roots})})
    return Input(name=name, kind=KIND, digest=digest_text(shared, state), text="hangs together with what it changes")


def _reaches(namespace: Namespace) -> dict[str, Reach]:
    data = namespace.data
    return {name: reach_of(data[name]) for name in namespace.names() if mutable(data[name])}


def _joined(reaches: Mapping[str, Reach], names: Collection[str], but: Container[str] = ()) -> list[str]:
    """The other variables that have an object or memory in common with these."""
    whole = union(reaches[name] for name in names if name in reaches)
    others = (name for name in reaches if name not in names and name not in but)
    return [name for name in others if reaches[name].joins(whole)]


def _walked(namespace: Namespace, name: str) -> dict[int, Any]:
    return dict(enumerate(namespace.digest(name, walked=True).walked))
