"""Values whose ordinary pickle comes back wrong without an error, reduced so that it comes back right."""

from __future__ import annotations

import functools
import gc
import io
import itertools
import os
import random
import sys
import types
import typing
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from milepost.checkpoint.serializers import columns, rebuild
from milepost.checkpoint.serializers.arrays import reduce_array, reduce_row
from milepost.checkpoint.serializers.caches import entries
from milepost.checkpoint.serializers.frames import reduce_frame, reduce_manager, reduce_owner
from milepost.checkpoint.serializers.refuse import (
    RefusedError,
    library_class,
    refusal,
    refuse_unbuildable,
    require_lasting,
)
from milepost.checkpoint.serializers.tensors import (
    reduce_generator,
    reduce_storage,
    reduce_tensor,
    reduce_typed_storage,
)

Reducer = Callable[[Any], Any]
_DICTS: tuple[Any, ...] = ({}, OrderedDict())
_VIEWS = tuple(type(view) for owner in _DICTS for view in (owner.keys(), owner.values(), owner.items()))
_BINARY_FILES = (io.BufferedReader, io.BufferedWriter, io.BufferedRandom)
_BY_NAME = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, property, staticmethod, classmethod)


def reducer_for(first: Any) -> Reducer | None:
    """How values of the type of `first` are reduced: as pickle does it (None), or by a reducer.

    The reducer may return NotImplemented, for pickle's own way, or raise `RefusedError`, as this function may.
    """
    kind = type(first)
    if issubclass(kind, io.TextIOWrapper):
        return _text_file
    if kind in _BINARY_FILES:
        return _file
    if reason := refusal(kind):
        return functools.partial(_refuse, reason)
    for family, reduce in (*_FAMILIES, *_library_families()):
        if issubclass(kind, family):
            return reduce
    refuse_unbuildable(first)
    if _may_drop(kind):
        return _without_loss
    if _fills_itself(kind):
        return _container
    return None if _never_by_name(kind) else _named


def _never_by_name(kind: Any) -> bool:
    if kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__:
        return True
    return kind.__dictoffset__ == 0 and not any("__qualname__" in vars(base) for base in kind.__mro__)


def _library_families() -> list[tuple[type, Reducer]]:
    found = [(library_class(module, name), reduce) for module, name, reduce in _LIBRARIES]
    return [(family, reduce) for family, reduce in found if family is not None]


def _may_drop(kind: type) -> bool:
    """Whether a class of the notebook says itself what of its instances is saved, and not how they are built again."""
    owner = next((base for base in kind.__mro__ if "__getstate__" in vars(base)), object)
    return owner.__module__ == "__main__" and not hasattr(kind, "__setstate__")


def _fills_itself(kind: Any) -> bool:
    """Whether a kind of list or dict does more than to keep its items: pickle gives it these before its state."""
    plain = kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__
    ways = ("append", "extend") if issubclass(kind, list) else ("__setitem__",) if issubclass(kind, dict) else ()
    return plain and any(isinstance(getattr(kind, name), types.FunctionType) for name in ways)


def _container(value: Any) -> Any:
    build, arguments, state = value.__reduce_ex__(5)[:3]
    items = list(list.__iter__(value)) if isinstance(value, list) else list(dict.items(value))
    return build, arguments, (state, items), None, None, rebuild.finish_container


def _without_loss(value: Any) -> Any:
    reduced = value.__reduce_ex__(5)
    state = reduced[2] if isinstance(reduced, tuple) and len(reduced) > 2 else None
    left_out = [name for name in getattr(value, "__dict__", {}) if isinstance(state, dict) and name not in state]
    return _refuse(f"__getstate__ of its class leaves out {left_out[0]!r}", value) if left_out else reduced


def _refuse(reason: str, value: Any) -> Any:
    raise RefusedError(reason)


def _text_file(value: Any) -> Any:
    for name in ("stdout", "stderr"):
        if value is getattr(sys, name):
            return rebuild.standard_stream, (name,)
    return _file(value)


def _file(value: Any) -> Any:
    """A file that was closed, as `with open(…) as file` leaves one behind, says no more than what it was."""
    if not value.closed or not isinstance(value.name, str | bytes | int) or not isinstance(value.mode, str):
        return _refuse(refusal(type(value)), value)
    text = {"encoding": value.encoding, "errors": value.errors} if isinstance(value, io.TextIOWrapper) else {}
    return rebuild.closed_file, (value.name, value.mode, text)


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
    kept = entries(value) if isinstance(value.__wrapped__, types.FunctionType) else []
    return rebuild.make_cached, (value.__wrapped__, value.cache_parameters()), kept, None, None, rebuild.fill_cached


def _new_type(value: Any) -> Any:
    own = value.__module__ == "__main__"
    return (rebuild.make_named, (typing.NewType, value.__name__, value.__supertype__)) if own else NotImplemented


def _python_random(value: random.Random) -> Any:
    shared = getattr(random, "_inst", None)
    return (rebuild.member, ("random", "_inst")) if value is shared else NotImplemented


def _decimal(value: Any) -> Any:
    """The context of this thread is that of the next, too; what it is set to is not the value's."""
    current = sys.modules["decimal"].getcontext
    return (current, ()) if value is current() else NotImplemented


def _numpy_random(value: Any) -> Any:
    shared = getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None)
    return (rebuild.member, ("numpy.random.mtrand", "_rand")) if value is shared else NotImplemented


def _environment(value: Any) -> Any:
    return (rebuild.environment, ()) if value is os.environ else NotImplemented


def _named(value: Any) -> Any:
    # An instance with a qualified name of its own is pickled by that name, which must not be the notebook's.
    own = getattr(value, "__module__", None) == "__main__" and hasattr(value, "__qualname__")
    if own and not isinstance(value, _BY_NAME):
        raise RefusedError(f"a {type(value).__qualname__} of the notebook can only be saved by its name")
    return NotImplemented


def _exception(error: BaseException) -> Any:
    """An exception with its cause and context, whatever its `__init__` asks for; its traceback is not kept."""
    reduced: Any = error.__reduce_ex__(5)
    build, args, *rest = reduced
    if build is type(error) and not isinstance(build.__reduce__, types.FunctionType):
        build, args = rebuild.make_exception, (build, args)
    links = (error.__cause__, error.__context__, error.__suppress_context__)
    return build, args, (rest[0] if rest else None, links), None, None, rebuild.finish_exception


def _proxy(value: types.MappingProxyType[Any, Any]) -> Any:
    return types.MappingProxyType, (gc.get_referents(value)[0],)


def _descriptor(value: Any) -> Any:
    # It is pickled as an attribute of its class, which is another thing where the class's own class has the name too.
    if getattr(value.__objclass__, value.__name__, None) is value:
        return NotImplemented
    raise RefusedError(f"the descriptor {value.__name__!r} of {value.__objclass__.__qualname__} hides behind another")


def _cached_property(value: Any) -> Any:
    # Before Python 3.12 it holds a lock.
    names = ("attrname", "__doc__", "__module__")
    state = {name: item for name, item in vars(value).items() if name in names}
    return rebuild.make_cached_property, (value.func,), state, None, None, rebuild.finish_attributes


def _type_parameter(value: Any) -> Any:
    own = value.__module__ == "__main__"
    return (rebuild.make_named, (type(value), value.__name__)) if own else NotImplemented


def _weak_keys(value: Any) -> Any:
    items = list(value.items())
    require_lasting(key for key, _ in items)
    return rebuild.weak_dict, (type(value), items)


def _weak_values(value: Any) -> Any:
    items = list(value.items())
    require_lasting(item for _, item in items)
    return rebuild.weak_dict, (type(value), items)


def _weak_set(value: Any) -> Any:
    items = list(value)
    require_lasting(items)
    return type(value), (items,)


def _distribution(value: Any) -> Any:
    """A distribution of SciPy itself is the one in its module; one of the user's is saved."""
    name = value.name or ""
    known = getattr(sys.modules["scipy.stats"], name, None)
    return (rebuild.member, ("scipy.stats", name)) if known is value else NotImplemented


def _callbacks(value: Any) -> Any:
    """matplotlib's pickle takes a number from the live figure's counter: it is put back."""
    reduced = value.__reduce_ex__(5)
    state = reduced[2]
    if type(state) is dict and type(state.get("_cid_gen")) is int and "_cid_gen" in vars(value):
        value._cid_gen = itertools.count(state["_cid_gen"])
    return reduced


def _bunch(value: Any) -> Any:
    """A data set of scikit-learn: its own pickle leaves out attributes, for the sake of version 0.16."""
    function, arguments, state, items, pairs = value.__reduce_ex__(5)
    return function, arguments, state, items, pairs, rebuild.finish_vars


_FAMILIES: tuple[tuple[type, Reducer], ...] = (
    (memoryview, _memoryview),
    *((view, _dict_view) for view in _VIEWS),
    (BaseException, _exception),
    (functools._lru_cache_wrapper, _cached),
    (functools.cached_property, _cached_property),
    (typing.NewType, _new_type),
    (typing.ParamSpec, _type_parameter),
    (typing.TypeVarTuple, _type_parameter),
    (types.MappingProxyType, _proxy),
    (types.GetSetDescriptorType, _descriptor),
    (types.MemberDescriptorType, _descriptor),
    (weakref.WeakKeyDictionary, _weak_keys),
    (weakref.WeakValueDictionary, _weak_values),
    (weakref.WeakSet, _weak_set),
    (type(os.environ), _environment),
    (random.Random, _python_random),
)
"""Of Python itself, subclasses included; the first that fits."""

_LIBRARIES: tuple[tuple[str, str, Reducer], ...] = (
    ("decimal", "Context", _decimal),
    ("numpy.random.mtrand", "RandomState", _numpy_random),
    ("numpy", "ndarray", reduce_array),
    ("numpy", "void", reduce_row),
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
    ("matplotlib.cbook", "CallbackRegistry", _callbacks),
    ("scipy.stats", "rv_continuous", _distribution),
    ("scipy.stats", "rv_discrete", _distribution),
    ("sklearn.utils", "Bunch", _bunch),
    ("torch", "Tensor", reduce_tensor),
    ("torch.storage", "TypedStorage", reduce_typed_storage),
    ("torch.storage", "UntypedStorage", reduce_storage),
    ("torch", "Generator", reduce_generator),
)
"""Of libraries: module, class, reducer. None of the modules is imported here."""
