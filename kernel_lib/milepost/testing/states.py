"""The states in which a crash may leave a folder: each beginning of what was done to it, and what was promised."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milepost.model.record import Record
from milepost.ports import Blob, Store
from milepost.testing.disk import Disk, File, Operation
from milepost.testing.recorder import Recorder

SECTOR = 512
"""A write is torn after each multiple of so many bytes."""

Contents = dict[tuple[str, str], dict[str, tuple[bytes, ...]]]
"""The bytes of each part, stream first, by task and key."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a store has said so far: the newest record of each task that it has reported, and tasks that are gone."""

    saved: Mapping[str, Record] = field(default_factory=dict)
    durable: Mapping[str, Record] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()

    def without(self, tasks: frozenset[str]) -> Promise:
        """The same, but nothing is said of these tasks."""
        saved, durable = (
            {name: item for name, item in promised.items() if name not in tasks}
            for promised in (self.saved, self.durable)
        )
        return Promise(saved, durable, self.gone - tasks)


class Notes:
    """What a scenario tells as it goes along, in the order of the operations.

    Attributes
    ----------
    contents : dict
        What was ever given to `save`, by task and key.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.contents: Contents = {}
        self._recorder = recorder
        self._promises = [(0, Promise())]
        self.beginning = 0

    def begin(self) -> None:
        """Crashes come from here on; what went before was preparation."""
        self.beginning = self._position

    def save(self, store: Store, record: Record, blobs: Mapping[str, Blob]) -> Record:
        """Save, and note that it was reported."""
        self.expect(record, blobs)
        self._say(Promise(self._last.saved, self._last.durable, self._last.gone - {record.task}))
        saved = store.save(record, blobs)
        self.saved(saved)
        return saved

    def expect(self, record: Record, blobs: Mapping[str, Blob]) -> None:
        """What a record holds, should it be there."""
        self.contents[record.task, record.key] = {part: bytes_of(blob) for part, blob in blobs.items()}

    def saved(self, record: Record) -> None:
        """This was reported saved."""
        self._say(Promise({**self._last.saved, record.task: record}, self._last.durable, self._last.gone))

    def durable(self, *records: Record) -> None:
        """These were reported durable."""
        new = {record.task: record for record in records}
        self._say(Promise(self._last.saved, {**self._last.durable, **new}, self._last.gone))

    def dropping(self, *tasks: str) -> None:
        """From now on these may be gone or not."""
        self._say(self._last.without(frozenset(tasks)))

    def dropped(self, *tasks: str) -> None:
        """These were reported gone."""
        self._say(Promise(self._last.saved, self._last.durable, self._last.gone | set(tasks)))

    def promise(self, position: int) -> Promise:
        """What had been said after so many operations."""
        return [said for at, said in self._promises if at <= position][-1]

    @property
    def _position(self) -> int:
        return len(self._recorder.operations)

    @property
    def _last(self) -> Promise:
        return self._promises[-1][1]

    def _say(self, promise: Promise) -> None:
        self._promises.append((self._position, promise))


@dataclass(frozen=True, slots=True)
class CrashState:
    """A folder as it may be found: `promised` must be there, by task, and `gone` must not."""

    name: str
    tree: dict[str, Any]
    promised: Mapping[str, Record]
    gone: frozenset[str]


@dataclass(frozen=True, slots=True)
class Recording:
    """The operations of one scenario, with what the store said meanwhile."""

    operations: list[Operation]
    notes: Notes

    def states(self, seed: int = 0) -> Iterator[CrashState]:
        """Every state in which a crash may leave the folder; some of the many after power loss are drawn by `seed`."""
        disk, draw = Disk(), random.Random(seed)
        for position, operation in enumerate([*self.operations, None]):
            if position >= self.notes.beginning:
                name = f"{position} of {len(self.operations)} operations, before {operation}"
                promise = self.notes.promise(position)
                yield CrashState(f"{name}: killed", disk.tree(), promise.saved, promise.gone)
                for words, tree in _after_power_loss(disk, draw):
                    yield CrashState(f"{name}: {words}", tree, promise.durable, frozenset())
                for words, tree in _torn(disk, operation):
                    yield CrashState(f"{name}: {words}", tree, promise.saved, promise.gone)
            if operation:
                disk.apply(operation)


def record(top: Path, scenario: Callable[[Notes], object]) -> Recording:
    """Run a scenario, which works below `top`, an empty folder."""
    recorder = Recorder(top)
    notes = Notes(recorder)
    with recorder.recording():
        scenario(notes)
    return Recording(recorder.operations, notes)


def _after_power_loss(disk: Disk, draw: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "un-synced names and bytes lost", disk.tree_after_power_loss(lambda file: file.synced)
    yield "un-synced bytes lost", disk.tree_after_power_loss(lambda file: file.synced, _all)
    yield "un-synced bytes zero", disk.tree_after_power_loss(lambda file: file.zeroed, _all)
    yield "un-synced names lost", disk.tree_after_power_loss(lambda file: file.data)
    yield from _with_one_loss(disk)
    for number in range(2):
        some = lambda _: draw.random() < 0.5  # noqa: E731
        mixed = lambda file: draw.choice((file.synced, file.zeroed, file.data, _part(file, draw)))  # noqa: E731
        yield f"mixed ({number})", disk.tree_after_power_loss(mixed, some)


def _with_one_loss(disk: Disk) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything else came to the disk early, as it may."""
    for file in disk.dirty:
        zeroed = lambda one, lost=file: one.zeroed if one is lost else one.data  # noqa: E731
        yield f"un-synced bytes of file {disk.files.index(file)} zero", disk.tree_after_power_loss(zeroed, _all)
    for number in range(disk.pending):
        kept = lambda one, lost=number: one != lost  # noqa: E731
        yield f"un-synced name {number} lost", disk.tree_after_power_loss(lambda file: file.data, kept)


def _all(number: int) -> bool:
    return True


def _part(file: File, draw: random.Random) -> bytes:
    sure = min(len(file.synced), len(file.data))
    return file.data[: draw.randint(sure, len(file.data))]


def _torn(disk: Disk, operation: Operation | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if operation is None or operation.kind != "write":
        return
    number, at, data = operation.args
    file = disk.files[number]
    whole = file.data
    for size in sorted({1, *range(SECTOR, len(data), SECTOR), len(data) - 1} - {0, len(data)}):
        disk.write(number, at, data[:size])
        yield f"torn after {size} bytes", disk.tree()
        file.data = whole


def bytes_of(blob: Blob) -> tuple[bytes, ...]:
    return (blob.stream, *(bytes(buffer) for buffer in blob.buffers))
