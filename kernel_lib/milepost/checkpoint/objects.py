"""Immutable objects, a file each, named by the BLAKE3 hash of their bytes."""

from __future__ import annotations

import errno
import mmap
import os
import pickle
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blake3 import blake3

from milepost.checkpoint.atomic import make_folder, write_file
from milepost.checkpoint.layout import Layout
from milepost.model.errors import CorruptCheckpointError

MAP_FROM = 64 * 1024
"""Buffers of at least so many bytes are mapped; smaller ones are read, as maps are a limited resource."""

_THREADS_FROM = 4 * 1024 * 1024
_OBJECT_MODE = 0o444
_DAMAGE = {errno.ENOENT: "it is missing", errno.ELOOP: "it is a symbolic link, which a store never holds"}


def address_of(data: Any) -> str:
    """The address of these bytes: 64 hexadecimal digits of their BLAKE3 hash."""
    threads = blake3.AUTO if len(data) >= _THREADS_FROM else 1
    return blake3(data, max_threads=threads).hexdigest()


def flat(buffer: Any) -> memoryview:
    """The bytes of any contiguous buffer, of whatever shape and order, without a copy."""
    return pickle.PickleBuffer(buffer).raw()


class Objects:
    """The objects of one store; damaged ones that were met are put aside by `heal`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._damaged: dict[str, str] = {}

    @property
    def damaged(self) -> dict[str, str]:
        """What is wrong, by address, with each object that could not be read."""
        return dict(self._damaged)

    def put(self, data: Any, *, durable: bool = False) -> str:
        """Store the bytes, unless they are there already; their address."""
        view = flat(data)
        address = address_of(view)
        path = self._layout.object(address)
        if not self._reuse(path, len(view)):
            _refuse_links(path.parent.parent, path.parent)
            make_folder(path.parent, durable=durable)
            write_file(path, view, mode=_OBJECT_MODE, durable=durable)
        return address

    def read(self, address: str, size: int) -> bytes:
        """The bytes of an object of `size` bytes, verified."""
        with self._opened(address, size) as descriptor:
            data = os.pread(descriptor, size, 0) if size < MAP_FROM else _read_all(descriptor, size)
            _require(address, data)
            return data

    def map(self, address: str, size: int) -> Any:
        """An object as a writable buffer, verified; writing to it never reaches the file."""
        if size < MAP_FROM:
            return bytearray(self.read(address, size))
        with self._opened(address, size) as descriptor:
            data = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
            _require(address, data)
            return data

    def heal(self) -> None:
        """Move damaged objects out of the way, so that saving the same bytes again writes them anew."""
        for address in list(self._damaged):
            path = self._layout.object(address)
            if os.path.lexists(path):
                make_folder(self._layout.quarantine)
                os.replace(path, self._layout.quarantine / address)
            del self._damaged[address]

    def _reuse(self, path: Path, size: int) -> bool:
        try:
            found = path.lstat()
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return False
        # A fresh time keeps other processes' clean-up away from it until our record is written.
        os.utime(path)
        return True

    @contextmanager
    def _opened(self, address: str, size: int) -> Iterator[int]:
        path = self._layout.object(address)
        try:
            _refuse_links(path.parent.parent, path.parent)
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
            try:
                _require_size(descriptor, size)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._noted(address, error) from error

    def _noted(self, address: str, error: OSError) -> CorruptCheckpointError:
        what = _DAMAGE.get(error.errno or 0, "") if not isinstance(error, _DamagedError) else str(error)
        if what:
            self._damaged[address] = what
        # Too many open files, say, is no damage: nothing to put aside.
        return CorruptCheckpointError(f"object {address[:12]}…: {what or error.strerror or error}")


class _DamagedError(OSError):
    """What is wrong with an object, on its way to a sentence that names it."""


def _require(address: str, data: Any) -> None:
    if address_of(data) != address:
        raise _DamagedError("its bytes are not those that were saved")


def _require_size(descriptor: int, size: int) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _DamagedError("it is no regular file")
    if found.st_size != size:
        raise _DamagedError(f"it has {found.st_size} bytes instead of {size}")


def _refuse_links(*folders: Path) -> None:
    for folder in folders:
        if folder.is_symlink():
            raise OSError(errno.EPERM, f"{folder} is a symbolic link, which a store never holds")


def _read_all(descriptor: int, size: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(size)
