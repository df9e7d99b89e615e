"""All aspects together: what a body found, what it changed, and putting that back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from milepost.analysis.code import digest_text
from milepost.analysis.describe import short
from milepost.analysis.digest import digest, outline
from milepost.analysis.flat import ATOMS
from milepost.model.errors import StoreError
from milepost.model.record import Input, Record
from milepost.notebook.ambient.aspect import Aspect, Change, State
from milepost.notebook.ambient.caches import FunctionCaches
from milepost.notebook.ambient.libraries import library_aspects
from milepost.notebook.ambient.modules import ProjectModules, SetAttributes, stored_attributes
from milepost.notebook.ambient.python import python_aspects
from milepost.notebook.definition import Definition
from milepost.notebook.resolution import Resolution
from milepost.notebook.stage import Left, Plan

STATE = "state"
"""The kind of an input that stands for the state of the process."""

QUIET = "what is shown apart"
"""Stands in the name of such an input where the task showed nothing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of each aspect at one moment; `failed` says which could not be read."""

    states: Mapping[str, State]
    failed: Mapping[str, str] = field(default_factory=dict)


class Ambient:
    """The state of this process, as far as it is known how to put it back.

    Parameters
    ----------
    shell : InteractiveShell
    home : callable
        Gives the folder of the notebook.
    """

    def __init__(self, shell: Any, home: Callable[[], Path]) -> None:
        self._namespace: Mapping[str, Any] = shell.user_ns
        self._set, self._projects = SetAttributes(shell.user_ns), ProjectModules(shell.user_ns)
        caches = FunctionCaches(shell.user_ns)
        made = (*python_aspects(home), *library_aspects(shell), caches, self._set, self._projects)
        self._aspects: dict[str, Aspect] = {aspect.name: aspect for aspect in made}

    def read(self, *, counted: bool = False) -> Snapshot:
        """All aspects now, or those that count as inputs. One that cannot be read costs only itself."""
        states, failed = {}, {}
        for name, aspect in self._aspects.items():
            if aspect.loaded and (aspect.counts or not counted):
                try:
                    states[name] = aspect.read()
                except Exception as error:
                    failed[name] = f"{name} cannot be read ({type(error).__name__}: {error})"
        return Snapshot(states, failed)

    def watch(self, sources: Iterable[str], *, ran: bool = False) -> None:
        """Look from now on at the attributes of modules that code sets; before it runs, and once it `ran`."""
        chains = [chain for source in sources for chain in stored_attributes(source)]
        self._projects.stored.update(chain[-1] for chain in chains)
        self._set.watch(chains, known=not ran)

    # what a body changed

    def changes(self, before: Snapshot, code: str, after: Snapshot | None = None) -> tuple[dict[str, Change], str]:
        """What changed since then, by aspect, and why that must not be saved, if it must not."""
        found = self._between(before, after or self.read())
        obstacles = (self._aspects[name].obstacle(change, code) for name, change in found.items())
        reason = next((reason for reason in obstacles if reason), "")
        return ({} if reason else found), reason

    def _between(self, before: Snapshot, after: Snapshot) -> dict[str, Change]:
        """What happened between two moments, as far as both could be read."""
        found = {}
        for name in self._aspects:
            if name in before.failed or name in after.failed:
                continue
            change = self._aspects[name].change(before.states.get(name, {}), after.states.get(name, {}))
            if change is not None:
                found[name] = change
        return found

    def made(self, before: Snapshot, after: Snapshot) -> dict[str, str]:
        """What code made, between two moments, of all that counts as no input: what each entry comes to, by its label.

        Modules that it loaded have only what they always have.
        """
        known = before.states.get(self._projects.name, {})
        return {
            self._aspects[name].label(entry): self._content(change["values"].get(entry))
            for name, change in self._between(before, after).items()
            for entry in (*change["values"], *change["unset"])
            if not self._aspects[name].counts
            if name != self._projects.name or f"{entry.partition(':')[0]}:" in known
        }

    def objects(self, changes: Mapping[str, Change]) -> list[Any]:
        """Objects of the project's modules among what changed."""
        return list(changes.get(self._projects.name, {"values": {}})["values"].values())

    def shared(self, before: Snapshot, after: Snapshot) -> dict[str, Any]:
        """Objects that modules hold, and what a body made may hold too, by a name for `find_shared`."""
        name = self._projects.name
        return self._projects.shared(before.states.get(name, {}), after.states.get(name, {}))

    def words(self, changes: Mapping[str, Change]) -> str:
        """What changed, for people."""
        return ", ".join(label for name, change in changes.items() for label in self._labels(name, change))

    def _labels(self, name: str, change: Change) -> Iterator[str]:
        aspect = self._aspects[name]
        entries = [] if "front" in change["values"] else [*change["values"], *change["unset"]]
        yield from (aspect.label(entry) for entry in entries) if entries else (name,)

    def restore(self, changes: Mapping[str, Change]) -> None:
        """Put back what a task changed: all of it, or nothing.

        Raises
        ------
        StoreError
            Where something cannot be put back.
        """
        before = self.read() if changes else Snapshot({})
        for name, change in changes.items():
            try:
                self._aspects[name].restore(change)
            except Exception as error:
                self.back_to(before)
                raise StoreError(f"{name} cannot be put back ({type(error).__name__}: {error})") from error

    def show(self, values: Iterable[Any]) -> None:
        """Have restored figures shown as figures: matplotlib has a notebook show them once a backend draws."""
        figure = getattr(sys.modules.get("matplotlib.figure"), "FigureBase", None)
        if figure is not None and any(isinstance(value, figure) for value in values):
            import matplotlib.pyplot as plt

            if getattr(plt, "_backend_mod", None) is None:
                plt.switch_backend(plt.get_backend())

    def back_to(self, before: Snapshot) -> None:
        """Undo what changed since then, as far as that is known."""
        for name, change in self._between(self.read(), before).items():
            self._aspects[name].restore(change)

    # as an input

    def input(self, snapshot: Snapshot, *, quiet: bool) -> Input:
        """What a body found, as an input of the task: that of libraries which are loaded by its end.

        A `quiet` one showed nothing: how things look does not count.
        """
        libraries = sorted(aspect.module for aspect in self._aspects.values() if aspect.module and aspect.loaded)
        return self._input(" ".join(dict.fromkeys((*libraries, *([QUIET] if quiet else [])))), snapshot)

    def _input(self, scope: str, snapshot: Snapshot) -> Input:
        counted = sorted(self._counted(scope, snapshot), key=lambda item: item[:2])
        parts = [part for name, entry, value in counted for part in (name, entry, self._content(value))]
        words: dict[str, dict[str, str]] = {}
        for name, entry, value in counted:
            words.setdefault(name, {})[entry] = _shown(value)
        text = json.dumps(words) if words else ""
        return Input(name=scope, kind=STATE, digest=digest_text(*parts) if parts else "", text=text)

    def _counted(self, scope: str, snapshot: Snapshot) -> Iterator[tuple[str, str, Any]]:
        """What counts: the aspect, the entry, the value."""
        quiet = scope.endswith(QUIET)
        libraries = scope.removesuffix(QUIET).split()
        for name, state in snapshot.states.items():
            aspect = self._aspects[name]
            if state and aspect.counts and (not aspect.module or aspect.module in libraries):
                for entry, value in aspect.counted(state).items():
                    if not quiet or aspect.quiet(entry):
                        yield name, entry, value

    def _content(self, value: Any) -> str:
        found = digest(value, self._namespace)
        return found.hex or outline(value, self._namespace) or f"{type(value).__qualname__} {id(value)}"

    def difference(self, then: Input, now: Input) -> list[str]:
        """What differs between two such inputs, a line each."""
        old, new = _words(then), _words(now)
        changed = [key for key in dict.fromkeys((*old, *new)) if old.get(key) != new.get(key)]
        lines = [f"{self._label(*key)}: {self._word(key, old)} → {self._word(key, new)}" for key in changed]
        return lines or ["the state of the process is another one"]

    def _label(self, name: str, entry: str) -> str:
        aspect = self._aspects.get(name)
        return aspect.label(entry) if aspect else name

    def _word(self, key: tuple[str, str], words: Mapping[tuple[str, str], str]) -> str:
        aspect = self._aspects.get(key[0])
        return words[key] if key in words else _shown(aspect.default(key[1])) if aspect else "its default"

    def mismatch(self, record: Record, snapshot: Snapshot) -> str:
        """What is not as the task found it when it was saved, in words; "" when all is."""
        for then in record.observed:
            if then.kind == STATE and (now := self._input(then.name, snapshot)).digest != then.digest:
                return "; ".join(self.difference(then, now)) + " since it was saved"
        return ""


def _words(known: Input) -> dict[tuple[str, str], str]:
    """The texts of such an input, by aspect and entry."""
    found = json.loads(known.text) if known.text else {}
    return {(name, entry): word for name, entries in found.items() for entry, word in entries.items()}


def _shown(value: Any) -> str:
    """An option in a few words; unlike data, these texts are shown."""
    if type(value) in ATOMS:
        return repr(value)[:80]
    if isinstance(value, list | tuple | set | frozenset) and all(type(item) in ATOMS for item in value):
        return repr(sorted(value, key=repr) if isinstance(value, set | frozenset) else value)[:80]
    return short(value)


QUIET_TYPES = frozenset({"numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "torch"})
"""Libraries whose values hold no text that tells how something looks, unless the user takes pains."""


def shows_nothing(display: bytes, values: Iterable[Any]) -> bool:
    """Whether what a body left cannot tell how things looked: no output, and numbers, data and models only."""
    return display == b"[]" and all(_textless(value) for value in values)


def _textless(value: Any) -> bool:
    kind = type(value)
    if kind.__module__ == "builtins":
        return kind in _PLAIN
    if kind.__module__.partition(".")[0] not in QUIET_TYPES:
        return False
    return not (kind.__name__ == "ndarray" and value.dtype.kind in "OUS")


_PLAIN = frozenset({bool, int, float, complex, type(None), type, ModuleType, FunctionType, BuiltinFunctionType})


def with_state(ambient: Ambient, found: Snapshot, plan: Plan, left: Left) -> Left:
    """What a body left, with what it changed of the state that it found, and that state as an input."""
    ambient.watch(sources(plan.definition, plan.resolution), ran=True)
    after = ambient.read()
    changes, obstacle = ambient.changes(found, plan.definition.code, after)
    seen = ambient.input(found, quiet=shows_nothing(left.display, left.values.values()))
    plan.resolution.notes.extend(found.failed.values())
    return replace(
        left,
        state=changes,
        obstacle=left.obstacle or obstacle,
        observed=(*left.observed, seen),
        shared={**left.shared, **ambient.shared(found, after)},
    )


def sources(definition: Definition, resolution: Resolution) -> list[str]:
    """The code of a task, and of the notebook's functions that it reads."""
    return [definition.code, *(item.text for item in resolution.inputs.values() if item.kind == "function")]
