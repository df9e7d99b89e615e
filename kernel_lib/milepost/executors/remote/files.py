"""Large buffers on their way to another process and back: files that both map, instead of bytes through a pipe."""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from milepost.executors.fork import begin_in_forks
from milepost.hashing import hexdigest
from milepost.model.errors import TransferError

LARGE = 1024 * 1024
"""Buffers of at least so many bytes go by a file; below that a pipe is as fast."""

FindSaved = Callable[[str], Path]
"""Where a store keeps the object with this address (64 hexadecimal digits of its bytes' BLAKE3 hash), if it has it."""


class Stored(NamedTuple):
    """`size` bytes in a file. With an `address` they are in a store and are checked: others can write there."""

    path: str
    size: int
    address: str = ""

    def open(self) -> mmap.mmap:
        """The bytes, writable; what is written stays in this process (copy on write)."""
        with open(self.path, "rb") as file:
            data = mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_COPY)
        if self.address and hexdigest(data) != self.address:
            raise TransferError(f"{self.path} does not hold the bytes that its name says")
        return data

    def remove(self) -> None:
        """Take the name away, unless it is a store's; who has mapped the file keeps the bytes."""
        if not self.address:
            with contextlib.suppress(OSError):
                os.unlink(self.path)


def write(folder: str, data: memoryview) -> Stored:
    """A new file in `folder`."""
    path = os.path.join(folder, secrets.token_hex(8))
    try:
        with open(path, "xb", buffering=0) as file:
            while data:  # one call writes at most 2 GiB
                data = data[file.write(data) :]
            return Stored(path, file.tell())
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        words = f"{len(data):,} bytes on their way to another process could not be written to {folder}"
        raise TransferError(f"{words}: {error.strerror}. TMPDIR names another folder for them") from error


def open_flag(folder: str) -> mmap.mmap:
    """A byte that two processes share, 0 at first."""
    with open(os.path.join(folder, "flag"), "a+b") as file:
        file.truncate(1)
        return mmap.mmap(file.fileno(), 1)


class SharedFiles:
    """Writes equal bytes once for as long as a task uses them, and not at all where a store has them already."""

    def __init__(self, find_saved: FindSaved | None = None) -> None:
        self._find_saved = find_saved
        begin_in_forks(self)

    def begin(self) -> None:
        """With nothing written, as at first."""
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def place(self, folder: str, data: memoryview) -> Stored:
        """The bytes as a file: the store's, or one in `folder`, which may be a link to one in another folder."""
        address = hexdigest(data)
        saved = self._saved(address, len(data))
        if saved:
            return saved
        with self._lock:
            known = self._known.setdefault(address, _Known())
        with known.lock:  # ten tasks that start at once with one array: the others wait for the first to write it
            known.file = _link(known.file, folder) or write(folder, data)
            return known.file

    def drop(self, files: tuple[Stored, ...]) -> None:
        """The task that used these has ended."""
        with self._lock:
            gone = [address for address, known in self._known.items() if known.file in files]
            for address in gone:
                del self._known[address]
        for file in files:
            file.remove()

    def _saved(self, address: str, size: int) -> Stored | None:
        path = self._find_saved(address) if self._find_saved else None
        try:
            found = path.lstat() if path else None
        except OSError:
            return None
        usable = found and stat.S_ISREG(found.st_mode) and found.st_size == size
        return Stored(str(path), size, address) if usable else None


class _Known:
    """Where some bytes were written last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.file: Stored | None = None


def _link(file: Stored | None, folder: str) -> Stored | None:
    """Another name for the same file, as the folder of its first name goes with that worker."""
    if file is None:
        return None
    path = os.path.join(folder, secrets.token_hex(8))
    try:
        os.link(file.path, path)
    except OSError:  # gone by now, or links are not possible here
        return None
    return Stored(path, file.size)
