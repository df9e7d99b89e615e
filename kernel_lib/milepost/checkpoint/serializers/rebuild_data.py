"""What saved streams call to build arrays, frames and tensors again; see `rebuild`.

Their libraries are imported here, when a value of theirs is built.
"""

from __future__ import annotations

from typing import Any

from milepost.model.errors import SerializationError


def layout(value: Any) -> tuple[Any, ...]:
    """How an array, or a tensor's storage, lies in memory."""
    if hasattr(value, "__array_interface__"):
        return value.shape, value.strides, value.dtype.str
    return (value.nbytes(),)


def memory_of(value: Any) -> Any:
    """The bytes of a contiguous array or of a storage, as an array of bytes that shares them."""
    if hasattr(value, "__array_interface__"):
        return value.reshape(-1, order="A").view("u1")
    import torch

    return torch.tensor([], dtype=torch.uint8).set_(value).numpy()


def array_view(carrier: Any, was: Any, offset: int, shape: Any, strides: Any, dtype: Any, writeable: bool) -> Any:
    """A NumPy array that shares the memory of `carrier`, which must lie there as it did when this was saved."""
    import numpy as np

    _require_layout(carrier, was)
    if dtype.hasobject:
        return _object_view(carrier, offset, shape, strides, writeable)
    memory = memory_of(carrier)
    view: Any = np.ndarray(shape, dtype, memory, offset, strides)
    view.flags.writeable = writeable and memory.flags.writeable
    return view


def _object_view(carrier: Any, offset: int, shape: Any, strides: Any, writeable: bool) -> Any:
    from numpy.lib.stride_tricks import as_strided

    flat = carrier.reshape(-1, order="A")
    return as_strided(flat[offset // flat.itemsize :], shape, strides, writeable=writeable and flat.flags.writeable)


def storage_view(carrier: Any, was: Any, offset: int, size: int) -> Any:
    """The storage of a torch tensor that shares the memory of `carrier`."""
    import torch

    _require_layout(carrier, was)
    return torch.from_numpy(memory_of(carrier)[offset : offset + size]).untyped_storage()


def _require_layout(carrier: Any, was: Any) -> None:
    if layout(carrier) != was:
        raise SerializationError("an input's memory is laid out in another way than when a view of it was saved")
