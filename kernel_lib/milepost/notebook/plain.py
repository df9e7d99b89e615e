"""A cell that is no task, read once for all who ask."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from milepost.analysis.code import normalise
from milepost.analysis.names import CellNames, cell_names


@dataclass(frozen=True)
class PlainCell:
    """What a cell runs: Python, its magics transformed."""

    source: str
    tree: ast.Module

    @cached_property
    def names(self) -> CellNames:
        """What it touches."""
        return cell_names(self.tree)

    @cached_property
    def code(self) -> str:
        """The code that counts."""
        return normalise(self.tree)


def read_plain(shell: Any, raw: str) -> PlainCell | None:
    """The cell that a shell is to run; None for one that does not parse."""
    try:
        source = shell.transform_cell(raw)
        with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
            return PlainCell(source, shell.compile.ast_parse(source))
    except Exception:
        return None
