"""A project in a folder, run anew after edits: as a script of its own process, or imported afresh into this one."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.keys import signing_key

from milepost import Snapshot, TaskRunnerBuilder


@dataclass(frozen=True, slots=True)
class Project:
    """Modules, a store and a list of what ran, in one folder."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "study.milepost"

    def write(self, name: str, source: str) -> None:
        """Write or replace a module. Its time differs from that of an older one, so that no cache serves that."""
        path = self.folder / f"{name}.py"
        count = path.stat().st_mtime + 10 if path.exists() else 1_000_000_000
        path.write_text(source)
        os.utime(path, (count, count))

    def edit(self, name: str, before: str, after: str) -> None:
        """Replace a part of a module."""
        source = (self.folder / f"{name}.py").read_text()
        assert before in source
        self.write(name, source.replace(before, after))

    def fresh(self, name: str = "study") -> ModuleType:
        """The module as a new process would see it."""
        importlib.invalidate_caches()
        for known, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.folder)):
                del sys.modules[known]
        return importlib.import_module(name)

    def run(self, change: Callable[[TaskRunnerBuilder], object] = lambda builder: None, context: Any = None) -> Session:
        """One session: the tasks of `study`, imported afresh, in a new runner on the store."""
        study = self.fresh()
        before = len(self.ran())
        builder = TaskRunnerBuilder(context).with_store(self.store)
        change(builder)
        runner = builder.build()
        try:
            return Session(runner.run(study.tasks()), self.ran()[before:])
        finally:
            runner.close()

    def script(self, *arguments: str, seed: int, key: str = "key") -> subprocess.CompletedProcess[str]:
        """Run `study` as a script."""
        environment = {**os.environ, "PYTHONHASHSEED": str(seed), "MILEPOST_KEY_FILE": signing_key(self.folder / key)}
        command = [sys.executable, "-B", "study.py", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)

    def ran(self) -> list[str]:
        """What bodies noted, in order."""
        path = self.folder / "ran"
        return path.read_text().split() if path.exists() else []


@dataclass(frozen=True, slots=True)
class Session:
    """What one session came to, and which bodies ran in it."""

    results: Snapshot
    ran: list[str]

    @property
    def restored(self) -> set[str]:
        return {name for name, result in self.results.items() if result.restored}

    def message(self, name: str) -> str:
        return self.results[name].message

    def data(self, name: str) -> Any:
        return self.results[name].data


def outcomes(output: str) -> Mapping[str, Any]:
    """What a script printed last, as JSON."""
    found: Mapping[str, Any] = json.loads(output.splitlines()[-1])
    return found
