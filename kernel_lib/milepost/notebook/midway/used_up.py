"""What a loop uses up, so that no restore could give it back as it was."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from milepost.analysis.digest import Digest, digest
from milepost.analysis.flat import ATOMS
from milepost.analysis.modules import is_own
from milepost.analysis.opaque import LOOKED_INTO, seen
from milepost.model.by_class import ByClass
from milepost.notebook.activity import inside


def used_up(values: Mapping[str, Any], digests: Mapping[str, Digest]) -> str:
    """Why a loop that reads these cannot go on, "" where it can.

    That is for generators and open files, and for what is made in C and shows nothing of its state (a hasher, a
    writer, a compressor). Locks and what else shows some of it are compared as far as that goes.
    """
    for name, known in digests.items():
        why = known.opaque if known.consumable else _blind(values[name]) if known.opaque else ""
        if why:
            return f"the loop uses {name!r}, and that cannot be put back ({why})"
    return ""


def _blind(value: Any) -> str:
    """The reason of a part that is made in C and that nothing is known of; "" where there is none."""
    seen_parts: set[int] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if id(part) in seen_parts or type(part) in ATOMS or isinstance(part, ModuleType):
            continue
        if len(seen_parts) == MOST:
            return "it has too many parts to look at"
        seen_parts.add(id(part))
        if isinstance(part, type):
            waiting += vars(part).values() if part.__module__ == "__main__" else ()
        elif _is_looked_into(type(part)):
            waiting += inside(part)
        elif is_of_c(type(part)) and not seen(part) and (opaque := digest(part).opaque):
            return opaque
    return ""


MOST = 100_000
"""Parts that are looked at."""

_SHARED = frozenset({"asyncio", "concurrent", "logging", "multiprocessing", "queue", "sqlite3", "threading"})
"""Modules whose objects hold locks and the like, and nothing that a loop would go on from."""


@ByClass
def is_of_c(kind: type) -> bool:
    """Whether nothing of a class is written in Python, and it is no lock and no weak reference."""
    if kind.__module__ in ("_thread", "weakref") and kind is not threading.local:
        return False
    members = (member for base in kind.__mro__[:-1] for member in vars(base).values())
    return not any(isinstance(member, FunctionType) for member in members)


@ByClass
def _is_looked_into(kind: type) -> bool:
    """Whether instances hold other values, or are of classes of the notebook, its project or the standard library."""
    top = kind.__module__.partition(".")[0]
    if kind.__module__ in ("builtins", *LOOKED_INTO) or is_own(kind):
        return True
    return top in sys.stdlib_module_names and top not in _SHARED and not is_of_c(kind)
