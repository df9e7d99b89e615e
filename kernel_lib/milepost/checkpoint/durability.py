"""Saved, then durable: what was written is synced in the background, and marked once it is.

A save returns when its bytes are with the operating system: they survive the death of the process. Then, for all
that came meanwhile at once: the objects are verified and, the large ones meanwhile, synced, then the folders that name
them, then the journals. A mark is appended that names the lines, for what came within a moment at once, as each is a
line that every reader reads. It is not synced itself, and nobody waits for it: without it, a record is only hashed
before it is given back.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from milepost.checkpoint.atomic import sync
from milepost.checkpoint.background import Background
from milepost.checkpoint.layout import OLD, Layout
from milepost.checkpoint.objects import MAP_FROM, file_of
from milepost.model.errors import CorruptCheckpointError
from milepost.model.record import Record

_ATTEMPTS, _MOMENT = 20, 0.05

_MARK_AFTER = 0.1
"""Seconds for which a mark waits for more that it can name."""

PATIENCE = 10.0
"""Seconds for which the end of the interpreter waits for the disk."""


@dataclass(frozen=True, slots=True)
class Written:
    """A line that was written: its sum, its journal, and the record in it, where that can become durable."""

    line: str
    journal: Path
    record: Record | None = None

    def objects(self, layout: Layout) -> list[Path]:
        """The files that the line names."""
        blobs = self.record.blobs.values() if self.record else ()
        return [layout.object(address) for blob in blobs for address in blob.objects]


class Durability:
    """Syncs what a store has written.

    Parameters
    ----------
    layout : Layout
    mark : callable
        `mark(lines, files)` appends that the lines with these sums are durable, and where their large objects are.
    failed : callable
        `failed(written, error)` is told of what could not be synced. It is not tried again: the system tells of lost
        bytes once, and calls them safe the next time.
    confirm : callable
        `confirm(written, stopping)` verifies what a line names, and says whether it has, which it has not when
        `stopping()`; raises `CorruptCheckpointError` where it is not what was to be written.
    stands : callable
        `stands(written)` says whether a line still counts.
    """

    def __init__(
        self,
        layout: Layout,
        mark: Callable[[tuple[str, ...], tuple[str, ...]], None],
        failed: Callable[[Written, OSError | CorruptCheckpointError], None],
        confirm: Callable[[Written, Callable[[], bool]], bool] = lambda written, stopping: True,
        stands: Callable[[Written], bool] = lambda written: True,
    ) -> None:
        self._layout = layout
        self._mark = mark
        self._tell = failed
        self._confirm = confirm
        self._stands = stands
        self._failed: set[str] = set()
        self._broken: dict[Path, OSError] = {}
        self._named: set[tuple[Path, int]] = set()
        """Journals, with their numbers, whose names are durable."""
        self._background = Background("milepost-durability", self._round, PATIENCE)
        self._marks = Background("milepost-marks", self._mark_all, PATIENCE, delay=_MARK_AFTER)

    def add(self, written: Written) -> None:
        """Have a line synced, with all that it names."""
        self._background.add(written)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was written is durable, and marked; False after `timeout`, or when that cannot be."""
        return self._background.wait(timeout) and self._marks.wait(timeout) and not self._failed

    def wait(self, written: Written) -> bool:
        """Wait until one line is durable, and marked where it matters; False when it could not be synced."""
        # What is large is given back at once only when it is marked.
        done = self._background.wait() and (not written.objects(self._layout) or self._marks.wait())
        return done and written.line not in self._failed

    def _round(self, batch: Sequence[Written]) -> None:
        once = _Once(self._broken)
        # As they are now: should one be exchanged before it is synced, it is not what the mark speaks of.
        files = {written.line: self._files(written) for written in batch}
        with self._ahead(batch, once):
            good = self._each(batch, lambda written: self._confirm(written, lambda: self._background.stopping))
        good = self._each(good, lambda written: once.sync(written.objects(self._layout)))
        good = self._each(good, lambda written: once.sync(self._folders(written)))
        good = self._each(good, lambda written: self._sync_journal(written, once))
        for written in good:
            if written.record:
                self._marks.add((written.line, files[written.line]))
        if self._background.stopping:  # the interpreter ends, and what was added is not worked on by itself any more
            self._marks.wait()

    @contextmanager
    def _ahead(self, batch: Sequence[Written], once: _Once) -> Iterator[None]:
        """Have large objects synced while they are verified: the one takes the disk, the other the processor."""
        paths = [path for written in batch for _, path in self._large(written)]
        if not paths or self._background.stopping:
            yield
            return
        thread = threading.Thread(target=_sync_each, args=(paths, once), name="milepost-sync", daemon=True)
        with suppress(RuntimeError):  # at the end of the interpreter no thread can be started any more
            thread.start()
        try:
            yield
        finally:
            if thread.ident is not None:
                thread.join()

    def _large(self, written: Written) -> Iterator[tuple[str, Path]]:
        """The large objects of a line: their addresses and files."""
        for blob in written.record.blobs.values() if written.record else ():
            for address, size in blob.objects.items():
                if size >= MAP_FROM:
                    yield address, self._layout.object(address)

    def _mark_all(self, batch: Sequence[tuple[str, list[str]]]) -> None:
        files = dict.fromkeys(file for _, held in batch for file in held)
        self._mark(tuple(line for line, _ in batch), tuple(files))

    def _files(self, written: Written) -> list[str]:
        """The files with the large objects of a line; they are given back at once for as long as they are the same."""
        found = []
        for address, path in self._large(written):
            with suppress(OSError):
                found.append(file_of(address, path.lstat()))
        return found

    def _each(self, batch: Sequence[Written], work: Callable[[Written], bool | None]) -> list[Written]:
        """Those of the lines with which the work succeeds."""
        good = []
        for written in batch:
            try:
                if self._done(written, work):
                    good.append(written)
            except (OSError, CorruptCheckpointError) as error:
                self._failed.add(written.line)
                self._tell(written, error)
        return good

    def _done(self, written: Written, work: Callable[[Written], bool | None]) -> bool:
        """Do the work; False where it says so, or the line counts no more, and what it named was cleaned up."""
        for _ in range(_ATTEMPTS):
            try:
                return work(written) is not False
            except FileNotFoundError as error:
                if not self._layout.root.is_dir():
                    raise
                if not self._stands(written):
                    return False
                missing = error
                # A clean-up may have it in the trash, and puts it back as soon as it has seen the line.
                time.sleep(_MOMENT)
        raise missing

    def _folders(self, written: Written) -> list[Path]:
        folders = dict.fromkeys(path.parent for path in written.objects(self._layout))
        return [*folders, self._layout.objects, self._root()] if folders else []

    def _root(self) -> Path:
        """The store's folder itself, of which the name may be a link, to another disk perhaps."""
        return Path(os.path.realpath(self._layout.root))

    def _sync_journal(self, written: Written, once: _Once) -> None:
        journal, places = written.journal, self._places(written.journal)
        if not places and not self._stands(written):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(journal))
        once.sync(places)
        name = journal, once.done.get(journal, 0)
        if name not in self._named:
            once.sync([journal.parent, self._root(), self._root().parent])
            self._named.add(name)

    def _places(self, journal: Path) -> list[Path]:
        """Where the lines of a session are: a clean-up may have put them aside, and has synced those that it merged."""
        if journal.exists():
            return [journal]
        names = [name for name in os.listdir(journal.parent) if name.startswith(f"{journal.stem}-")]
        return [journal.parent / name for name in names if name.endswith(OLD)]


def _sync_each(paths: Iterable[Path], once: _Once) -> None:
    """What fails is noted, and met again by whoever needs that path."""
    for path in paths:
        with suppress(OSError):
            once.sync([path])


class _Once:
    """Syncs each path once in a round. What failed once has failed for good, unless it was just not there."""

    def __init__(self, broken: dict[Path, OSError]) -> None:
        self.done: dict[Path, int] = {}
        self._broken = broken

    def sync(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if path in self._broken:
                raise self._broken[path]
            if path not in self.done:
                self._sync(path)

    def _sync(self, path: Path) -> None:
        try:
            self.done[path] = sync(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            self._broken[path] = error
            raise
