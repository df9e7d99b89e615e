"""Which journals there must be, so that one that is missing or empty is told: nothing else could tell.

Beside each journal there is an empty file of its name in `sessions/`. It comes after the journal's first line and goes
before the journal, so that one without a journal means that somebody else took the journal away.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from milepost.checkpoint.atomic import TEMPORARY, write_file
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.plain import is_plain


def enter(layout: Layout, journal: Path) -> None:
    """A journal was begun. What cannot be written is let be: the journal is there, which is what matters."""
    with suppress(OSError):
        if not layout.sessions.is_symlink():
            write_file(layout.sessions / journal.stem, b"")


def leave(layout: Layout, journal: Path) -> None:
    """A journal is about to go."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if not layout.sessions.is_symlink():
            os.unlink(layout.sessions / journal.stem)


def missing(layout: Layout) -> list[Path]:
    """The journals that somebody else took away, or emptied."""
    if layout.sessions.is_symlink():
        return []
    try:
        names = [name for name in os.listdir(layout.sessions) if not name.startswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    journals = [layout.journal / f"{name}.jsonl" for name in names]
    gone = [journal for journal in journals if not _has_lines(journal)]
    # A clean-up may have removed both since.
    return sorted(journal for journal in gone if is_plain(layout.sessions / journal.stem))


def _has_lines(journal: Path) -> bool:
    try:
        return journal.lstat().st_size > 0
    except OSError:
        return False
