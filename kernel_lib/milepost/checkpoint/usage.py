"""Which records need which bytes of a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from milepost.model.record import Record


@dataclass(frozen=True, slots=True)
class Size:
    """The bytes that one task's kept results alone need, and those that other tasks need too."""

    own: int = 0
    shared: int = 0


def sizes(records: Iterable[Record]) -> dict[str, Size]:
    """The sizes of all tasks, from all kept records."""
    tasks_of: dict[str, set[str]] = defaultdict(set)
    objects_of: dict[str, dict[str, int]] = defaultdict(dict)
    for record in records:
        for address, nbytes in parts(record):
            tasks_of[address].add(record.task)
            objects_of[record.task][address] = nbytes
    return {task: _size(objects, tasks_of) for task, objects in objects_of.items()}


def parts(record: Record) -> Iterator[tuple[str, int]]:
    """The address and size of each object that a record needs; some perhaps more than once."""
    for blob in record.blobs.values():
        yield blob.stream, blob.stream_bytes
        yield from zip(blob.buffers, blob.buffer_bytes, strict=False)


def _size(objects: dict[str, int], tasks_of: dict[str, set[str]]) -> Size:
    shared = sum(nbytes for address, nbytes in objects.items() if len(tasks_of[address]) > 1)
    return Size(sum(objects.values()) - shared, shared)
