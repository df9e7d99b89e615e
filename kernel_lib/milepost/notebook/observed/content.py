"""What is at a path now: a digest of a file's bytes, of the names in a folder, or that nothing is there."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from milepost.analysis.code import digest_text
from milepost.hashing import large_hasher
from milepost.model.sizes import size

ABSENT, FOLDER, UNREADABLE, OTHER = "absent", "folder", "unreadable", "no file"
"""What stands for a digest where there is no file to read."""

SETTLED = 2_000_000_000
"""Nanoseconds after a change of a file from which on another change of it shows in its times, on any file system."""


class Signature(NamedTuple):
    """What tells within one session that a file has not been written to."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int
    mode: int

    @property
    def kind(self) -> str:
        """What it is, where it is no regular file; else ""."""
        return "" if stat.S_ISREG(self.mode) else FOLDER if stat.S_ISDIR(self.mode) else OTHER


def signature(path: str) -> Signature | None:
    """The signature of what is at a path, None where nothing is."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return Signature(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, stat.S_IFMT(found.st_mode)
    )


_known: dict[tuple[str, Signature], str] = {}
"""Digests of files in this process: a large file that many tasks read is hashed once."""

MAX_KNOWN = 200_000


def content(path: str, found: Signature | None = None) -> str:
    """The digest of a file's bytes, or what stands for it."""
    found = found or signature(path)
    if found is None:
        return ABSENT
    if found.kind:
        return found.kind
    known = _known.get((path, found))
    return known or _hashed(path, found)


def _hashed(path: str, found: Signature) -> str:
    try:
        digest = hash_file(path)
    except OSError:
        return UNREADABLE
    quiet = time.time_ns() - max(found.changed, found.modified)
    if quiet > SETTLED and signature(path) == found:  # else a later change might not show
        if len(_known) >= MAX_KNOWN:
            _known.clear()
        _known[path, found] = digest
    return digest


def hash_file(path: str, limit: int | None = None) -> str:
    """The digest of a file's bytes, or of the first `limit` of them."""
    hasher, left = large_hasher(), limit
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK if left is None else min(left, _CHUNK)):
            hasher.update(chunk)
            left = None if left is None else left - len(chunk)
    return hasher.hexdigest()


_CHUNK = 1 << 24


def appended(path: str) -> str:
    """A file as whoever appended to it left it: its size and the digest of its bytes."""
    found = signature(path)
    return f"{found.size}:{content(path, found)}" if found else ABSENT


def begins_as(path: str, left: str) -> bool:
    """Whether a file still begins with what `appended` said of it."""
    length, _, digest = left.partition(":")
    found = signature(path)
    if not digest or found is None or found.kind or found.size < int(length):
        return False
    try:
        return (content(path, found) if found.size == int(length) else hash_file(path, int(length))) == digest
    except OSError:
        return False


def listing(path: str) -> frozenset[str] | None:
    """The names in a folder, None where there is none; without those that come and go with the notebook."""
    try:
        names = os.listdir(path)
    except OSError:
        return None
    return frozenset(name for name in names if not _passing(name))


def _passing(name: str) -> bool:
    return name in (".ipynb_checkpoints", "__pycache__") or name.endswith(".milepost") or name.startswith(".~")


def matches(pattern: str, *, hidden: bool) -> frozenset[str]:
    """The absolute paths that a pattern of `glob` matches."""
    found = glob.glob(pattern, recursive=True, include_hidden=hidden)
    return frozenset(path for path in found if not any(map(_passing, Path(path).parts)))


def digest_names(names: Iterable[str] | None) -> str:
    """A digest of the names in a folder, or of what a pattern matches."""
    return ABSENT if names is None else digest_text(*sorted(names))


def at_path(path: str) -> str:
    """What is there without a look into it: nothing, a folder, or a file of a size."""
    found = signature(path)
    return ABSENT if found is None else found.kind or f"file of {found.size} bytes"


def in_words(found: Signature | None) -> str:
    """What is there, for people."""
    return "nothing" if found is None else found.kind or size(found.size)
