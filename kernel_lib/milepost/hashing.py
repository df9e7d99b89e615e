"""BLAKE3 with several threads where they help."""

from __future__ import annotations

import os
from typing import Any

from blake3 import blake3

LARGE = 4 * 1024 * 1024
"""Bytes from which on several threads are worth their while."""

_threads = blake3.AUTO


def hexdigest(data: Any) -> str:
    """The 64 hexadecimal digits of the hash of a buffer of bytes."""
    return blake3(data, max_threads=_threads if len(data) >= LARGE else 1).hexdigest()


def large_hasher() -> blake3:
    """A hasher that may be fed large pieces."""
    return blake3(max_threads=_threads)


GATHERED = 1 << 16
"""Bytes that are hashed at once, at least: of a piece of some bytes the call takes longer than the hash."""


class Stream:
    """What comes to one hash, piece by piece. Small pieces are added to `waiting`, large ones come by `large`."""

    __slots__ = ("_hasher", "waiting")

    def __init__(self) -> None:
        self.waiting = bytearray()
        self._hasher: blake3 | None = None

    def large(self, data: Any) -> None:
        """Hash a buffer after all that waits."""
        self.flush()
        self._hash(data)

    def flush(self) -> None:
        """Hash what waits."""
        if self.waiting:
            self._hash(bytes(self.waiting))
            self.waiting.clear()

    def _hash(self, data: Any) -> None:
        if self._hasher is None:
            self._hasher = large_hasher()
        self._hasher.update(data)

    def digest(self) -> bytes:
        """The 32 bytes of the hash of all that came."""
        if self._hasher is None:
            return blake3(self.waiting).digest()
        self.flush()
        return self._hasher.digest()

    def hexdigest(self) -> str:
        """The same in hexadecimal digits."""
        return self.digest().hex()


def _alone() -> None:
    """In a fork the threads of BLAKE3's pool are gone, and it would wait for them without end."""
    global _threads
    _threads = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)
