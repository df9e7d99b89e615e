"""The audit hook of this process: tells what the body that runs here opens, lists and starts.

A hook cannot be taken away again. So there is one, which looks at two things before it does anything: whether a body is
watched at all, and whether the event is one of ours. It never raises: what it raised would fail the user's call.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from typing import Any

from milepost.notebook.observed.environment import RECORDED_ENVIRONMENT
from milepost.notebook.observed.events import HANDLERS
from milepost.notebook.observed.existence import RECORDED_STAT
from milepost.notebook.observed.places import Places
from milepost.notebook.observed.telling import registered, tell, watches
from milepost.notebook.observed.terminal import RECORDED_QUESTIONS
from milepost.notebook.observed.watch import Watch


@contextlib.contextmanager
def watching(places: Places) -> Iterator[Watch]:
    """Watch what runs in the `with`, in contexts copied from it, and in threads started in it."""
    _install()
    with registered(places) as watch, RECORDED_ENVIRONMENT, RECORDED_STAT, RECORDED_QUESTIONS:
        yield watch


@functools.cache
def _install() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if watches and (handle := HANDLERS.get(event)) is not None:
        tell(handle, *args)
