"""What all entries together say: which records stand, the newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from milepost.checkpoint.journal import Entry
from milepost.model.record import Record

KEPT_VERSIONS = 5
"""How many records of a task are kept in view."""


class View:
    """The standing records of each task.

    The newest wins. A stranger's record never hides one of this user's, and a stranger's word that a task is
    forgotten counts for nothing.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.last = ""
        self._newest = ("", 0)
        self._entries: dict[str, list[Entry]] = defaultdict(list)
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
        if entry.trusted:
            self.last = max(self.last, entry.at)
        if entry.record:
            self._entries[entry.record.task].append(entry)
        elif entry.trusted:
            for task in entry.forgotten:
                self._entries.pop(task, None)

    def history(self, task: str) -> list[Record]:
        """The kept records of a task: this user's before strangers', each newest first."""
        found = sorted(self._entries.get(task, ()), key=lambda entry: (entry.trusted, entry.order), reverse=True)
        return [entry.record for entry in found[:KEPT_VERSIONS] if entry.record]

    def newest(self) -> list[Record]:
        """The record that counts of each task, oldest first."""
        best = [max(entries, key=lambda entry: (entry.trusted, entry.order)) for entries in self._entries.values()]
        return [entry.record for entry in sorted(best, key=lambda entry: entry.order) if entry.record]

    def known(self, tasks: Iterable[str]) -> list[str]:
        """Those of the tasks that have a record, each once."""
        return [task for task in dict.fromkeys(tasks) if task in self._entries]


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
