"""What a value leads to: its parts, and what the notebook's code within it reads."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

from milepost.analysis.code import global_names
from milepost.analysis.modules import is_project
from milepost.notebook.activity import inside, parts_of


class Reach:
    """What values lead to.

    Parameters
    ----------
    values : iterable
        Any objects; of an iterator, also what it is made from.
    home : mapping
        The variables of the notebook: what its functions read of them is reached as well, as what those of the
        project's modules read of these.

    Attributes
    ----------
    names : set of str
        Variables of the notebook that code reads which is reached.
    """

    def __init__(self, values: Iterable[Any], home: Mapping[str, Any]) -> None:
        self._home = home
        self._classes: set[int] = set()
        self.names: set[str] = set()
        self._parts = parts_of(values, self._inside)

    def meets(self, values: Iterable[Any]) -> bool:
        """Whether one of these values, or a part of one, is reached, or may be."""
        values = list(values)
        parts = parts_of(values)
        if self._parts is None or parts is None:
            return True
        return not self._parts.isdisjoint(parts) or not self._classes.isdisjoint(map(id, values))

    def _inside(self, part: Any) -> Iterable[Any]:
        if isinstance(part, type):
            return self._inside_class(part)
        return [*inside(part), *self._read_by(part)] if isinstance(part, FunctionType) else inside(part)

    def _inside_class(self, part: type) -> Iterable[Any]:
        """What its code reads: what all its objects have in common does not make them one."""
        if part.__module__ != "__main__":
            return ()
        self._classes.add(id(part))
        members = [member for base in part.__mro__ for member in vars(base).values()]
        functions = [member for member in members if isinstance(member, FunctionType)]
        return [item for function in functions for item in (*(function.__closure__ or ()), *self._read_by(function))]

    def _read_by(self, function: FunctionType) -> list[Any]:
        home = function.__globals__
        names = [name for name in global_names(function.__code__) if name in home] if self._is_own(home) else []
        if home is self._home:
            self.names.update(names)
        return [home[name] for name in names]

    def _is_own(self, home: Mapping[str, Any]) -> bool:
        return home is self._home or is_project(sys.modules.get(str(home.get("__name__"))))
