"""Which warnings were shown: Python shows each only once a place, and notes that in the module that it is about."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from milepost.notebook.ambient.aspect import Aspect, State
from milepost.notebook.warning_notes import noted

REGISTRY = "__warningregistry__"


class Warned(Aspect):
    """The warnings that bodies had modules show, as far as Python would not show them again.

    It forgets all of them where the filters change, and IPython those of the notebook's own code with each cell.
    """

    name = "warnings that were shown"
    module = "warnings"
    shows = True
    counts = False

    def read(self) -> State:
        """Those of modules, by what tells one from another."""
        if not noted:
            return {}
        version = _version()
        return {repr((module, key)): (module, key) for module, key in _known(version)}

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Count them as shown, in those modules that are loaded by now."""
        version = _version()
        for name, key in values.values():
            module = sys.modules.get(name)
            if module is None:
                continue
            registry = vars(module).setdefault(REGISTRY, {})
            if registry.get("version") != version:
                registry.clear()
                registry["version"] = version
            registry[key] = True


def _known(version: Any) -> Iterator[tuple[str, Any]]:
    """Module and key of all that were noted and still stand in a registry."""
    for name, line, text, category in noted:
        registry = getattr(sys.modules.get(name), REGISTRY, {})
        keys = ((text, category, line), (text, category), (text, category, 0))
        if registry.get("version") == version:
            yield from ((name, key) for key in keys if key in registry)


class _Probe(Warning):
    pass


def _version() -> Any:
    """The number of the filters: only Python's own code writes it, and only into a registry."""
    registry: dict[Any, Any] = {}
    show = warnings._showwarnmsg  # type: ignore[attr-defined]
    warnings._showwarnmsg = lambda message: None  # type: ignore[attr-defined]
    try:
        with contextlib.suppress(_Probe):
            warnings.warn_explicit("", _Probe, "", 0, registry=registry)
    finally:
        warnings._showwarnmsg = show  # type: ignore[attr-defined]
    return registry.get("version")
