"""Small arrays own their memory when they are built again, as libraries may ask for it; large ones stay mapped."""

from __future__ import annotations

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


def array_of_buffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> Any:
    """Stands for the function of that signature which NumPy's own pickles call."""
    import numpy as np

    return owning(np.frombuffer(buffer, dtype).reshape(shape, order=order))
