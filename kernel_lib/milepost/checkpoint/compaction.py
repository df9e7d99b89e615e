"""Merges the journals of sessions that have ended, without what counts no more, beside kernels that save.

A journal that nothing was written to for long is given another name, `…-<random>.old.jsonl`, under which it is still
read. When it has been so for long again, the lines that count are copied, as they are, into one new file, and it is
deleted. A session that lives after all sees, when it has written a line, that its journal has another name or none, and
writes it once more into a new one (`append_line`). Lines that are there twice do no harm. A line that takes a record
away is copied as long as that record is in any journal, and goes only with the next merge, since the old journals go
one by one. So all of this may be interrupted anywhere, and two clean-ups may do it at the same time.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from milepost.checkpoint import reader
from milepost.checkpoint.atomic import make_folder, sync, write_file
from milepost.checkpoint.journal import (
    LONGEST,
    Authenticator,
    Entry,
    LineError,
    UnknownLineError,
    Unread,
    decode,
    encode,
)
from milepost.checkpoint.layout import OLD, Layout
from milepost.checkpoint.plain import is_plain, open_plain
from milepost.checkpoint.roster import enter, leave, missing
from milepost.checkpoint.usage import objects
from milepost.checkpoint.view import View, next_time, stamp
from milepost.model.errors import StoreError

SUFFIX = ".jsonl"


@dataclass(slots=True)
class _Journal:
    """One journal, read whole: its `lines` of this user, the `count` of all. One that `stays` is not merged."""

    path: Path
    stays: bool
    size: int = 0
    count: int = 0
    lines: list[tuple[Entry, bytes]] = field(default_factory=list)
    damaged: bool = False


class _Strangers:
    """The newest of strangers' lines, in all journals: as many as a reader lists, so that memory is bounded."""

    def __init__(self) -> None:
        self._left = reader.OF_OTHERS
        self._sums: set[str] = set()
        self._heap: list[tuple[tuple[str, int, str], Entry, bytes, _Journal]] = []

    def add(self, entry: Entry, line: bytes, journal: _Journal) -> None:
        """Take one more, perhaps in place of others."""
        if entry.sum in self._sums:
            return
        self._left -= reader.cost(line)
        self._sums.add(entry.sum)
        # The line has all that the record says; only its task is needed besides.
        slim = entry._replace(unread=Unread(entry.task, b"", trusted=False) if entry.task is not None else None)
        heapq.heappush(self._heap, (entry.order, slim, line, journal))
        while self._left < 0:
            _, oldest, line, _ = heapq.heappop(self._heap)
            self._sums.remove(oldest.sum)
            self._left += reader.cost(line)

    def entries(self) -> list[Entry]:
        """Those that are kept, without their records."""
        return [entry for _, entry, _, _ in self._heap]

    def merged(self) -> Iterator[tuple[Entry, bytes]]:
        """Those in journals that are merged."""
        return ((entry, line) for _, entry, line, journal in self._heap if not journal.stays)


class Compactor:
    """One pass over a store's journals.

    Parameters
    ----------
    layout : Layout
        The store.
    signer : Authenticator
        Signs the line that says what survives power loss.
    before : float
        What was changed since then (Unix seconds, by the clock of the file system) stays as it is.
    """

    def __init__(self, layout: Layout, signer: Authenticator, before: float) -> None:
        self._layout = layout
        self._signer = signer
        self._before = before
        self._strangers = _Strangers()

    def run(self) -> int:
        """Merge what can be merged; how many journals are gone."""
        self._forget_missing()
        self._put_aside()
        names = self._names()
        ready = {name for name in names if name.endswith(OLD) and self._is_old(self._layout.journal / name)}
        if not ready:
            return 0
        found = [self._read(name, stays=name not in ready) for name in names]
        merged = [journal for journal in found if not journal.stays]
        kept = _Kept(found, self._strangers, stamp(datetime.fromtimestamp(self._before, UTC)))
        lines = list(kept.lines(self._signer))
        if not merged or (len(merged) == 1 and not merged[0].damaged and len(lines) >= merged[0].count):
            return 0  # there is nothing to gain
        return sum(self._discard(journal) for journal in merged) if self._write(lines, merged) else 0

    def _write(self, lines: list[bytes], merged: list[_Journal]) -> bool:
        """Write the new journal; False where another clean-up was faster: these lines may count no more.

        Either way the folder is synced: what earlier merges removed must not come back once the lines that take it
        away are gone.
        """
        if not lines:
            sync(self._layout.journal)
            return True
        path = self._layout.journal / f"{_new_name()}{OLD}"
        write_file(path, b"".join(lines), durable=True)
        if not all(is_plain(journal.path) for journal in merged):
            path.unlink(missing_ok=True)
            return False
        enter(self._layout, path)
        return True

    def _put_aside(self) -> None:
        for name in self._names():
            path = self._layout.journal / name
            with contextlib.suppress(FileNotFoundError):
                if not name.endswith(OLD) and self._was_left(path):
                    # A name that nothing can have yet, as a rename replaces what is there.
                    leave(self._layout, path)
                    aside = path.with_name(f"{name.removesuffix(SUFFIX)}-{secrets.token_hex(4)}{OLD}")
                    os.rename(path, aside)
                    enter(self._layout, aside)

    def _forget_missing(self) -> None:
        """What is gone is gone; that was told until now."""
        for path in missing(self._layout):
            if (self._layout.sessions / path.stem).lstat().st_mtime < self._before:
                leave(self._layout, path)

    def _names(self) -> set[str]:
        """All journals, as of one moment: another clean-up may give one another name meanwhile."""
        found = self._list()
        while (again := self._list()) != found:
            found = again
        return found

    def _list(self) -> set[str]:
        folder = self._layout.journal
        return {name for name in os.listdir(folder) if name.endswith(SUFFIX) and is_plain(folder / name)}

    def _was_left(self, path: Path) -> bool:
        return path.lstat().st_mtime < self._before

    def _is_old(self, path: Path) -> bool:
        """Whether neither its bytes nor its name were changed for long."""
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        return max(found.st_mtime, found.st_ctime) < self._before

    def _read(self, name: str, *, stays: bool) -> _Journal:
        journal = _Journal(self._layout.journal / name, stays)
        with open(open_plain(journal.path), "rb") as file:
            while line := file.readline(LONGEST):
                if len(line) == LONGEST and not line.endswith(b"\n"):
                    raise StoreError(f"a line of journal {name} has no end, so journals are not merged")
                journal.size += len(line)
                self._take(journal, line)
        return journal

    def _take(self, journal: _Journal, line: bytes) -> None:
        if not line.endswith(b"\n"):
            # A torn end is what a killed process leaves: nothing to keep, and nothing may be written right after it.
            return
        try:
            entry = decode(line, lambda: self._signer)
        except UnknownLineError:
            journal.stays = True  # whose line it is can merge the journal
            return
        except LineError:
            journal.damaged = True
            return
        journal.count += 1
        if entry.trusted:
            journal.lines.append((entry, line))
        else:
            self._strangers.add(entry, line, journal)

    def _discard(self, journal: _Journal) -> bool:
        """Remove a journal whose lines are elsewhere by now, unless it has grown meanwhile."""
        try:
            if journal.path.lstat().st_size != journal.size:
                return False
            leave(self._layout, journal.path)
            if journal.damaged:
                make_folder(self._layout.quarantine)
                os.replace(journal.path, self._layout.quarantine / journal.path.name)
            else:
                journal.path.unlink()
        except FileNotFoundError:  # another clean-up was faster
            return False
        return True


class _Kept:
    """Which lines of the journals to be merged still count, given those in all."""

    def __init__(self, journals: list[_Journal], strangers: _Strangers, since: str) -> None:
        merged = [line for journal in journals if not journal.stays for line in journal.lines]
        self._merged = {entry.sum: (entry, line) for entry, line in merged}
        self._strangers = strangers
        entries = [*(entry for journal in journals for entry, _ in journal.lines), *strangers.entries()]
        self._view = View(entries)
        self._since = since
        self._oldest: dict[str, tuple[str, int, str]] = {}
        """By task, the oldest of its records that are in any journal, those to be merged included."""
        for entry in entries:
            if entry.task is not None:
                self._oldest[entry.task] = min(entry.order, self._oldest.get(entry.task, entry.order))
        self._sums = {entry.sum for entry in entries}

    def lines(self, signer: Authenticator) -> Iterator[bytes]:
        """The lines of the new journal."""
        yield from (line for entry, line in self._merged.values() if self._counts(entry))
        if summary := self._summary([entry for entry, _ in self._merged.values()]):
            yield encode(summary, signer)
        for entry, line in self._strangers.merged():
            if entry.task is None or self._view.standing(entry.sum):
                yield line

    def _counts(self, entry: Entry) -> bool:
        if entry.task is not None:
            return self._view.standing(entry.sum)
        if entry.settings is not None and entry.settings == self._view.settings:
            return True
        # It may take away what a session is about to write once more, or what is in a journal: in one of the old ones
        # too, which may be left when this clean-up is killed.
        fresh = entry.at > self._since and bool(entry.dropped or entry.forgotten)
        return fresh or not self._sums.isdisjoint(entry.dropped) or self._forgets(entry)

    def _forgets(self, entry: Entry) -> bool:
        return any(self._oldest.get(task, entry.order) < entry.order for task in entry.forgotten)

    def _summary(self, own: Iterable[Entry]) -> Entry | None:
        """One line for all marks: which records survive power loss, and which tasks had to make room."""
        entries = list(own)
        durable = {line: None for entry in entries for line in entry.durable if self._view.standing(line)}
        evicted = {task: None for entry in entries for task in entry.evicted if not self._view.known([task])}
        at = max((self._view.evicted(task) for task in evicted), default="") or next_time("")
        files = self._files(entries) if durable else ()
        return Entry(at, 0, durable=tuple(durable), files=files, evicted=tuple(evicted)) if durable or evicted else None

    def _files(self, own: Iterable[Entry]) -> tuple[str, ...]:
        needed = {address for version in self._view.versions() for address in objects(version.outline)}
        return tuple({file: None for entry in own for file in entry.files if file.partition(":")[0] in needed})


def _new_name() -> str:
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{secrets.token_hex(4)}"


def compact(layout: Layout, signer: Callable[[], Authenticator], before: float) -> int:
    """Merge the journals that were not changed since `before`; how many are gone."""
    if layout.journal.is_symlink() or not layout.journal.is_dir():
        return 0
    return Compactor(layout, signer(), before).run()
