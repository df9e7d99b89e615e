"""What must start anew in a process that is forked from this one."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Renewable(Protocol):
    """Something with threads, locks or processes: in a fork, the threads are gone and the processes another's."""

    def begin(self) -> None:
        """Forget them."""


_here: weakref.WeakSet[Renewable] = weakref.WeakSet()


def begin_in_forks(thing: Renewable) -> None:
    """Call `thing.begin()` now, and once in each process forked from this one."""
    thing.begin()
    _here.add(thing)


def _begin() -> None:
    for thing in tuple(_here):
        thing.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
