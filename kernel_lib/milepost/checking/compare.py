"""Two snapshots of kernels that should hold the same, and every place where they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from milepost.checking.parts import Part

TreeOf = Callable[[str], Part | None]
"""What a value is made of, by its name."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place that differs: `kind` (value, missing, extra, sharing, process, output, failure, file), what, how."""

    kind: str
    what: str
    reason: str

    @property
    def place(self) -> tuple[str, str]:
        """What to recognise it by."""
        return self.kind, self.what


@dataclass(frozen=True, slots=True)
class State:
    """What a kernel and its folder hold after a cell."""

    values: Mapping[str, list[str]]
    shared: list[list[str]]
    process: Mapping[str, str]
    files: Mapping[str, str]
    tasks: tuple[Mapping[str, Any], ...] = ()

    @property
    def blurred(self) -> dict[str, str]:
        """Names whose values have no content to compare, and why."""
        return {name: why for name, (_, digest, _, why) in self.values.items() if not digest}


def differences(old: State, new: State, old_tree: TreeOf, new_tree: TreeOf) -> Iterator[Difference]:
    """Where `new` is not what `old` was."""
    yield from _values(old, new, old_tree, new_tree)
    yield from _sharing(old, new)
    for kind, before, after in (("process", old.process, new.process), ("file", old.files, new.files)):
        for what in sorted({*before, *after}):
            if before.get(what) != after.get(what):
                yield Difference(kind, what, _change(what in before, what in after))


def _values(old: State, new: State, old_tree: TreeOf, new_tree: TreeOf) -> Iterator[Difference]:
    for name, before in old.values.items():
        after = new.values.get(name)
        if after is None:
            yield Difference("missing", name, f"the {before[0]} is not there")
        elif before[:3] != after[:3]:
            yield Difference("value", name, _reason(before, after, old_tree(name), new_tree(name)))
    for name, (kind, *_) in new.values.items():
        if name not in old.values:
            yield Difference("extra", name, f"the {kind} should not be there")


def _reason(before: list[str], after: list[str], old: Part | None, new: Part | None) -> str:
    if before[0] != after[0]:
        return f"its type: {before[0]} → {after[0]}"
    if bool(before[1]) != bool(after[1]):
        return f"it has content in one kernel only: {before[3] or after[3]}"
    return tree_difference(old, new) if old and new else "its content differs"


def tree_difference(old: Part, new: Part, path: str = "") -> str:
    """The first place at which two values taken apart differ."""
    where = path or "it"
    for title, before, after in zip(("type", "size", "value"), (old[0], *old[2:4]), (new[0], *new[2:4]), strict=True):
        if before != after:
            return f"{where}: {title} {before or 'none'} → {after or 'none'}"
    for label, item in old[4].items():
        if label not in new[4]:
            return f"{path}{label} is missing"
        if item[1] != new[4][label][1]:
            return tree_difference(item, new[4][label], path + label)
    more = [label for label in new[4] if label not in old[4]]
    if more:
        return f"{path}{more[0]} should not be there"
    return f"{where}: the order of its items" if list(old[4]) != list(new[4]) else f"{where}: its content differs"


def _sharing(old: State, new: State) -> Iterator[Difference]:
    """Only among values that both have: a missing one is told already."""
    before, after = ({tuple(group) for group in state.shared} for state in (old, new))
    for group in sorted(before - after):
        yield Difference("sharing", " = ".join(group), "these were one object, and are not any more")
    for group in sorted(after - before):
        yield Difference("sharing", " = ".join(group), "these are one object, and were not")


def _change(before: bool, after: bool) -> str:
    if before and after:
        return "it differs"
    return "it is not there" if before else "it should not be there"
