"""The folders of what is kept of tasks that have not ended: which there are, and which are old."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from milepost.checkpoint.layout import Layout

KEPT = 30 * 86_400.0
"""Seconds for which what is kept of a task stays, unless the task runs."""


def remove_old(layout: Layout, before: float) -> int:
    """Remove what is kept of tasks that nobody has run since; how many there were."""
    old = [folder for folder in folders(layout) if _last(folder) < before - KEPT]
    for folder in old:
        remove(folder)
    return len(old)


def folders(layout: Layout) -> Iterator[Path]:
    """One for each task of which something is kept."""
    with contextlib.suppress(OSError):
        if not layout.partial.is_symlink():
            yield from (path for path in layout.partial.iterdir() if path.is_dir() and not path.is_symlink())


def _last(folder: Path) -> float:
    """When something was last put there."""
    try:
        return max([folder.stat().st_mtime, *(path.stat().st_mtime for path in folder.iterdir())])
    except OSError:
        return time.time()


def remove(folder: Path) -> None:
    """Remove one, never through a link."""
    if folder.is_dir() and not folder.is_symlink() and not folder.parent.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
