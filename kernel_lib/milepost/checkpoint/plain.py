"""Opening what may have been put there by somebody else: plain files only, at once, and never through a link."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"))
NOT_PLAIN = "is no plain file but a link, a folder, a pipe or a device, which a store never holds"


class NotPlainError(OSError):
    """A link, a device, a pipe or a folder in the place of a file."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ELOOP, NOT_PLAIN, str(path))


def open_plain(path: Path) -> int:
    """A descriptor of a regular file, to read; a pipe or a device is not opened, since that alone can do something."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise NotPlainError(path)
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        # Made a link since: some systems have other words for it.
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise NotPlainError(path) from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise NotPlainError(path)


def is_plain(path: Path) -> bool:
    """Whether a regular file is there."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False
