"""Frees what no record needs, beside kernels that save, without locks.

An object that nothing needs is moved into `trash/`. Then all journals are read once more, and what is needed by now
goes back; only the rest is deleted. A writer that reuses an object gives it a fresh time first, so that it is not old
enough to be moved; and once its line is written it looks whether all objects of its record are there, and writes anew
those that are not (`LocalStore.save`). So whichever comes first, none is missing in the end. A reader that does not
find an object looks in `trash/` too.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from milepost.checkpoint.atomic import TEMPORARY, make_folder, write_file
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.unfinished import folders, remove_old

GRACE = 3600.0
"""Seconds for which what nothing needs stays all the same: a save writes objects before the line that needs them."""

QUARANTINED = 30 * 86_400.0
"""Seconds for which damaged objects are kept."""

_ADDRESS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Swept:
    """How many objects were freed, and their bytes."""

    objects: int = 0
    nbytes: int = 0

    def __add__(self, other: Swept) -> Swept:
        return Swept(self.objects + other.objects, self.nbytes + other.nbytes)


class Sweeper:
    """One clean-up of a store's files.

    Parameters
    ----------
    layout : Layout
        The store.
    needed : callable
        Reads all journals and gives the addresses of all objects that a record needs.
    grace : float
        In seconds; see `GRACE`.
    now : float, optional
        The time by the clock of the file system, else asked of it.
    """

    def __init__(self, layout: Layout, needed: Callable[[], Collection[str]], grace: float = GRACE) -> None:
        self._layout = layout
        self._needed = needed
        self._before = clock_of(layout.root) - grace

    def garbage(self, needed: Collection[str], dropped: Collection[str] = ()) -> dict[str, int]:
        """The size of each object that may go: that is not `needed`, and that is old or was `dropped` just now."""
        return {
            entry.name: found.st_size
            for entry, found in _objects(self._layout.objects)
            if entry.name not in needed and (found.st_mtime < self._before or entry.name in dropped)
        }

    def sweep(self, needed: Collection[str], dropped: Collection[str] = ()) -> Swept:
        """Free what may go, and is not needed after all; `needed` need not be the latest."""
        for address in self.garbage(needed, dropped):
            self._to_trash(address)
        return self._empty_trash()

    def remove_leftovers(self) -> int:
        """Remove temporary files of writers that are dead, and what has been in quarantine, or unfinished, for long.

        Returns how many there were.
        """
        old = [entry.path for folder in self._folders() for entry in _temporary(folder, self._before)]
        # A move leaves the time of a file as it is, but for the one of its own.
        limit = self._before - QUARANTINED
        old += [entry.path for entry, found in _files(self._layout.quarantine) if found.st_ctime < limit]
        return sum(_remove(path) for path in old) + remove_old(self._layout, self._before)

    def _to_trash(self, address: str) -> None:
        make_folder(self._layout.trash)
        with contextlib.suppress(FileNotFoundError):  # another clean-up was faster
            os.replace(self._layout.object(address), self._layout.trash / address)

    def _empty_trash(self) -> Swept:
        # Listed before the journals are read: whatever another clean-up moves here later is its own to decide on.
        there = [(entry.name, found.st_size) for entry, found in _files(self._layout.trash)]
        if not there:
            return Swept()
        needed = self._needed()
        gone = [nbytes for name, nbytes in there if not self._back(name, needed) and _remove(self._layout.trash / name)]
        return Swept(len(gone), sum(gone))

    def _back(self, name: str, needed: Collection[str]) -> bool:
        if name not in needed:
            return False
        take_back(self._layout, name)
        return True

    def _folders(self) -> Iterator[Path]:
        layout = self._layout
        named = (layout.root, layout.journal, layout.sessions, layout.logs, layout.once, layout.trash)
        yield from (*named, *folders(layout))
        for entry in _scan(layout.objects):
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def take_back(layout: Layout, address: str) -> bool:
    """Put an object from the trash back in its place; whether it was there."""
    try:
        if layout.trash.is_symlink():
            return False
        os.replace(layout.trash / address, layout.object(address))
    except FileNotFoundError:
        return False
    return True


def remove_logs(layout: Layout, tasks: Iterable[str]) -> None:
    """Remove what tasks printed in the background; what cannot be removed is let be, as nothing needs it."""
    if not layout.logs.is_symlink():
        for task in tasks:
            with contextlib.suppress(OSError):
                layout.log(task).unlink()


def clock_of(folder: Path) -> float:
    """The time by the clock that stamps files in a folder, which on a network is not this machine's."""
    probe = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        write_file(probe, b"")
        return probe.stat().st_mtime
    except OSError:  # full, perhaps: then to free something matters more
        return time.time()
    finally:
        _remove(probe)


def _objects(folder: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    for shard in _scan(folder):
        if shard.is_dir(follow_symlinks=False):
            yield from ((e, f) for e, f in _files(Path(shard.path)) if _ADDRESS.fullmatch(e.name))


def _temporary(folder: Path, before: float) -> Iterator[os.DirEntry[str]]:
    return (e for e, found in _files(folder) if e.name.startswith(TEMPORARY) and found.st_mtime < before)


def _files(folder: Path) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    for entry in _scan(folder):
        with contextlib.suppress(FileNotFoundError):
            if entry.is_file(follow_symlinks=False):
                yield entry, entry.stat(follow_symlinks=False)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it is missing, or is a link, behind which nothing is ours."""
    if folder.is_symlink():
        return []
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _remove(path: Path | str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
