"""The one place that writes to disk: whole files appear at once or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Any

FILE_MODE = 0o644
TEMPORARY = ".tmp-"
"""How the names of files begin that are being written."""

_RESERVE_FROM = 1024 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT}
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def is_full(error: BaseException | None) -> bool:
    """Whether there was no room."""
    return isinstance(error, OSError) and error.errno in _FULL


def write_file(path: Path, data: Any, *, mode: int = FILE_MODE, durable: bool = False) -> None:
    """Write `data` (any contiguous buffer) as the whole file `path`.

    A reader sees the old file or the new one, never a part: the bytes go to a temporary file in the same
    folder, which then takes the name. `durable` also syncs file and folder, so that it survives power loss.
    """
    while not publish(write_draft(path.parent, data, mode=mode, durable=durable), path):
        pass
    if durable:
        sync(path.parent)


def write_draft(folder: Path, data: Any, *, mode: int = FILE_MODE, durable: bool = False) -> Path:
    """Write `data` to a temporary file in the folder, for `publish`; nothing is left when that fails."""
    draft = folder / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        _write_new(draft, data, mode, durable)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return draft


def publish(draft: Path, path: Path) -> bool:
    """Give a draft its name; nothing is left of it when that fails. False when it is not there any more.

    A machine that slept for hours may find its file cleaned up as that of a dead process.
    """
    try:
        os.replace(draft, path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        return False
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return True


def append_line(path: Path, line: bytes, *, after: int = 0) -> int | None:
    """Append `line` with a single write, to a file of `after` bytes, a new one with 0; how long it is then (bytes).

    None where it has another name by now, or none: a clean-up may have read it before the line was there. Or another
    length: it was exchanged for an older state, of which the last line may lack its end. Then the line belongs into a
    new file of another name; no name is used twice, so that readers see when they have missed one.

    Raises
    ------
    OSError
        When not all of it went in.
    """
    new = not after
    flags = os.O_WRONLY | os.O_APPEND | _NO_FOLLOW | (os.O_CREAT | os.O_EXCL if new else 0)
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except FileNotFoundError:
        if new:
            raise
        return None
    try:
        if os.fstat(descriptor).st_size != after:
            return None
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        found = os.fstat(descriptor)
        return found.st_size if _names(path, found) else None
    except OSError:
        if not os.fstat(descriptor).st_size:
            path.unlink(missing_ok=True)  # an empty journal would look like one that lost its lines
        raise
    finally:
        os.close(descriptor)


def _names(path: Path, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.lstat(path), found)
    except FileNotFoundError:
        return False


def make_folder(path: Path) -> None:
    """Create `path` and its parents where they are missing; a link in its place leads out of the store."""
    if not is_folder(path):
        path.mkdir(parents=True, exist_ok=True)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; refuses a link in its place, through which nothing is read, written or moved."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISLNK(mode):
        raise OSError(errno.EPERM, f"{path} is a symbolic link, which a store never holds")
    return stat.S_ISDIR(mode)


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
    view = memoryview(data).cast("B")
    descriptor = os.open(path, flags, mode)
    try:
        if len(view) >= _RESERVE_FROM:
            _reserve(descriptor, len(view))
        _write_all(descriptor, view)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reserve(descriptor: int, size: int) -> None:
    """Have the blocks of a file allotted at once: a third less work on ext4, and a full disk is known before.

    Not by `os.posix_fallocate`, which writes to every block where the file system cannot (NFS).
    """
    if _fallocate is not None and _fallocate(descriptor, 0, 0, size) and ctypes.get_errno() in _FULL:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _find_fallocate() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    system = ctypes.CDLL(None, use_errno=True)
    found = getattr(system, "fallocate64", None) or getattr(system, "fallocate", None)
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return found


_fallocate = _find_fallocate()


def _write_all(descriptor: int, view: memoryview) -> None:
    # One call writes at most 2 GiB on Linux, and less when the disk is nearly full.
    while view:
        written = os.write(descriptor, view)
        view = view[written:]
