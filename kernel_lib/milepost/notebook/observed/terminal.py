"""What a body asks of whoever sits at the notebook."""

from __future__ import annotations

import builtins
import functools
import getpass
from typing import Any

from milepost.notebook.observed.places import Places
from milepost.notebook.observed.swap import Swap
from milepost.notebook.observed.telling import tell
from milepost.notebook.observed.watch import Watch

_originals: dict[tuple[Any, str], tuple[Any, Any]] = {}
"""By module and name: what was there, and what stands there meanwhile."""


def _put_all() -> None:
    """The kernel puts functions of its own there for each cell."""
    for module, name in ((builtins, "input"), (getpass, "getpass")):
        _put(module, name)


def _put(module: Any, name: str) -> None:
    original = getattr(module, name)

    @functools.wraps(original)
    def asking(*args: Any, **options: Any) -> Any:
        tell(_asked)
        return original(*args, **options)

    _originals[module, name] = original, asking
    setattr(module, name, asking)


def _put_back() -> None:
    for (module, name), (original, asking) in _originals.items():
        if getattr(module, name) is asking:
            setattr(module, name, original)
    _originals.clear()


RECORDED_QUESTIONS = Swap(_put_all, _put_back)
"""While it is entered, questions are told."""


def _asked(watch: Watch, places: Places) -> None:
    watch.untracked.setdefault("terminal", "it asked for input: the answer is part of the result")
