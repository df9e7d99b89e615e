"""What one body touched: files, folders, the environment, and what cannot be followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from milepost.model.record import Input
from milepost.notebook.observed.content import Signature, content, signature

MAX_FILES = 100_000
"""Files of one body that are followed; a body that touches more runs again each time, and says so."""


@dataclass(slots=True)
class Touched:
    """One path: what was `found` there, and what the body did; `digest` is what it held, where that had to be read."""

    found: Signature | None
    digest: str = ""
    read: bool = False
    wrote: bool = False
    appended: bool = False
    """Whether all that it wrote was put behind what was there."""


@dataclass(slots=True)
class Watch:
    """What one body touched so far; `outer` is that of the body that waits for it."""

    outer: Watch | None = None
    named: dict[str, Signature | None] = field(default_factory=dict)
    """What was at the paths that its code or its inputs name: who opens files in C is not seen doing so."""
    files: dict[str, Touched] = field(default_factory=dict)
    folders: dict[str, frozenset[str] | None] = field(default_factory=dict)
    patterns: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    looked_for: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)
    set_variables: set[str] = field(default_factory=set)
    whole_environment: bool = False
    cwd: str = ""
    """The working folder, where a relative path was used in it."""
    own: set[str] = field(default_factory=set)
    """Temporary files and folders that it made itself."""
    untracked: dict[str, str] = field(default_factory=dict)
    inherited: dict[tuple[str, str], Input] = field(default_factory=dict)
    """What tasks depend on that it asked for and that were given back."""
    obstacle: str = ""
    loaded: Callable[[], Iterable[Input]] = tuple
    """Gives the modules that it reached by another way than an import statement."""

    def read(self, path: str) -> None:
        """It opened a file to read it."""
        touched = self._touched(path)
        if touched is not None and not touched.wrote:
            touched.read = True

    def write(self, path: str, *, keeps: bool = False, appends: bool = False) -> None:
        """It is about to write to a path, to remove or to replace it; `keeps` where it may read what is there first."""
        touched = self._touched(path)
        if touched is None:
            return
        first = not touched.wrote
        touched.read = touched.read or (keeps and first)
        if first and touched.read and not touched.digest:
            touched.digest = content(path) if signature(path) == touched.found else "unknown"
        touched.appended = appends and (first or touched.appended)
        touched.wrote = True

    def settle_named(self) -> None:
        """The body has ended: a file that it named, and was not seen to open, counts as read, or as written."""
        for path, found in self.named.items():
            now = signature(path)
            if path not in self.files and (found or now):
                self.files[path] = Touched(found, read=found == now, wrote=found != now)

    def _touched(self, path: str) -> Touched | None:
        known = self.files.get(path)
        if known is None and not self._temporary(path):
            if len(self.files) >= MAX_FILES:
                self.obstacle = f"it opened more than {MAX_FILES:,} files, more than are followed"
                return None
            known = self.files[path] = Touched(signature(path))
        return known

    def _temporary(self, path: str) -> bool:
        return bool(self.own) and any(path == own or path.startswith(own + os.sep) for own in self.own)

    def inherit(self, inputs: tuple[Input, ...]) -> None:
        """It asked for a task that was given back: what that depends on, it depends on."""
        self.inherited.update({(item.kind, item.name): item for item in inputs})
