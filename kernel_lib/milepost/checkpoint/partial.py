"""What is kept of tasks that have not ended: one file for each loop within one, replaced as a whole at each save.

`<store>/partial/<task>/<loop>` is a line with a signature, a line of JSON, and bytes. The signature is of the JSON,
which has the record (its key, and what it depends on), the lengths of what follows and its BLAKE3 hash. So a file is
either the old one or the new one, nobody else's, and whole; else it counts as none. No file is synced but the one of a
pause: what the power takes is found torn, and the loop begins anew.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from milepost.checkpoint.atomic import TEMPORARY, make_folder, write_file
from milepost.checkpoint.journal import Authenticator
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.objects import flat
from milepost.checkpoint.plain import open_plain
from milepost.checkpoint.unfinished import folders, remove
from milepost.hashing import hexdigest, large_hasher
from milepost.model.errors import CorruptCheckpointError, StoreError, StoreUnwritableError, UntrustedError
from milepost.model.record import Record
from milepost.ports import Blob

PURPOSE = "milepost partial 1"
_MAGIC = b"mpp1 "
_LONGEST_HEAD = 64 << 20


class Partials:
    """Those of one store."""

    def __init__(self, layout: Layout, signer: Authenticator) -> None:
        self._layout = layout
        self._signer = signer
        self._heads: dict[tuple[Path, int, int], Record | None] = {}
        """Of files as they were: people look more often than they change."""

    def write(self, place: str, record: Record, blobs: Mapping[str, Blob], *, durable: bool = False) -> str:
        """Put this in the place of what is kept of one loop of the record's task; its address.

        Raises
        ------
        StoreUnwritableError
            When the folder cannot be written, or is full.
        """
        parts: dict[str, list[Any]] = {name: [blob.stream, *map(flat, blob.buffers)] for name, blob in blobs.items()}
        hasher = large_hasher()
        for piece in (piece for pieces in parts.values() for piece in pieces):
            hasher.update(piece)
        sizes = {name: [len(piece) for piece in pieces] for name, pieces in parts.items()}
        address = hasher.hexdigest()
        head = json.dumps({"record": record.to_json(), "sizes": sizes, "sum": address}).encode()
        signature = self._signer.sign(head, PURPOSE).encode()
        pieces = (piece for pieces in parts.values() for piece in pieces)
        try:
            self._layout.require_readable()
            self._layout.create()
            path = self._path(record.task, place)
            make_folder(path.parent)
            data = b"".join((_MAGIC, signature, b"\n", head, b"\n", *pieces))
            write_file(path, data, durable=durable)
        except OSError as error:
            words = f"{self._layout.root} cannot be written ({error.strerror or error})"
            raise StoreUnwritableError(words) from error
        return signature.decode()

    def read(self, task: str, place: str) -> tuple[Record, dict[str, Blob], str] | None:
        """What is kept of one loop, verified, and its address; None where nothing is.

        Raises
        ------
        UntrustedError
            When somebody else wrote it.
        CorruptCheckpointError
            When it is not what was written.
        """
        path = self._path(task, place)
        try:
            if path.is_symlink() or path.parent.is_symlink():
                return None
            data = memoryview(path.read_bytes())
        except OSError:
            return None
        try:
            head, signature, rest = _split(data)
            if not self._signer.verify(head, PURPOSE, signature):
                raise UntrustedError("it was written under another user's key")
            facts = json.loads(head)
            record, blobs = Record.from_json(facts["record"]), dict(_blobs(rest, facts["sizes"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CorruptCheckpointError(f"it is damaged ({error})") from error
        if hexdigest(rest) != facts["sum"] or record.task != task:
            raise CorruptCheckpointError("it is damaged")
        return record, blobs, signature

    def has(self, task: str, place: str) -> bool:
        """Whether something seems to be kept of a loop."""
        return self._path(task, place).is_file()

    def any(self, task: str) -> bool:
        """Whether something seems to be kept of a task."""
        return self._folder(task).is_dir()

    def unfinished(self) -> list[Record]:
        """What is kept last of each task, as far as this user wrote it; nothing of the loops' content is read."""
        heads = {}
        for folder in folders(self._layout):
            with contextlib.suppress(OSError):
                found = [(path, path.stat()) for path in folder.iterdir() if not path.name.startswith(TEMPORARY)]
                for path, status in found:
                    key = path, status.st_mtime_ns, status.st_size
                    heads[key] = self._heads[key] if key in self._heads else self._head(path)
        self._heads = heads
        newest = sorted((record for record in heads.values() if record is not None), key=lambda item: item.saved_at)
        return list({record.task: record for record in newest}.values())

    def _head(self, path: Path) -> Record | None:
        try:
            with open(open_plain(path), "rb") as file:
                first, head = file.readline(len(_MAGIC) + 65), file.readline(_LONGEST_HEAD)[:-1]
            if self._signer.verify(head, PURPOSE, first[len(_MAGIC) : -1].decode("ascii")):
                return Record.from_json(json.loads(head)["record"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError, StoreError):
            pass
        return None

    def forget(self, tasks: Iterable[str]) -> None:
        """Remove all that is kept of tasks."""
        for task in tasks:
            remove(self._folder(task))

    def drop(self, task: str, place: str) -> None:
        """Remove what is kept of one loop."""
        with contextlib.suppress(OSError):
            self._path(task, place).unlink()

    def _folder(self, task: str) -> Path:
        return self._layout.partial / self._layout.log(task).stem

    def _path(self, task: str, place: str) -> Path:
        return self._folder(task) / place


def _split(data: memoryview) -> tuple[bytes, str, memoryview]:
    """The JSON, its signature and the rest."""
    first = bytes(data[: len(_MAGIC) + 65])
    if not first.startswith(_MAGIC) or not first.endswith(b"\n"):
        raise ValueError("its first line is none")
    start = len(first)
    end = bytes(data[start : start + _LONGEST_HEAD]).find(b"\n") + start
    if end < start:
        raise ValueError("its second line has no end")
    return bytes(data[start:end]), first[len(_MAGIC) : -1].decode("ascii"), data[end + 1 :]


def _blobs(rest: memoryview, sizes: Mapping[str, list[int]]) -> Iterator[tuple[str, Blob]]:
    """The parts; each buffer in memory of its own, since what is built from it is written to."""
    at = 0
    for name, lengths in sizes.items():
        pieces: list[Any] = []
        for length in lengths:
            pieces.append(rest[at : at + length])
            at += length
        yield name, Blob(bytes(pieces[0]), tuple(bytearray(piece) for piece in pieces[1:]))
    if at != len(rest):
        raise ValueError("it is shorter or longer than it was")
