"""A store that lasts as long as its process: for tests, and for notebooks whose folder cannot be written."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from milepost.checkpoint.journal import Entry
from milepost.checkpoint.objects import address_of, flat
from milepost.checkpoint.usage import objects
from milepost.checkpoint.view import Version, View, next_time
from milepost.model.errors import CorruptCheckpointError, UntrustedError
from milepost.model.record import BlobRef, Record
from milepost.ports import Blob, Trouble


class MemoryStore:
    """Checkpoints in memory, copied in and out, so that what was saved stays as it was."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._uses: Counter[str] = Counter()
        """How many records need each object."""
        self._view = View()
        self._sequence = itertools.count(1)
        self._lock = threading.RLock()

    def save(self, record: Record, blobs: Mapping[str, Blob], *, durable: bool = False) -> Record:
        """Keep copies of the blobs, and the record that names them; the record as stored."""
        with self._lock:
            refs = {part: self._put(blob) for part, blob in blobs.items()}
            at = next_time(self._view.last)
            # Through JSON, as on disk, so that nobody can change the stored record afterwards.
            stored = Record.from_json(replace(record, blobs=refs, saved_at=at).to_json())
            number = next(self._sequence)
            self._view.add(Entry(at, number, stored, sum=str(number)))
            self._uses.update(objects(stored).keys())
            self._drop(self._view.displaced(tasks=[stored.task]))
            return stored

    def flush(self, timeout: float | None = None) -> bool:
        """Nothing is under way: all is as durable as it gets."""
        return True

    def settle(self) -> None:
        """Nothing is given back without a look."""

    def on_trouble(self, listener: Callable[[Trouble], None]) -> None:
        """Nothing is found out later."""

    def records(self) -> Sequence[Record]:
        """The newest record of each task, oldest first."""
        with self._lock:
            return self._view.newest()

    def history(self, task: str) -> Sequence[Record]:
        """Every kept record of one task, newest first."""
        with self._lock:
            return self._view.history(task)

    def open(self, record: Record, part: str) -> Blob:
        """One blob; its buffers are writable copies."""
        if not record.trusted:
            raise UntrustedError(f"task {record.task!r} was saved under another key")
        ref = record.blobs[part]
        return Blob(self._get(record, ref.stream), tuple(bytearray(self._get(record, name)) for name in ref.buffers))

    def forget(self, tasks: Iterable[str]) -> int:
        """Drop all records of these tasks; how many tasks had one."""
        with self._lock:
            known = self._view.known(tasks)
            self._drop([version for task in known for version in self._view.of(task)])
            return len(known)

    def problems(self) -> Sequence[str]:
        """Nothing can be damaged here."""
        return []

    def _drop(self, versions: Sequence[Version]) -> None:
        lines = tuple(version.sum for version in versions)
        self._view.add(Entry(next_time(self._view.last), next(self._sequence), dropped=lines))
        for version in versions:
            self._uses.subtract(objects(version.record).keys())
            for address in objects(version.record):
                if not self._uses[address]:
                    del self._uses[address], self._objects[address]

    def _put(self, blob: Blob) -> BlobRef:
        views = [flat(buffer) for buffer in blob.buffers]
        return BlobRef(
            stream=self._keep(blob.stream),
            stream_bytes=len(blob.stream),
            buffers=tuple(self._keep(view) for view in views),
            buffer_bytes=tuple(len(view) for view in views),
        )

    def _keep(self, data: Any) -> str:
        address = address_of(data)
        self._objects.setdefault(address, bytes(data))
        return address

    def _get(self, record: Record, address: str) -> bytes:
        try:
            return self._objects[address]
        except KeyError:
            raise CorruptCheckpointError(f"task {record.task!r}: object {address[:12]}… is missing") from None
