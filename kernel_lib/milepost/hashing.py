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


def _alone() -> None:
    """In a fork the threads of BLAKE3's pool are gone, and it would wait for them without end."""
    global _threads
    _threads = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)
