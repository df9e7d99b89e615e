"""Which records need which bytes of a store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from milepost.model.record import Record

LINE_BYTES = 1024
"""What the line of a record is reckoned to take, besides the parts that lie in it."""


@dataclass(frozen=True, slots=True)
class Size:
    """The bytes that one task's kept results alone need, and those that other tasks need too."""

    own: int = 0
    shared: int = 0


def sizes(records: Iterable[Record]) -> dict[str, Size]:
    """The sizes of all tasks, from all kept records."""
    tasks_of: dict[str, set[str]] = defaultdict(set)
    objects_of: dict[str, dict[str, int]] = defaultdict(dict)
    inline: Counter[str] = Counter()
    for record in records:
        found = objects(record)
        inline[record.task] += inline_bytes(record)
        objects_of[record.task] |= found
        for address in found:
            tasks_of[address].add(record.task)
    return {task: _size(inline[task], objects_of[task], tasks_of) for task in inline}


def objects(record: Record) -> dict[str, int]:
    """The size of each object that a record needs, by address."""
    found: dict[str, int] = {}
    for blob in record.blobs.values():
        found |= blob.objects
    return found


def inline_bytes(record: Record) -> int:
    """The bytes of the parts that lie in the record's line."""
    return sum(blob.stream_bytes for blob in record.blobs.values() if blob.inline is not None)


def _size(inline: int, objects: dict[str, int], tasks_of: dict[str, set[str]]) -> Size:
    shared = sum(nbytes for address, nbytes in objects.items() if len(tasks_of[address]) > 1)
    return Size(inline + sum(objects.values()) - shared, shared)
