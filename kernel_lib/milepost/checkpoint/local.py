"""The store in a folder: right beside other processes, on local disks and on NFS, without locks."""

from __future__ import annotations

import itertools
import logging
import os
import secrets
import threading
import time
import weakref
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from milepost.checkpoint import roster
from milepost.checkpoint.atomic import append_line, make_folder
from milepost.checkpoint.durability import Durability, Written
from milepost.checkpoint.journal import Authenticator, Entry, encode, sum_of
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.objects import MAP_FROM, Objects, flat
from milepost.checkpoint.once import OnceBook
from milepost.checkpoint.partial import Partials
from milepost.checkpoint.paused import Paused
from milepost.checkpoint.reader import JournalReader
from milepost.checkpoint.space import Space
from milepost.checkpoint.sweep import remove_logs
from milepost.checkpoint.verification import Given, Verification
from milepost.checkpoint.view import View, next_time
from milepost.model.errors import (
    CorruptCheckpointError,
    StoreError,
    StoreUnwritableError,
    UnreadableError,
    UntrustedError,
)
from milepost.model.once import OnceNote
from milepost.model.record import BlobRef, Record
from milepost.model.trust import UserSigner
from milepost.ports import Blob, Trouble, TroubleKind

LONGEST_JOURNAL = 4 << 20
"""Bytes after which a session goes on in another journal, so that a clean-up can merge what has come so far."""

INLINE_UP_TO = 2048
"""Streams of at most so many bytes lie in the line of their record: a small result costs one write, and no file."""

_NOT_DURABLE = (
    "it is saved, and survives the end of this process, but perhaps no power loss, as it could not be synced to"
)
_CHANGED = (
    "its result is not saved any more, as what was written is not what it was when the save began: another thread "
    "changed it meanwhile, or the disk is failing. Run the task again once nothing changes its variables"
)
_RUN_AGAIN = "What its variables hold may be wrong: run the task again, and what was computed from it."
_log = logging.getLogger("milepost.store")


class LocalStore:
    """Checkpoints in one folder, which the first save creates; reading never writes.

    Parameters
    ----------
    path : Path
        The store's folder; see `layout.store_path`.
    signer : Authenticator, optional
        Signs what is saved and says what may be opened; else this user's own key, read when first needed.
    durable : bool
        Have every save wait until its result is durable.
    """

    def __init__(self, path: Path | str, signer: Authenticator | None = None, *, durable: bool = False) -> None:
        self._layout = Layout(Path(path))
        self._objects = Objects(self._layout)
        self._signer: Authenticator = signer or UserSigner()
        self._durable = durable
        self._durability = Durability(self._layout, self._mark, self._not_durable, self._confirm, self._counts)
        self._verification = Verification(self._objects, self._damaged)
        self._listeners: list[Callable[[Trouble], None]] = []
        self.space = Space(self)
        self.once = OnceBook(self._layout, self.authenticator, self.view, lambda lines: self.write(dropped=lines))
        self.partials = Partials(self._layout, self._signer)
        """What is kept of tasks that have not ended."""
        self.paused = Paused(self._layout)
        """Whether the run is paused, also when no kernel runs."""
        self._begin()
        _stores.add(self)

    def _begin(self) -> None:
        """Nothing is known yet: in a new store, and in a forked child, where another thread may have held the lock."""
        self._lock = threading.RLock()
        self._reader = JournalReader(self._layout.journal, self.authenticator)
        self._view = View()
        self._sequence = itertools.count(1)
        self._session = ""
        self._length = 0
        """Of the session's journal, as this session left it."""

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._layout.root

    def save(self, record: Record, blobs: Mapping[str, Blob], *, durable: bool = False) -> Record:
        """Write the blobs, then the record that names them; the record as stored.

        It survives the death of this process when this returns, and power loss soon after; with `durable`, already
        then. The blobs are written without the lock: other threads look things up meanwhile.
        """
        with self._writing():  # the folders are there, and damaged objects are out of the way
            self.space.admit(record.task, _bytes(blobs), self._view)
        with self._refusals():
            refs = {part: self._put(blob) for part, blob in blobs.items()}
        with self._lock, self._refusals():
            self._layout.create()  # somebody may have taken folders away meanwhile
            at = next_time(self._view.last)
            stored = replace(record, blobs=refs, saved_at=at, trusted=True, durable=False)
            written = replace(self._append(Entry(at, next(self._sequence), stored)), record=stored)
            self._ensure(refs, blobs)
            self._durability.add(written)
        self.space.saved(stored, self._view)
        if (durable or self._durable) and not self._durability.wait(written):
            if not self._stands(stored):
                raise StoreError(f"task {record.task!r}: {_CHANGED}")
            raise StoreUnwritableError(f"task {record.task!r}: {_NOT_DURABLE} {self._layout.root}")
        return stored

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was saved is durable; False after `timeout` (seconds), or when something cannot be."""
        return self._durability.flush(timeout)

    def settle(self) -> None:
        """Wait until all that `open` gave back at once has been verified."""
        self._verification.settle()

    def on_trouble(self, listener: Callable[[Trouble], None]) -> None:
        """Have `listener(trouble)` told, in another thread, instead of the log (logger `milepost.store`)."""
        self._listeners.append(listener)

    def log(self, task: str) -> Path:
        """The file for what a task prints in the background, in a folder that is there."""
        with self._writing():
            make_folder(self._layout.logs)
        return self._layout.log(task)

    def records(self) -> Sequence[Record]:
        """The newest record of each task, strangers' ones too, oldest first."""
        with self._lock:
            return self._fresh().newest()

    def history(self, task: str) -> Sequence[Record]:
        """Every kept record of one task, newest first."""
        with self._lock:
            return self._fresh().history(task)

    def known(self) -> list[str]:
        """The tasks of which anything is saved, noted, or kept of a loop."""
        unfinished = [record.task for record in self.partials.unfinished()]
        return list(dict.fromkeys([*self.view().tasks(), *self.once.tasks(), *unfinished]))

    def versions(self) -> list[Record]:
        """Every kept record of all tasks, the newest first of each."""
        with self._lock:
            view = self._fresh()
            return [record for task in view.tasks() for record in view.history(task)]

    def open(self, record: Record, part: str) -> Blob:
        """One blob; its buffers are writable and private to the caller.

        All is verified before, but large buffers of a record that is durable: these soon after, see `on_trouble`.
        """
        if not record.trusted:
            raise UntrustedError(
                f"task {record.task!r} was saved under another key, and is not loaded until you trust it"
            )
        ref = record.blobs[part]
        try:
            sizes = zip(ref.buffers, ref.buffer_bytes, strict=True)
            return Blob(self._stream(ref), tuple(self._buffer(record, address, size) for address, size in sizes))
        except UnreadableError as error:
            raise UnreadableError(f"task {record.task!r}, part {part!r}: {error}") from error
        except (CorruptCheckpointError, ValueError) as error:
            raise CorruptCheckpointError(f"task {record.task!r}, part {part!r}: {error}") from error

    def object_file(self, address: str) -> Path:
        """Where the object with an address is, if it is there."""
        return self._layout.object(address)

    def forget(self, tasks: Iterable[str]) -> int:
        """Drop all records of these tasks, and what they printed in the background; how many tasks had a record.

        Raises
        ------
        UsageError
            Where one of them happens once, and is in doubt or runs; then nothing is dropped.
        """
        tasks = list(dict.fromkeys(tasks))
        noted = self.once.forget(tasks)
        with self._lock:
            known = self._fresh().known(tasks)
            # Strangers' lines by their sums: what they say of their time may be anything.
            strange = [version.sum for task in known for version in self._view.of(task) if not version.trusted]
        # What happens once has lost its results already, and may have run again by now.
        plain = tuple(task for task in known if task not in noted)
        if plain or strange:
            self.write(forgotten=plain, dropped=tuple(strange))
        remove_logs(self._layout, tasks)
        self.partials.forget(tasks)
        return len({*known, *noted})

    def resolve(self, task: str, *, done: bool, value: str | None = None) -> OnceNote:
        """Decide for a task in doubt, as `OnceBook.resolve`; what is done goes on nowhere."""
        note = self.once.resolve(task, done=done, value=value)
        if done:
            self.partials.forget([task])
        return note

    def trust(self, records: Iterable[Record]) -> int:
        """Sign strangers' records with this user's key; how many there were.

        What is signed are these very records, as they were listed, whatever has come into the store since.
        """
        strange = [record for record in records if not record.trusted]
        for record in strange:
            # No mark: what a stranger wrote is hashed before it is given back. Nor is theirs how many versions we keep.
            self.write(record=replace(record, trusted=True, keep=0))
        return len(strange)

    def write(self, **facts: Any) -> None:
        """Append an entry with these facts, as of now."""
        with self._writing():
            entry = Entry(next_time(self._view.last), next(self._sequence), **facts)
            self._durability.add(self._append(entry))

    def view(self) -> View:
        """What all journals say."""
        with self._lock:
            return self._fresh()

    @contextmanager
    def looking(self) -> Iterator[View]:
        """What all journals say, while no other thread adds to it."""
        with self._lock:
            yield self._fresh()

    def read_anew(self) -> View:
        """What all journals say at this moment, nothing of it remembered.

        Raises
        ------
        StoreError
            When a journal cannot be read, or may say what this Milepost does not know.
        """
        self._layout.require_readable()
        reader = JournalReader(self._layout.journal, self.authenticator)
        view = reader.read_all()
        if closed := [*self._gone(), *reader.closed()]:
            raise StoreError(f"{'; '.join(closed)}: what that needs is not known, so nothing is removed")
        return view

    @property
    def layout(self) -> Layout:
        """Where things lie."""
        return self._layout

    def problems(self) -> Sequence[str]:
        """What was found torn, foreign or unreadable, a sentence each."""
        with self._lock:
            self._fresh()
            damaged = [f"object {address}: {what}" for address, what in self._objects.damaged.items()]
            found = self._layout.problems() + self._gone() + self._reader.problems() + damaged
        return found + self.once.notes.problems()

    def _gone(self) -> list[str]:
        gone = roster.missing(self._layout)
        return [f"journal {path.name} is gone or empty: its results are lost" for path in gone]

    def authenticator(self) -> Authenticator:
        """What signs."""
        return self._signer

    def _fresh(self) -> View:
        try:
            self._layout.require_readable()
            if not self._reader.refresh(self._view):
                self._view = self._reader.read_all()
        except BaseException as error:
            # Interrupted, or there is no key: what was read in part must not count as read.
            self._reader, self._view = JournalReader(self._layout.journal, self.authenticator), View()
            if isinstance(error, OSError):
                raise StoreError(
                    f"{error.filename or self._layout.root} cannot be read ({error.strerror or error}): mend its "
                    "permissions, or name another place in MILEPOST_STORE"
                ) from error
            raise
        return self._view

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """The store ready to be written, and what the system refuses told as a `StoreUnwritableError`."""
        with self._lock:
            self._fresh()
            with self._refusals():
                self._layout.create()
                self._objects.heal()
                yield

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnwritableError(
                f"{self._layout.root} cannot be written ({error.strerror or error}), and what was saved before is "
                "unharmed: make room or mend the permissions, or name another place in MILEPOST_STORE"
            ) from error

    def _put(self, blob: Blob) -> BlobRef:
        views = [flat(buffer) for buffer in blob.buffers]
        small = len(blob.stream) <= INLINE_UP_TO
        return BlobRef(
            stream="" if small else self._objects.put(blob.stream),
            stream_bytes=len(blob.stream),
            buffers=tuple(self._objects.put_all(views)),
            buffer_bytes=tuple(len(view) for view in views),
            inline=b64encode(blob.stream).decode() if small else None,
        )

    def _ensure(self, refs: Mapping[str, BlobRef], blobs: Mapping[str, Blob]) -> None:
        """Only now, with its line written, does every clean-up know what the record needs."""
        for part, ref in refs.items():
            if ref.inline is None:
                self._objects.ensure(ref.stream, blobs[part].stream)
            for address, buffer in zip(ref.buffers, blobs[part].buffers, strict=True):
                self._objects.ensure(address, buffer)

    def _stream(self, ref: BlobRef) -> bytes:
        if ref.inline is None:
            return self._objects.read(ref.stream, ref.stream_bytes)
        return b64decode(ref.inline, validate=True)

    def _buffer(self, record: Record, address: str, size: int) -> Any:
        if not record.durable or size < MAP_FROM:
            return self._objects.map(address, size)
        buffer = self._objects.map(address, size, lambda file: file in self._view.files)
        self._verification.add(Given(record, address, size))
        return buffer

    def _append(self, entry: Entry) -> Written:
        line = encode(entry, self.authenticator())
        while True:
            new = not self._session
            journal = self._layout.journal / f"{self._session_name()}.jsonl"
            length = self._write(journal, line, 0 if new else self._length)
            self._length = length or 0
            if length is None or length > LONGEST_JOURNAL:
                self._session = ""
            if length is not None:
                if new:
                    roster.enter(self._layout, journal)
                self._reader.appended(journal.name, line, self._view)
                return Written(sum_of(line), journal)

    def _write(self, journal: Path, line: bytes, after: int) -> int | None:
        try:
            return append_line(journal, line, after=after)
        except OSError:
            # The line may be there in part. Nothing may follow it in its file, so the next one starts another.
            self._session = ""
            raise

    def _session_name(self) -> str:
        """A name no other writer has."""
        if not self._session:
            self._session = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}-{secrets.token_hex(4)}"
        return self._session

    # what the threads in the background find out

    def _mark(self, lines: tuple[str, ...], files: tuple[str, ...]) -> None:
        """Without the mark the records are as good, but hashed before they are given back: no reason to complain."""
        with self._lock, suppress(OSError, StoreError):
            self._append(Entry(next_time(self._view.last), next(self._sequence), durable=lines, files=files))

    def _counts(self, written: Written) -> bool:
        return written.record is None or self._stands(written.record)

    def _confirm(self, written: Written, stopping: Callable[[], bool]) -> bool:
        blobs = written.record.blobs.values() if written.record else ()
        named = (item for blob in blobs for item in blob.objects.items())
        return all(self._objects.confirm(address, size, stopping) for address, size in named)

    def _not_durable(self, written: Written, error: OSError | CorruptCheckpointError) -> None:
        if isinstance(error, CorruptCheckpointError):
            return self._changed(written, str(error))
        with self._lock:
            self._session = ""  # what follows in a journal that cannot be synced is no safer
        record = written.record
        if record is not None and (not isinstance(error, FileNotFoundError) or self._stands(record)):
            text = f"{_NOT_DURABLE} {self._layout.root} ({error.strerror or error})"
            self.tell(Trouble(TroubleKind.NOT_DURABLE, record, f"task {record.task!r}: {text}"))

    def _changed(self, written: Written, why: str) -> None:
        """A line names what was not written: it is taken back, and the file put aside."""
        record = written.record
        told = record is not None and self._stands(record)
        with suppress(OSError, StoreError):
            self.write(dropped=(written.line,))
        if record is not None and told:
            self.tell(Trouble(TroubleKind.DAMAGED, record, f"task {record.task!r}: {_CHANGED} ({why})"))

    def _damaged(self, record: Record, why: str) -> None:
        """What is damaged is put aside, so that no later process gives it back."""
        with suppress(OSError):
            self._objects.heal()
        if self._stands(record):
            text = f"task {record.task!r} was given back from a checkpoint that is damaged: {why}. {_RUN_AGAIN}"
            self.tell(Trouble(TroubleKind.DAMAGED, record, text))

    def _stands(self, record: Record) -> bool:
        try:
            return record in self.history(record.task)
        except StoreError:
            return True

    def tell(self, trouble: Trouble) -> None:
        """Tell who listens, else the log."""
        if not self._listeners:
            _log.warning("%s", trouble.text)
        for listener in self._listeners:
            listener(trouble)


def _bytes(blobs: Mapping[str, Blob]) -> int:
    return sum(len(blob.stream) + sum(flat(buffer).nbytes for buffer in blob.buffers) for blob in blobs.values())


def _in_child() -> None:
    for store in list(_stores):
        store._begin()


_stores: weakref.WeakSet[LocalStore] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
