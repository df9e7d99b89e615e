"""The one place that writes to disk: whole files appear at once or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import Any

FILE_MODE = 0o644
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def write_file(path: Path, data: Any, *, mode: int = FILE_MODE, durable: bool = False) -> None:
    """Write `data` (any contiguous buffer) as the whole file `path`.

    A reader sees the old file or the new one, never a part: the bytes go to a temporary file in the same
    folder, which then takes the name. `durable` also syncs file and folder, so that it survives power loss.
    """
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
    try:
        _write_new(temporary, data, mode, durable)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append `line` with a single write; raises `OSError` when not all of it went in."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_FOLLOW
    descriptor = os.open(path, flags, FILE_MODE)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Create `path` and its parents where they are missing."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)


def sync(path: Path) -> int:
    """Make a file's bytes, or the names in a folder, survive power loss; the number of what is there under this name.

    On Windows nothing can be synced that is a folder or cannot be written: 0.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_FOLLOW)
    except PermissionError:
        if os.name == "nt":
            return 0
        raise
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _write_new(path: Path, data: Any, mode: int, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, mode)
    try:
        _write_all(descriptor, memoryview(data).cast("B"))
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, view: memoryview) -> None:
    # One call writes at most 2 GiB on Linux, and less when the disk is nearly full.
    while view:
        written = os.write(descriptor, view)
        view = view[written:]
