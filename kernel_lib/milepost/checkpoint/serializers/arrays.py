"""NumPy arrays: large ones as buffers without a copy, subclasses with what they hold, maps of files by their file."""

from __future__ import annotations

import mmap
import operator
import os
import sys
from typing import Any

from milepost.checkpoint.serializers import rebuild, rebuild_data
from milepost.checkpoint.serializers.refuse import RefusedError, library_class


class Own:
    """An array that one owner holds and keeps books on: it is pickled as it is, whoever else sees its memory."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __reduce__(self) -> Any:
        return _reduce_plain(self._array)


def reduce_array(array: Any) -> Any:
    """An array or an instance of a subclass."""
    kind = type(array)
    file = _mapped_file(array)
    if file is not None:
        return _reduce_map(array, file)
    if kind is library_class("numpy", "ndarray"):
        return _reduce_plain(array)
    return _reduce_subclass(array, kind) if _pickles_as_numpy_says(kind) else NotImplemented


def _reduce_plain(array: Any) -> Any:
    if array.dtype.hasobject or array.dtype.kind == "T":
        return _reduce_objects(array)
    if _is_exported(array):
        return array.__reduce_ex__(5)
    # Dates have no buffers, and what lies with gaps would go through the stream: its bytes in a row, as a buffer.
    solid = array if _is_contiguous(array) else array.copy(order="K")
    solid = solid if _is_contiguous(solid) else array.copy(order="C")
    order = "C" if solid.flags.c_contiguous else "F"
    return rebuild_data.array_of_bytes, (Own(_bytes(solid, array.flags.writeable)), array.dtype, array.shape, order)


def _reduce_objects(array: Any) -> Any:
    if array.dtype.char == "O":
        # In its shape before its items are built: by way of a list, they may be views of it.
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        state = array.ravel(order).tolist(), array.flags.writeable
        return rebuild_data.empty_objects, (array.shape, order), state, None, None, rebuild_data.finish_objects
    reduced = array.__reduce__()
    if array.flags.writeable:
        return reduced
    build, args, state = reduced
    return build, args, state, None, None, rebuild_data.finish_read_only


def _bytes(array: Any, writeable: bool) -> Any:
    found = rebuild_data.memory_of(array)
    found.flags.writeable = writeable
    return found


def _reduce_subclass(array: Any, kind: type) -> Any:
    base = array.view(library_class("numpy", "ndarray"))
    base.flags.writeable = array.flags.writeable
    if kind is library_class("numpy", "memmap"):
        # A private map: its file no longer says what it holds.
        return rebuild_data.array_of_kind, (type(base), base)
    attributes = dict(getattr(array, "__dict__", ()))
    return rebuild_data.array_of_kind, (kind, base), attributes, None, None, rebuild.finish_attributes


def _pickles_as_numpy_says(kind: type) -> bool:
    """Whether the class leaves pickling to NumPy, which copies the bytes and loses attributes."""
    bases = [library_class("numpy", "ndarray"), library_class("numpy.ma", "MaskedArray")]
    names = ("__reduce__", "__reduce_ex__", "__getstate__", "__setstate__")
    return any(all(getattr(kind, name, 0) is getattr(base, name, 0) for name in names) for base in bases)


def _is_contiguous(array: Any) -> bool:
    return bool(array.flags.c_contiguous or array.flags.f_contiguous)


def _is_exported(array: Any) -> bool:
    """Whether NumPy itself gives the bytes out of band."""
    if not _is_contiguous(array):
        return False
    return array.dtype.kind in "biufcSUV?" and (array.dtype.names is None or _has_buffer(array))


def _has_buffer(array: Any) -> bool:
    try:
        memoryview(array)
    except (ValueError, TypeError, BufferError):
        return False
    return True


def _mapped_file(array: Any) -> Any:
    """The `numpy.memmap` that maps the file whose bytes the array shows, or None."""
    base: Any = array
    memmap: Any = library_class("numpy", "memmap")
    while memmap is not None and base is not None:
        if isinstance(base, memmap) and isinstance(base.base, mmap.mmap) and base.mode != "c":
            return base
        base = getattr(base, "base", None)
    return None


def _reduce_map(array: Any, file: Any) -> Any:
    if file.mode != "r":
        raise RefusedError("a memory-mapped array writes to its file, and a restored one would not")
    if file.filename is None:
        raise RefusedError("a memory-mapped array of a file without a name cannot be mapped again")
    if array is not file:
        offset = _start(array) - _start(file)
        return rebuild_data.part_of_map, (type(array), file, offset, array.shape, array.strides, array.dtype)
    found = os.stat(file.filename)
    facts = (file.filename, found.st_size, found.st_mtime_ns)
    order = "C" if file.flags.c_contiguous else "F"
    return rebuild_data.mapped_file, (*facts, file.dtype, file.offset, file.shape, order)


def _start(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def reduce_row(row: Any) -> Any:
    """A row of a structured array looks into that array: what is written to it shows there."""
    array = row.base
    if array is None:
        return NotImplemented
    if getattr(array, "ndim", 0) != 1 or not array.strides[0] or array.dtype != row.dtype:
        raise RefusedError("a part of an array's row would no longer share its memory")
    start = sys.modules["numpy"].ndarray((), row.dtype, row).__array_interface__["data"][0]
    return operator.getitem, (array, (start - array.__array_interface__["data"][0]) // array.strides[0])
