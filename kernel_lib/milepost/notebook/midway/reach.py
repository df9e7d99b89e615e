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
    parts : frozenset of int or None
        As `parts_of` gives it; None where these are too many.
    """

    def __init__(self, values: Iterable[Any], home: Mapping[str, Any]) -> None:
        self._home = home
        self.names: set[str] = set()
        self.parts = parts_of(values, self._inside)

    def _inside(self, part: Any) -> Iterable[Any]:
        if not isinstance(part, FunctionType):
            return inside(part)
        home = part.__globals__
        names = [name for name in global_names(part.__code__) if name in home] if self._is_own(home) else []
        if home is self._home:
            self.names.update(names)
        return [*inside(part), *(home[name] for name in names)]

    def _is_own(self, home: Mapping[str, Any]) -> bool:
        return home is self._home or is_project(sys.modules.get(str(home.get("__name__"))))

    def meets(self, values: Iterable[Any]) -> bool:
        """Whether one of these values, or a part of one, is reached, or may be."""
        parts = parts_of(values)
        return self.parts is None or parts is None or not self.parts.isdisjoint(parts)
