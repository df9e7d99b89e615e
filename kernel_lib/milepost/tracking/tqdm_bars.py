"""Bars of tqdm in a task are shown as its progress: a page shows them with the task, whatever draws them besides.

tqdm is never imported for that. Where it is not there yet, the import of it by somebody else is waited for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

from milepost.tracking.report import fraction, speed
from milepost.tracking.scope import at_work

MODULE = "tqdm.std"


class TqdmBars:
    """Tells of bars from `follow` to `leave`."""

    def __init__(self) -> None:
        self._refresh: Any = None

    def follow(self) -> None:
        """From now on."""
        module = sys.modules.get(MODULE)
        if module is not None:
            self._enter(module)
        else:
            sys.meta_path.insert(0, self)

    def leave(self) -> None:
        """No more."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)
        if self._refresh is not None:
            sys.modules[MODULE].tqdm.refresh = self._refresh
            self._refresh = None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """What the import of a module asks for; of tqdm's, it is told once it is there."""
        if name != MODULE or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = cast(Any, _Loader(spec.loader, self._enter))
        return spec

    def _enter(self, module: ModuleType) -> None:
        kind = getattr(module, "tqdm", None)
        if kind is None or not hasattr(kind, "refresh"):
            return
        self._refresh = refresh = kind.refresh

        @functools.wraps(refresh)
        def told(bar: Any, *args: Any, **options: Any) -> Any:
            shown = refresh(bar, *args, **options)
            _tell(bar)
            return shown

        kind.refresh = told


class _Loader:
    """Loads a module as ever, and tells when it is there."""

    def __init__(self, loader: Any, there: Any) -> None:
        self._loader = loader
        self._there = there

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._there(module)


def _tell(bar: Any) -> None:
    """The outermost bar is the task's progress."""
    scope = at_work.get()
    if scope is None:
        return
    with contextlib.suppress(Exception):  # another tqdm than is known: no reason for a task to fail
        if bar.pos:
            return
        facts = bar.format_dict
        words = (str(facts["prefix"]).rstrip(": "), fraction(facts["n"], facts["total"]), speed(facts["rate"] or 0.0))
        scope.tell(" · ".join(filter(None, words)))
