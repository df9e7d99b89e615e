"""The store in a folder: right beside other processes, on local disks and on NFS, without locks."""

from __future__ import annotations

import itertools
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from milepost.checkpoint.atomic import append_line, make_folder
from milepost.checkpoint.journal import Authenticator, Entry, encode
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.objects import Objects, flat
from milepost.checkpoint.reader import JournalReader
from milepost.checkpoint.view import View, next_time
from milepost.model.errors import CorruptCheckpointError, StoreUnwritableError, UntrustedError
from milepost.model.record import BlobRef, Record
from milepost.model.trust import Signer
from milepost.ports import Blob


class LocalStore:
    """Checkpoints in one folder, which the first save creates; reading never writes.

    Parameters
    ----------
    path : Path
        The store's folder; see `layout.store_path`.
    signer : Authenticator, optional
        Signs what is saved and says what may be opened; else this user's own key, loaded when first needed.
    durable : bool
        Sync every write, so that a save that returned survives power loss. Without it a save survives the
        death of the process.
    """

    def __init__(self, path: Path | str, signer: Authenticator | None = None, *, durable: bool = False) -> None:
        self._layout = Layout(Path(path))
        self._objects = Objects(self._layout)
        self._signer = signer
        self._durable = durable
        self._reader = JournalReader(self._layout.journal, self._authenticator)
        self._view = View()
        self._sequence = itertools.count(1)
        self._session = ""
        self._pid = 0
        self._lock = threading.RLock()

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._layout.root

    def save(self, record: Record, blobs: Mapping[str, Blob]) -> Record:
        """Write the blobs, then the record that names them; the record as stored.

        The blobs are written without the lock: other threads look things up meanwhile.
        """
        with self._writing():
            pass  # the folders are there, and damaged objects are out of the way
        with self._refusals():
            refs = {part: self._put(blob) for part, blob in blobs.items()}
        with self._writing():
            at = next_time(self._view.last)
            stored = replace(record, blobs=refs, saved_at=at, trusted=True)
            self._append(Entry(at, next(self._sequence), stored))
            return stored

    def log(self, task: str) -> Path:
        """The file for what a task prints in the background, in a folder that is there."""
        with self._writing():
            make_folder(self._layout.logs, durable=self._durable)
        return self._layout.log(task)

    def records(self) -> Sequence[Record]:
        """The newest record of each task, strangers' ones too, oldest first."""
        with self._lock:
            return self._fresh().newest()

    def history(self, task: str) -> Sequence[Record]:
        """Every kept record of one task, newest first."""
        with self._lock:
            return self._fresh().history(task)

    def open(self, record: Record, part: str) -> Blob:
        """One blob, verified; its buffers are writable and private to the caller."""
        if not record.trusted:
            raise UntrustedError(
                f"task {record.task!r} was saved under another key, and is not loaded until you trust it"
            )
        ref = record.blobs[part]
        try:
            stream = self._objects.read(ref.stream, ref.stream_bytes)
            sizes = zip(ref.buffers, ref.buffer_bytes, strict=True)
            return Blob(stream, tuple(self._objects.map(address, size) for address, size in sizes))
        except (CorruptCheckpointError, ValueError) as error:
            raise CorruptCheckpointError(f"task {record.task!r}, part {part!r}: {error}") from error

    def object_file(self, address: str) -> Path:
        """Where the object with an address is, if it is there."""
        return self._layout.object(address)

    def forget(self, tasks: Iterable[str]) -> int:
        """Drop all records of these tasks; how many tasks had one."""
        with self._lock:
            known = self._fresh().known(tasks)
        if known:
            with self._writing():
                entry = Entry(next_time(self._view.last), next(self._sequence), forgotten=tuple(known))
                self._append(entry)
        return len(known)

    def trust(self, tasks: Iterable[str]) -> int:
        """Sign strangers' newest records of these tasks with this user's key; how many there were."""
        with self._lock:
            wanted = set(tasks)
            strange = [item for item in self._fresh().newest() if item.task in wanted and not item.trusted]
        for record in strange:
            with self._writing():
                at = next_time(self._view.last)
                self._append(Entry(at, next(self._sequence), replace(record, trusted=True)))
        return len(strange)

    def problems(self) -> Sequence[str]:
        """What was found torn, foreign or unreadable, a sentence each."""
        with self._lock:
            self._fresh()
            damaged = [f"object {address}: {what}" for address, what in self._objects.damaged.items()]
            return self._reader.problems() + damaged

    def _authenticator(self) -> Authenticator:
        if self._signer is None:
            self._signer = Signer.load()
        return self._signer

    def _fresh(self) -> View:
        self._layout.require_readable()
        came = self._reader.refresh()
        if came is None or not self._view.extend(came):
            self._view = View(self._reader.entries())
        return self._view

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The store ready to be written, and what the system refuses told as a `StoreUnwritableError`."""
        with self._lock:
            self._fresh()
            with self._refusals():
                self._layout.create(durable=self._durable)
                self._objects.heal()
                yield

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnwritableError(
                f"{self._layout.root} cannot be written ({error.strerror or error}): results stay in memory, and "
                "what was saved before is unharmed. Make room or mend the permissions, or name another place in "
                "MILEPOST_STORE."
            ) from error

    def _put(self, blob: Blob) -> BlobRef:
        views = [flat(buffer) for buffer in blob.buffers]
        return BlobRef(
            stream=self._objects.put(blob.stream, durable=self._durable),
            stream_bytes=len(blob.stream),
            buffers=tuple(self._objects.put(view, durable=self._durable) for view in views),
            buffer_bytes=tuple(len(view) for view in views),
        )

    def _append(self, entry: Entry) -> None:
        line = encode(entry, self._authenticator())
        try:
            append_line(self._layout.journal / f"{self._session_name()}.jsonl", line, durable=self._durable)
        except OSError:
            # The line may be there in part. Nothing may follow it in its file, so the next one starts another.
            self._session = ""
            raise

    def _session_name(self) -> str:
        """A name no other writer has: a forked child starts its own."""
        if not self._session or self._pid != os.getpid():
            self._pid = os.getpid()
            self._session = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{self._pid}-{secrets.token_hex(4)}"
        return self._session
