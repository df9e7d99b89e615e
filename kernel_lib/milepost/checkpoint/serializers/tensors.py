"""torch tensors: their memory as buffers without a copy, and their gradients, which torch's own pickles lose."""

from __future__ import annotations

import pickle
import sys
from typing import Any

from milepost.checkpoint.serializers import rebuild, rebuild_data
from milepost.checkpoint.serializers.refuse import RefusedError


def reduce_tensor(tensor: Any) -> Any:
    """A tensor or parameter; how the many kinds of them are built again is torch's business."""
    _refuse_graph(tensor)
    build, args = tensor.__reduce_ex__(5)
    args, attributes = _apart(build, args)
    if type(args[0]) is _torch().UntypedStorage:
        # The newest types of numbers come without a typed storage, and cannot be built again from that.
        args = (_torch().storage.TypedStorage(wrap_storage=args[0], dtype=_torch().uint8, _internal=True), *args[1:])
    if attributes is None and tensor.grad is None:
        return build, args
    return build, args, (attributes, tensor.grad), None, None, rebuild_data.finish_tensor


def _apart(build: Any, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """Attributes apart from what builds the tensor: they may hold the tensor itself."""
    kind = args[1] if build.__name__ == "_rebuild_from_type_v2" else None
    if kind is None or kind.__setstate__ is not _torch().Tensor.__setstate__:
        return args, None
    return (*args[:3], {}), args[3]


def reduce_typed_storage(storage: Any) -> Any:
    """What torch's own pickles of tensors hold: a storage that knows its type."""
    return rebuild_data.typed_storage, (storage._untyped_storage, storage.dtype)


def reduce_storage(storage: Any) -> Any:
    """The memory of a tensor."""
    if storage.device.type == "meta":
        return NotImplemented
    if storage.device.type != "cpu":
        return rebuild_data.storage_on, (storage.cpu(), str(storage.device))
    return rebuild_data.storage_of_bytes, (pickle.PickleBuffer(rebuild_data.memory_of(storage)),)


def reduce_generator(generator: Any) -> Any:
    """The global generator itself, so that seeding it still has its effect; others by their state."""
    if generator is _torch().default_generator:
        return rebuild.member, ("torch", "default_generator")
    return rebuild_data.torch_generator, (str(generator.device), generator.get_state())


def _refuse_graph(tensor: Any) -> None:
    if tensor.grad_fn is not None:
        raise RefusedError("a torch tensor with a gradient function would lose its graph; save `x.detach()` instead")
    hooks = ("_backward_hooks", "_post_accumulate_grad_hooks")
    if any(getattr(tensor, name, None) for name in hooks):
        raise RefusedError("a torch tensor with hooks would lose them; remove them first")


def _torch() -> Any:
    return sys.modules["torch"]
