"""Modules of the project that a body reached without an import statement: by a computed name, or as other code loaded
them. What import statements name counts before the body runs."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from milepost.analysis.modules import is_project, project_sources, source_digest
from milepost.model.record import Input
from milepost.notebook.stage import Plan

_BY_NAME = re.compile(r"\b(import_module|__import__|importlib|runpy|sys\.modules)\b")
"""Code that reaches modules by a name which only its run shows: any that is loaded may be meant."""


class Loaded:
    """Made before a body runs."""

    def __init__(self) -> None:
        self._last = next(reversed(sys.modules))
        self._count = len(sys.modules)

    def inputs(self, plan: Plan, data: Mapping[str, Any]) -> Iterator[Input]:
        """Those modules, by what their source says; `data` are the notebook's variables."""
        texts = [plan.definition.code, *(i.text for i in plan.resolution.inputs.values() if i.kind == "function")]
        names = list(sys.modules) if any(map(_BY_NAME.search, texts)) else self._new()
        found = [name for name in names if is_project(sys.modules.get(name))]
        covered = _covered(plan, data) if found else set()
        for name in found:
            if name not in covered and (digest := source_digest(name)):
                yield Input(name=name, kind="loaded", digest=digest, text=name)

    def _new(self) -> list[str]:
        """What was loaded since: it stands behind what was there."""
        if len(sys.modules) == self._count and next(reversed(sys.modules)) == self._last:
            return []
        names = list(sys.modules)
        return names[names.index(self._last) + 1 :] if self._last in sys.modules else names


def _covered(plan: Plan, data: Mapping[str, Any]) -> set[str]:
    """The modules that count as inputs already, with those that their import statements name."""
    inputs = plan.resolution.inputs
    values = [data[name] for name in inputs if name in data]
    named = [getattr(value, "__module__", None) or getattr(value, "__name__", "") for value in values]
    roots = [item.text for item in inputs.values() if item.kind == "module"] + [n for n in named if isinstance(n, str)]
    return {name for root in dict.fromkeys(roots) for name in project_sources(root)}
