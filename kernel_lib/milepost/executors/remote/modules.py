"""Whether the modules that a worker has loaded are still those on disk."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from milepost.analysis.modules import is_project


class LoadedModules:
    """Remembers the user's own modules, as their files were when they were first seen here."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._files: dict[str, tuple[int, int]] = {}

    def remember(self) -> None:
        """Look for modules loaded since the last look."""
        if len(sys.modules) == len(self._seen):
            return
        for name in [name for name in sys.modules if name not in self._seen]:
            self._seen.add(name)
            file = _file(sys.modules.get(name))
            if file:
                self._files[file] = _stamp(file)

    def changed(self) -> bool:
        """Whether one of the files is another now: the old code must not run on."""
        return any(_stamp(file) != stamp for file, stamp in self._files.items())


def _file(module: ModuleType | None) -> str:
    return str(module.__file__) if module is not None and is_project(module) else ""


def _stamp(file: str) -> tuple[int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
