"""What all entries together say: which records stand, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from milepost.checkpoint.journal import Entry, Unread
from milepost.model.record import Record

KEPT_VERSIONS = 5
"""How many records of a task are kept, where it does not say."""


_OUTLINE = ("task", "key", "seconds", "blobs", "keep", "once")


class Version:
    """One standing record; it is built when first asked for, since of thousands few are looked at."""

    __slots__ = ("_durable", "_saved", "order", "sum", "task", "trusted")

    def __init__(self, entry: Entry, *, durable: bool = False) -> None:
        # Of the entry no more is kept than what is asked for: there may be thousands.
        self.sum, self.order, self.trusted, self.task = entry.sum, entry.order, entry.trusted, entry.task or ""
        self._saved = entry.record or entry.unread
        self._durable = durable

    @property
    def rank(self) -> tuple[bool, tuple[str, int, str]]:
        """Which of a task's versions counts: the highest. A stranger's is below all of this user's."""
        return self.trusted, self.order

    @property
    def record(self) -> Record:
        """What the line says."""
        # Another thread may mark it meanwhile.
        saved, durable = self._saved, self._durable
        assert saved is not None, "a version is of an entry with a record"
        record = saved.read() if isinstance(saved, Unread) else saved
        if record.durable != durable:
            record = replace(record, durable=durable)
        self._saved = record
        return record

    @property
    def outline(self) -> Record:
        """The record with no more than what decides how long it is kept: for who looks at all of them."""
        return self._saved.read(_OUTLINE) if isinstance(self._saved, Unread) else self.record

    def mark_durable(self) -> None:
        """It survives power loss."""
        self._durable = True


class Records(Sequence[Record]):
    """A list of records, each built when it is looked at."""

    def __init__(self, versions: Sequence[Version]) -> None:
        self._versions = versions

    def __len__(self) -> int:
        return len(self._versions)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> Record | Records:
        found = self._versions[index]
        return found.record if isinstance(found, Version) else Records(found)

    def __iter__(self) -> Iterator[Record]:
        return (version.record for version in self._versions)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    def __repr__(self) -> str:
        return repr(list(self))


class View:
    """The standing records of each task, from entries that come in any order, and perhaps several times.

    The newest wins. A stranger's record never hides one of this user's, and a stranger's word that a task is
    forgotten, or that a line is durable or dropped, counts for nothing.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.last = ""
        self.settings: Mapping[str, Any] = {}
        self._settings_order: tuple[str, int, str] = ("", 0, "")
        self._evicted: dict[str, str] = {}
        self._standing: dict[str, dict[str, Version]] = {}
        """By task and sum, what stands."""
        self._tasks: dict[str, str] = {}
        """The task of each line, by sum."""
        self._forgotten: dict[str, tuple[str, int, str]] = {}
        """By task: what comes before counts no more."""
        self._durable: set[str] = set()
        """Sums of lines that are not here yet."""
        self._dropped: set[str] = set()
        self._newest: Records | None = None
        self.files: set[str] = set()
        """The files that held large objects when they became durable."""
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take in one more entry."""
        task = entry.task
        if task is not None:
            self._put(entry, task)
        if entry.trusted:
            self.last = max(self.last, entry.at)
            for task in entry.forgotten:
                self._forget(task, entry.order)
            self._mark(entry.durable)
            self.files.update(entry.files)
            self._drop(entry.dropped)
            for task in entry.evicted:
                self._evicted[task] = max(entry.at, self._evicted.get(task, ""))
            if entry.settings is not None and entry.order > self._settings_order:
                self.settings, self._settings_order = entry.settings, entry.order

    def history(self, task: str) -> list[Record]:
        """The kept records of a task: this user's before strangers', each newest first."""
        found = self.of(task)
        return [version.record for version in found[: _keep(found[0].record)]] if found else []

    def standing(self, line: str) -> bool:
        """Whether the record in the line with this sum counts."""
        return line in self._tasks

    def versions(self) -> Iterator[Version]:
        """All records that stand, kept or not, in no order."""
        for versions in self._standing.values():
            yield from versions.values()

    def displaced(self, keep: int | None = None, tasks: Iterable[str] | None = None) -> list[Version]:
        """This user's records that newer ones of their tasks (of some, or all) have put out of view."""
        found: list[Version] = []
        for task in self._standing if tasks is None else tasks:
            own = [version for version in self.of(task) if version.trusted]
            if len(own) > 1:
                found += own[keep or _keep(own[0].outline) :]
        return found

    def evicted(self, task: str) -> str:
        """When a version of a task last had to make room, "" where none had: ISO 8601, UTC."""
        return self._evicted.get(task, "")

    def of(self, task: str) -> list[Version]:
        """The records of a task that stand, as in its history."""
        return sorted(self._standing.get(task, {}).values(), key=lambda version: version.rank, reverse=True)

    def newest(self) -> Records:
        """The record that counts of each task, oldest first; the same object while these are the same records."""
        if self._newest is None:
            best = [_best(list(versions.values())) for versions in self._standing.values()]
            self._newest = Records(sorted(best, key=lambda version: version.order))
        return self._newest

    def tasks(self) -> list[str]:
        """All tasks that have a record."""
        return list(self._standing)

    def known(self, tasks: Iterable[str]) -> list[str]:
        """Those of the tasks that have a record, each once."""
        return [task for task in dict.fromkeys(tasks) if task in self._standing]

    def _put(self, entry: Entry, task: str) -> None:
        forgotten = self._forgotten.get(task)
        gone = entry.sum in self._dropped or (forgotten is not None and entry.order < forgotten)
        if gone or entry.sum in self._tasks:
            return
        self._standing.setdefault(task, {})[entry.sum] = Version(entry, durable=entry.sum in self._durable)
        self._tasks[entry.sum] = task
        self._newest = None

    def _forget(self, task: str, order: tuple[str, int, str]) -> None:
        self._forgotten[task] = max(order, self._forgotten.get(task, order))
        for line, version in list(self._standing.get(task, {}).items()):
            if version.order < order:
                self._remove(line)

    def _mark(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line in self._tasks:
                self._standing[self._tasks[line]][line].mark_durable()
            else:
                self._durable.add(line)

    def _drop(self, lines: Iterable[str]) -> None:
        self._dropped.update(lines)
        for line in lines:
            if line in self._tasks:
                self._remove(line)

    def _remove(self, line: str) -> None:
        self._newest = None
        task = self._tasks.pop(line)
        del self._standing[task][line]
        if not self._standing[task]:
            del self._standing[task]


def _best(versions: Sequence[Version]) -> Version:
    return versions[0] if len(versions) == 1 else max(versions, key=lambda version: version.rank)


def _keep(newest: Record) -> int:
    """How many versions of a task to keep: as many as the newest says, if it is this user's."""
    return (newest.keep if newest.trusted else 0) or KEPT_VERSIONS


def next_time(last: str) -> str:
    """Now, or just after `last` when the clock is behind it: ISO 8601, UTC, microseconds.

    So whoever saves after having seen another record comes after it, whatever the clocks say.
    """
    now = stamp(datetime.now(UTC))
    if now > last:
        return now
    try:
        return stamp(datetime.fromisoformat(last) + timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return now


def stamp(time: datetime) -> str:
    """The form in which times are written and sorted."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
