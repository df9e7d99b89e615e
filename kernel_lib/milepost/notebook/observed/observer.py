"""What tasks of one session read and wrote besides names: told when they run, looked at before a restore."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from milepost.model.errors import StoreError
from milepost.model.record import Input
from milepost.notebook.observed.constants import named_files
from milepost.notebook.observed.hook import watching
from milepost.notebook.observed.loaded import Loaded
from milepost.notebook.observed.outcome import WRITTEN, Now, Outcome, Seen
from milepost.notebook.observed.places import Places
from milepost.notebook.observed.telling import current, unwatched
from milepost.notebook.observed.watch import Watch
from milepost.notebook.stage import Left, Plan


class Observer:
    """Watches the bodies of one session.

    Parameters
    ----------
    data : dict
        The notebook's variables.
    home : callable
        Gives the notebook's folder.
    sign : callable
        Gives a signature under the user's key: `sign(data, purpose)`.
    """

    def __init__(self, data: dict[str, Any], home: Callable[[], Path], sign: Callable[[bytes, str], str]) -> None:
        self._data = data
        self._sign = sign
        self._places = Places(home)

    # recording

    @contextlib.contextmanager
    def watching(self, plan: Plan) -> Iterator[Watch]:
        """Watch the body that runs in the `with`."""
        named = named_files(plan, self._data, self._places)
        loaded = Loaded()
        with watching(self._places) as watch:
            watch.named, watch.loaded = named, lambda: loaded.inputs(plan, self._data)
            yield watch

    def complete(self, watch: Watch, plan: Plan, left: Left) -> Left:
        """What a body left, with what was seen of it."""
        with unwatched():
            if _in_a_process(plan):
                watch.untracked["elsewhere"] = "it ran in a worker process: files that it touched there are not tracked"
            else:
                watch.settle_named()
            seen = Outcome(watch, self._places, self.seal).seen()
            inputs = (*seen.inputs, *watch.loaded())
        plan.facts.observed = inputs
        return replace(left, observed=(*left.observed, *inputs), obstacle=left.obstacle or seen.obstacle)

    def so_far(self, watch: Watch) -> Seen:
        """What was seen of a body that goes on."""
        so_far = replace(watch, files={path: replace(touched) for path, touched in watch.files.items()})
        so_far.settle_named()
        seen = Outcome(so_far, self._places, self.seal).seen()
        return replace(seen, inputs=(*seen.inputs, *watch.loaded()))

    def is_there(self, name: str) -> bool:
        """Whether there is a file or folder by the name that was noted."""
        return os.path.lexists(self._places.unpacked(name))

    def given_back(self, observed: Iterable[Input]) -> None:
        """A task was restored: whoever asked for it depends on what it depends on."""
        watch = current()
        while watch is not None:
            watch.inherit(tuple(observed))
            watch = watch.outer

    # looking again

    def now(self) -> Now:
        """What is there now."""
        return Now(self._places, self.seal)

    def differences(
        self,
        observed: Iterable[Input],
        *,
        again: bool = False,
        now: Now | None = None,
        made: frozenset[str] = frozenset(),
    ) -> tuple[str, ...]:
        """What is not as a task found or left it, a line each; see `Now.differences`."""
        with unwatched():
            return tuple((now or self.now()).differences(observed, again=again, made=made))

    def contradiction(self, observed: Iterable[Input]) -> str:
        """Which file or folder that a task read is another one now, in words.

        What else there is, cells that have not run yet may still bring about.
        """
        observed = tuple(observed)
        written = {item.name for item in observed if item.kind in WRITTEN}
        read = [item for item in observed if item.kind in _FILES and item.name not in written]
        return told(self.differences(read))

    def seal(self, text: str) -> str:
        try:
            return self._sign(text.encode("utf-8", "surrogateescape"), "milepost environment variable")
        except StoreError:  # without a key nothing is saved or given back
            return secrets.token_hex()


def _in_a_process(plan: Plan) -> bool:
    definition = plan.definition
    where = definition.function.options.on if definition.function else definition.options.place
    return where == "processes"


_FILES = ("file", "files", "folder", "glob", "path glob")

SHOWN = 3
"""Differences that one sentence tells; all are in the details."""


def told(differences: Sequence[str]) -> str:
    """Differences in one sentence."""
    more = len(differences) - SHOWN
    return "; ".join([*differences[:SHOWN], *([f"and {more} more"] if more > 0 else [])])
