"""A small disk of its own, where one can be mounted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEBIBYTE = 1 << 20


@contextmanager
def small_disk(folder: Path, size: int = 4 * MEBIBYTE) -> Iterator[Path]:
    """A folder with a disk of `size` bytes; skips the test where none can be mounted."""
    folder.mkdir()
    if obstacle := _mount(folder, size):
        pytest.skip(obstacle)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Take all that is left."""
    with (disk / "filler").open("wb", buffering=0) as file:
        for piece in (65_536, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * piece):
                    pass
    assert os.statvfs(disk).f_bavail == 0


def _mount(folder: Path, size: int) -> str:
    """Mount a small disk in memory; why that cannot be done, if it cannot."""
    if sys.platform != "linux" or os.geteuid():
        return "only root on Linux can mount a small disk"
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        return f"no small disk can be mounted: {error}"
    return f"no small disk can be mounted: {done.stderr.strip()}" if done.returncode else ""
