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
from milepost.notebook.reach import FIGURES, Reach, reach_of, union

TIED = "entangled"
ALTERED = "altered"
"""An input whose object was changed in place, although the name holds another one, or none, in the end."""
HELD = "held"
"""What goes on holding an object of a variable, which must be there with the content that it had."""
UNREAD = "unread"
"""What was changed in place although the task does not read it (by a callback): it counts as it was found."""


class Entangled:
    """How the variables hang together with inputs of a task, at one moment.

    Near ones have something in common with an input, far ones with a near one: of `c = [d, e]`, a task that reads `d`
    alone changes `c`, too, and `c` goes on holding `e`.
    """

    def __init__(self, namespace: Namespace, inputs: Collection[str]) -> None:
        self._reaches = _reaches(namespace)
        self._inputs = [name for name in inputs if name in self._reaches]
        near = _joined(self._reaches, inputs)
        far = [name for name in _joined(self._reaches, near) if name not in inputs] if near else []
        self._states = {name: namespace.state(name) for name in (*near, *far)}
        self._walks = {name: _walked(namespace, name) for name in (*self._states, *self._inputs)} if near else {}
        self._values = {name: namespace.data[name] for name in (*self._states, *self._inputs)}

    def __contains__(self, name: object) -> bool:
        """Whether a variable was an input, or hung together with one."""
        return name in self._values

    def told(self, altered: Collection[str], left: Container[str]) -> tuple[Input, ...]:
        """What counts once it is known whose objects were `altered`, and which names the task `left` or deleted."""
        first, met = self._met(altered)
        roots = [*first, *(name for name in met if name in left)]
        others = [name for name in met if name not in left]
        tied = [name for name in (*roots, *others) if name in self._states]
        return (
            *(Input(name=n, kind=ALTERED, digest="", text="is changed") for n in first if n in self._inputs),
            *(_input(n, self._around(n, roots), self._walks, self._states[n] if n in roots else "") for n in tied),
            *(Input(name=n, kind=HELD, digest=self._states[n], text="is held on") for n in others),
        )

    def held(self, altered: Collection[str], left: Container[str]) -> dict[str, Any]:
        """The objects that what was altered may go on holding: of variables that are not among what the task left."""
        first, met = self._met(altered)
        joint = union(self._reaches[name] for name in first).joint
        there = [name for name in met if name not in left]
        return {n: self._values[n] for n in there if self._walks[n] or id(self._values[n]) in joint}

    def hidden(self, altered: Collection[str], left: Container[str]) -> str:
        """Why what was altered must not be saved: what holds it, too, and does not show it, would hold the old one.

        A figure would come back as another one.
        """
        first, met = self._met(altered)
        if drawn := next((name for name in first if FIGURES in self._reaches[name].parts), ""):
            return f"it changed {drawn!r}, which holds a figure"
        for name in (other for other in met if other not in left):
            root = next((root for root in first if id(self._values[root]) in self._reaches[name].joint), "")
            if root:
                return f"it changed {root!r}, which {name!r} holds, too, where it could not be put back"
        return ""

    def _around(self, name: str, roots: Iterable[str]) -> set[str]:
        return {name, *roots, *_joined(self._reaches, [name], self._inputs)}

    def _met(self, altered: Collection[str]) -> tuple[list[str], list[str]]:
        """What was altered, of what is known here, and the other variables that hang together with that."""
        first = [name for name in self._values if name in altered]
        return first, [name for name in _joined(self._reaches, first) if name in self._states]


def unread(altered: Iterable[str], inputs: Container[str], found: Mapping[str, str]) -> tuple[Input, ...]:
    """What was altered without being an input counts as it was `found`."""
    names = [name for name in altered if name not in inputs]
    return tuple(Input(name=name, kind=UNREAD, digest=found[name], text="is changed unread") for name in names)


def disentangled(record: Record, namespace: Namespace) -> str:
    """What does not hang together as it did with what the task changes, in words; "" where all does."""
    if record.automatic:  # what hangs together with what such a cell reads is among its inputs
        return ""
    inputs = {item.name for item in record.inputs}
    then = {item.name: item for item in record.observed if item.kind == TIED}
    roots = [name for name in _roots(record, inputs, then) if name in namespace.data]
    if roots and (words := _otherwise(roots, inputs, then, namespace)):
        return words
    return let_go(record, namespace)


def _roots(record: Record, inputs: Container[str], then: Container[str]) -> list[str]:
    mutated = [output.name for output in record.outputs if output.mutated and output.name in inputs]
    altered = [item.name for item in record.observed if item.kind == ALTERED]
    left = [name for name in (*(output.name for output in record.outputs), *record.deleted) if name in then]
    return list(dict.fromkeys((*mutated, *altered, *left)))


def _otherwise(roots: list[str], inputs: Container[str], then: Mapping[str, Input], namespace: Namespace) -> str:
    reaches = _reaches(namespace)
    if new := [name for name in _joined(reaches, roots) if name not in inputs and name not in then]:
        return f"{new[0]!r} hangs together with {roots[0]!r}, which it changes, and did not when it was saved"
    around = {name: {name, *roots, *_joined(reaches, [name], inputs)} for name in then if name in namespace.data}
    walks = {name: _walked(namespace, name) for name in set[str]().union(*around.values())}
    for name, names in around.items():
        state = namespace.state(name) if name in roots else ""
        if _input(name, names, walks, state).digest != then[name].digest:
            return f"{name!r}, which hung together with {roots[0]!r} when it was saved, is something else now"
    return ""


def let_go(record: Record, namespace: Namespace) -> str:
    """What a record counts on of a variable that is something else now, in words; "" where there is none."""
    known = [item for item in record.observed if item.kind in _SAYS and item.name in namespace.data]
    other = next((item for item in known if namespace.state(item.name) != item.digest), None)
    return f"{other.name!r}, {_SAYS[other.kind]}, is something else now" if other else ""


_SAYS = {HELD: "of which it goes on holding a part", UNREAD: "which it changes without reading it"}


def _input(name: str, around: Iterable[str], walks: Mapping[str, Walked], state: str) -> Input:
    shared = sharing({other: walks[other] for other in sorted(around)})
    return Input(name=name, kind=TIED, digest=digest_text(shared, state), text="hangs together with what it changes")


def _reaches(namespace: Namespace) -> dict[str, Reach]:
    data = namespace.data
    return {name: reach_of(data[name]) for name in namespace.names() if mutable(data[name])}


def _joined(reaches: Mapping[str, Reach], names: Collection[str], of: Container[str] | None = None) -> list[str]:
    """The other variables, or those `of` some, that have an object or memory in common with these."""
    found = [reaches[name] for name in names if name in reaches]
    whole = found[0] if len(found) == 1 else union(found)
    others = (name for name in reaches if name not in names and (of is None or name in of))
    return [name for name in others if reaches[name].joins(whole)]


def _walked(namespace: Namespace, name: str) -> dict[int, Any]:
    return dict(enumerate(namespace.digest(name, walked=True).walked))
