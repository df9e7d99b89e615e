"""What saved streams call to build arrays, frames and tensors again; see `rebuild`.

Their libraries are imported here, when a value of theirs is built.
"""

from __future__ import annotations

import os
from typing import Any

from milepost.checkpoint.serializers.owning import MAPPED_FROM, owning
from milepost.model.errors import SerializationError


def layout(value: Any) -> tuple[Any, ...]:
    """How an array, or a tensor's storage, lies in memory."""
    if hasattr(value, "__array_interface__"):
        # The stride along a dimension of one says nothing, and is another one after pickling.
        strides = (stride if many > 1 else 0 for many, stride in zip(value.shape, value.strides, strict=True))
        return value.shape, tuple(strides), value.dtype.str
    return (value.nbytes(),)


def memory_of(value: Any) -> Any:
    """The bytes of a contiguous array or of a storage, as an array of bytes that shares them."""
    if hasattr(value, "__array_interface__"):
        return value.reshape(-1, order="A").view("u1")
    import torch  # type: ignore[import-not-found,unused-ignore]

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


def array_of_bytes(memory: Any, dtype: Any, shape: Any, order: Any) -> Any:
    """A NumPy array over an array of bytes."""
    import numpy as np

    found: Any = np.ndarray(shape, dtype, memory, order=order)
    found.flags.writeable = memory.flags.writeable
    return owning(found)


def empty_objects(shape: Any, order: Any) -> Any:
    """A NumPy array of Python objects, without them."""
    import numpy as np

    return np.empty(shape, object, order)


def finish_objects(array: Any, state: Any) -> None:
    """Put the objects of an array in place, in the order in which they lie in memory."""
    import numpy as np

    items, writeable = state
    array.reshape(-1, order="A")[...] = np.fromiter(items, object, len(items))
    array.flags.writeable = writeable


def finish_read_only(array: Any, state: Any) -> None:
    """Complete an array of objects that may not be changed."""
    array.__setstate__(state)
    array.flags.writeable = False


def array_of_kind(kind: Any, base: Any) -> Any:
    """A NumPy array as an instance of a subclass, on the same memory."""
    found = base.view(kind)
    if base.dtype.hasobject or found.flags.writeable == base.flags.writeable:
        return found
    found.flags.writeable = base.flags.writeable
    return found


def mapped_file(name: Any, size: int, modified: int, dtype: Any, offset: int, shape: Any, order: Any) -> Any:
    """A read-only map of a file of the user, as long as that is the file that it was."""
    import numpy as np

    try:
        found = os.stat(name)
    except OSError as error:
        raise SerializationError(f"the file {name} that a saved array maps cannot be read: {error.strerror}") from error
    if (found.st_size, found.st_mtime_ns) != (size, modified):
        raise SerializationError(f"the file {name} that a saved array maps has changed since")
    return np.memmap(name, dtype, "r", offset, shape, order)


def part_of_map(kind: Any, file: Any, offset: int, shape: Any, strides: Any, dtype: Any) -> Any:
    """A part of a mapped file."""
    import numpy as np

    found: Any = np.ndarray(shape, dtype, file.reshape(-1, order="A").view("u1"), offset, strides)
    found.flags.writeable = False
    return found if kind is np.ndarray else found.view(kind)


def finish_tensor(tensor: Any, state: Any) -> None:
    """Give a tensor its attributes and its gradient."""
    import torch

    attributes, gradient = state
    if attributes is not None:
        torch._utils._set_obj_state(tensor, attributes)
    if gradient is not None:
        tensor.grad = gradient


def typed_storage(storage: Any, dtype: Any) -> Any:
    """A storage that knows its type."""
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def storage_of_bytes(memory: Any) -> Any:
    """The memory of a tensor: small ones are torch's own again, large ones stay the mapped bytes."""
    import torch

    size = memoryview(memory).nbytes
    if size == 0:
        return torch.UntypedStorage(0)
    found = torch.frombuffer(memory, dtype=torch.uint8)
    # What torch owns can be resized; for what is mapped that would be a copy.
    return (found.clone() if size < MAPPED_FROM else found).untyped_storage()


def storage_on(storage: Any, device: str) -> Any:
    """The memory of a tensor on another device than the processor."""
    import torch

    try:
        return torch.empty(0, dtype=torch.uint8).set_(storage).to(device).untyped_storage()
    except Exception as error:
        raise SerializationError(f"a saved tensor needs the device {device}, which is not there: {error}") from error


def torch_generator(device: str, state: Any) -> Any:
    """A generator of random numbers of the user's own."""
    import torch

    return torch.Generator(device).set_state(state)


def polars_frame(kind: Any, columns: Any) -> Any:
    """A polars frame of these series."""
    return kind(columns)


def polars_objects(name: str, values: Any) -> Any:
    """A polars series of Python objects."""
    import polars

    return polars.Series(name, values, dtype=polars.Object)


def polars_series(name: str, arrays: Any, dtype: Any, flags: dict[str, bool]) -> Any:
    """A polars series on the memory of Arrow arrays."""
    import polars
    import pyarrow  # type: ignore[import-untyped,unused-ignore]

    data = arrays[0] if len(arrays) == 1 else pyarrow.chunked_array(arrays)
    found: Any = polars.from_arrow(data, rechunk=False)
    found = found.rename(name) if found.dtype == dtype else found.cast(dtype).rename(name)
    if flags.get("SORTED_ASC") or flags.get("SORTED_DESC"):
        return found.set_sorted(descending=flags.get("SORTED_DESC", False))
    return found
