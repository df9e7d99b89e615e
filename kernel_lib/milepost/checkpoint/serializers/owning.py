"""Small arrays own their memory when they are built again, as libraries may ask for it; large ones stay mapped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAPPED_FROM = 64 * 1024
"""Bytes from which on memory that was saved is mapped."""


def owning(array: Any) -> Any:
    """The array, or a copy of it where it is small."""
    if array.nbytes >= MAPPED_FROM:
        return array
    found = array.copy(order="K")
    found.flags.writeable = array.flags.writeable
    return found


def owning_result(build: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy that builds an array over a buffer, whatever its version gives it; small ones are copied."""
    return lambda *arguments: owning(build(*arguments))
