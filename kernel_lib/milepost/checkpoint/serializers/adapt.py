"""Values whose ordinary pickle comes back wrong without an error, reduced so that it comes back right."""

from __future__ import annotations

import functools
import gc
import io
import os
import random
import sys
import types
import typing
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from milepost.checkpoint.serializers import columns, rebuild
from milepost.checkpoint.serializers.arrays import reduce_array
from milepost.checkpoint.serializers.frames import reduce_frame, reduce_manager, reduce_owner
from milepost.checkpoint.serializers.refuse import RefusedError, library_class, refusal
from milepost.checkpoint.serializers.tensors import (
    reduce_generator,
    reduce_storage,
    reduce_tensor,
    reduce_typed_storage,
)

Reducer = Callable[[Any], Any]
_DICTS: tuple[Any, ...] = ({}, OrderedDict())
_VIEWS = tuple(type(view) for owner in _DICTS for view in (owner.keys(), owner.values(), owner.items()))
_LIBRARIES: tuple[tuple[str, str, Reducer], ...] = (
    ("numpy.random.mtrand", "RandomState", lambda value: _numpy_random(value)),
    ("numpy", "ndarray", reduce_array),
    ("pandas", "DataFrame", reduce_frame),
    ("pandas", "Series", reduce_frame),
    ("pandas._libs.internals", "BlockManager", reduce_manager),
    ("pandas.core.internals.managers", "SingleBlockManager", reduce_owner),
    ("pandas", "Index", reduce_owner),
    ("pandas.api.extensions", "ExtensionArray", reduce_owner),
    ("polars", "DataFrame", columns.reduce_frame),
    ("polars", "Series", columns.reduce_series),
    ("polars", "LazyFrame", columns.reduce_query),
    ("polars", "Expr", columns.reduce_query),
    ("pyarrow", "Array", columns.reduce_array),
    ("torch", "Tensor", reduce_tensor),
    ("torch.storage", "TypedStorage", reduce_typed_storage),
    ("torch.storage", "UntypedStorage", reduce_storage),
    ("torch", "Generator", reduce_generator),
)
"""Module, class and reducer; subclasses included, the first that fits. None of the modules is imported here."""
_BY_NAME = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, property, staticmethod, classmethod)


def reducer_for(kind: type) -> Reducer:
    """How values of this type are reduced; the reducer may return NotImplemented, or raise `RefusedError`."""
    if issubclass(kind, io.TextIOWrapper):
        return _text_file
    if reason := refusal(kind):
        return functools.partial(_refuse, reason)
    for family, reduce in _families():
        if family is not None and issubclass(kind, family):
            return reduce
    return _named


def _families() -> list[tuple[type | None, Reducer]]:
    return [
        (memoryview, _memoryview),
        *((view, _dict_view) for view in _VIEWS),
        (functools._lru_cache_wrapper, _cached),
        (typing.NewType, _new_type),
        (type(os.environ), _environment),
        (random.Random, _python_random),
        *((library_class(module, name), reduce) for module, name, reduce in _LIBRARIES),
    ]


def _refuse(reason: str, value: Any) -> Any:
    raise RefusedError(reason)


def _text_file(value: Any) -> Any:
    for name in ("stdout", "stderr"):
        if value is getattr(sys, name):
            return rebuild.standard_stream, (name,)
    return _refuse(refusal(io.TextIOWrapper), value)


def _memoryview(value: memoryview) -> Any:
    if value.format == "B" and value.ndim == 1 and value.c_contiguous and value.nbytes == memoryview(value.obj).nbytes:
        return rebuild.whole_view, (value.obj,)
    raise RefusedError("a memoryview of a part of its object would come back as a copy")


def _dict_view(value: Any) -> Any:
    # The view's only reference is its dict; `.mapping` would give a proxy, which leads no further.
    return rebuild.dict_view, (gc.get_referents(value)[0], type(value).__name__.partition("_")[2])


def _cached(value: Any) -> Any:
    if not hasattr(value, "__wrapped__") or value.__module__ != "__main__":
        return NotImplemented
    return rebuild.make_cached, (value.__wrapped__, value.cache_parameters())


def _new_type(value: Any) -> Any:
    return (typing.NewType, (value.__name__, value.__supertype__)) if value.__module__ == "__main__" else NotImplemented


def _python_random(value: random.Random) -> Any:
    shared = getattr(random, "_inst", None)
    return (rebuild.random_state, ("random", "_inst")) if value is shared else NotImplemented


def _numpy_random(value: Any) -> Any:
    shared = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    return (rebuild.random_state, ("numpy.random.mtrand", "_rand")) if value is shared else NotImplemented


def _environment(value: Any) -> Any:
    return (rebuild.environment, ()) if value is os.environ else NotImplemented


def _named(value: Any) -> Any:
    # An instance with a qualified name of its own is pickled by that name, which must not be the notebook's.
    own = getattr(value, "__module__", None) == "__main__" and hasattr(value, "__qualname__")
    if own and not isinstance(value, _BY_NAME):
        raise RefusedError(f"a {type(value).__qualname__} of the notebook can only be saved by its name")
    return NotImplemented
