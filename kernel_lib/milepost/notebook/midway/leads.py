"""What a value leads to: its parts, and what the notebook's code within it reads."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from types import FrameType, FunctionType, GeneratorType
from typing import Any

from milepost.analysis.code import global_names
from milepost.analysis.liveness import live_after
from milepost.analysis.modules import is_project
from milepost.notebook.activity import inside, parts_of


class Leads:
    """What values lead to.

    Parameters
    ----------
    values : iterable
        Any objects; of an iterator, also what it is made from. What functions of the notebook and of the project's
        modules read there is reached as well.

    Attributes
    ----------
    names : set of str
        Variables of the notebook, bound or not, that code reads which is reached.
    """

    def __init__(self, values: Iterable[Any]) -> None:
        self._classes: set[int] = set()
        self.names: set[str] = set()
        self.runs_code = False
        """Whether functions are reached, which may read the state of the process."""
        self._parts = parts_of(values, self._inside)

    def meets(self, values: Iterable[Any]) -> bool:
        """Whether one of these values, or a part of one, is reached, or may be."""
        values = list(values)
        classes = frozenset(map(id, filter(_is_class, values)))
        return self.has(parts_of(values)) or self.has(classes)

    def has(self, parts: frozenset[int] | None) -> bool:
        """Whether one of these parts or classes, told by their identity, is reached, or may be."""
        if self._parts is None or parts is None:
            return True
        return not parts.isdisjoint(self._parts) or not parts.isdisjoint(self._classes)

    def _inside(self, part: Any) -> Iterable[Any]:
        if isinstance(part, type):
            return self._inside_class(part)
        if _leads_everywhere(part):
            return ()
        if isinstance(part, GeneratorType) and part.gi_suspended:
            return within_generator(part)
        return [*inside(part), *self._read_by(part)] if isinstance(part, FunctionType) else inside(part)

    def _inside_class(self, part: type) -> Iterable[Any]:
        """What its code reads: what all its objects have in common does not make them one."""
        if part.__module__ != "__main__":
            return ()
        self._classes.update(id(base) for base in part.__mro__ if base.__module__ == "__main__")
        members = [member for base in part.__mro__ for member in vars(base).values()]
        bare = (getattr(member, "__func__", None) or getattr(member, "fget", None) or member for member in members)
        own = [member for member in members if type(member).__module__ == "__main__"]  # descriptors
        functions = [member for member in bare if isinstance(member, FunctionType)]
        read = (item for function in functions for item in (*(function.__closure__ or ()), *self._read_by(function)))
        return [*own, *read]

    def _read_by(self, function: FunctionType) -> list[Any]:
        self.runs_code = True
        home = function.__globals__
        name = home.get("__name__")
        names = global_names(function.__code__) if name == "__main__" or is_project(sys.modules.get(str(name))) else ()
        if name == "__main__":
            self.names.update(names)
        return [home[name] for name in names if name in home]


def within_generator(part: GeneratorType[Any, Any, Any]) -> list[Any]:
    """What a suspended generator holds, without local variables that it will not read again: its last item, mostly."""
    held, frame = gc.get_referents(part), part.gi_frame
    if frame is None or not _ALL_VARIABLES.isdisjoint(part.gi_code.co_names):
        return held
    values = frame.f_locals
    live = live_after(part.gi_code, frame.f_lasti)
    dead = [id(value) for name, value in values.items() if name not in live]
    kept = []
    for item in held:
        if id(item) in dead:
            dead.remove(id(item))
        elif item is not values and not isinstance(item, FrameType):
            kept.append(item)
    if isinstance(values, dict):  # before Python 3.13 the frame keeps it, and so what is in it
        values.clear()
    return kept


_ALL_VARIABLES = frozenset({"locals", "vars", "eval", "exec", "dir"})
"""What may read any variable of the code that calls it, and give out the very dict of them."""


def _leads_everywhere(part: Any) -> bool:
    """Whether it is the notebook's variables, or of what runs the notebook, which leads to these."""
    if type(part) is dict:
        return part.get("__name__") == "__main__"
    return type(part).__module__.partition(".")[0] in _MACHINERY


_MACHINERY = frozenset({"IPython", "asyncio", "comm", "ipykernel", "milepost", "tornado", "traitlets", "zmq"})


def _is_class(value: Any) -> bool:
    return isinstance(value, type)
