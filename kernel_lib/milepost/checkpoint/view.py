"""What all entries together say: which records stand, the newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from milepost.checkpoint.journal import Entry
from milepost.model.record import Record

KEPT_VERSIONS = 5
"""How many records of a task are kept in view."""


class View:
    """The standing records of each task.

    The newest wins. A stranger's record never hides one of this user's, and a stranger's word that a task is
    forgotten, or that a line is durable or dropped, counts for nothing. Such a word may come before its line, and a
    line may come several times.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.last = ""
        self._newest: tuple[str, int, str] = ("", 0, "")
        self._entries: dict[str, dict[str, Entry]] = defaultdict(dict)
        """By task and sum, what stands."""
        self._tasks: dict[str, str] = {}
        """The task of each line, by sum."""
        self._durable: set[str] = set()
        self._dropped: set[str] = set()
        for entry in sorted(entries, key=lambda entry: entry.order):
            self.add(entry)

    def extend(self, entries: Iterable[Entry]) -> bool:
        """Take in more entries; whether they are the newest, or else all have to be gone through in order."""
        for entry in sorted(entries, key=lambda entry: entry.order):
            if entry.order < self._newest:
                return False
            self.add(entry)
        return True

    def add(self, entry: Entry) -> None:
        """Take in one more entry, which must be the newest so far."""
        self._newest = entry.order
        if entry.record:
            self._put(entry, entry.record)
        if entry.trusted:
            self.last = max(self.last, entry.at)
            self._forget(entry.forgotten)
            self._mark(entry.durable)
            self._drop(entry.dropped)

    def history(self, task: str) -> list[Record]:
        """The kept records of a task: this user's before strangers', each newest first."""
        found = sorted(self._entries.get(task, {}).values(), key=_standing, reverse=True)
        return [entry.record for entry in found[:KEPT_VERSIONS] if entry.record]

    def newest(self) -> list[Record]:
        """The record that counts of each task, oldest first."""
        best = [max(entries.values(), key=_standing) for entries in self._entries.values()]
        return [entry.record for entry in sorted(best, key=lambda entry: entry.order) if entry.record]

    def known(self, tasks: Iterable[str]) -> list[str]:
        """Those of the tasks that have a record, each once."""
        return [task for task in dict.fromkeys(tasks) if task in self._entries]

    def _put(self, entry: Entry, record: Record) -> None:
        if entry.sum in self._dropped:
            return
        if entry.sum in self._durable:
            entry = replace(entry, record=replace(record, durable=True))
        self._entries[record.task][entry.sum] = entry
        self._tasks[entry.sum] = record.task

    def _forget(self, tasks: Iterable[str]) -> None:
        for task in tasks:
            for line in self._entries.pop(task, {}):
                del self._tasks[line]

    def _mark(self, lines: Iterable[str]) -> None:
        self._durable.update(lines)
        for line in lines:
            entry = self._entries[self._tasks[line]][line] if line in self._tasks else None
            if entry is not None and entry.record:
                self._put(entry, entry.record)

    def _drop(self, lines: Iterable[str]) -> None:
        self._dropped.update(lines)
        for line in lines:
            task = self._tasks.pop(line, None)
            if task is None:
                continue
            del self._entries[task][line]
            if not self._entries[task]:
                del self._entries[task]


def _standing(entry: Entry) -> tuple[bool, tuple[str, int, str]]:
    return entry.trusted, entry.order


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
