"""What saved streams call to build things again.

A stream names these functions, so their names and parameters belong to the format. The first group needs the
live notebook: while loading, the unpickler puts the methods of `Notebook` in their place.
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import pickle
import sys
import types
from collections.abc import Callable
from typing import Any

from milepost.checkpoint.serializers import links
from milepost.checkpoint.serializers.caches import fill
from milepost.checkpoint.serializers.owning import owning_result
from milepost.checkpoint.serializers.refuse import runs_code
from milepost.model.errors import SerializationError


def live_namespace() -> dict[str, Any]:
    """The notebook's namespace, itself."""
    raise _outside()


def live_function(name: str, fingerprint: str, build: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The notebook's function of that name while its code is the same, else one built by value."""
    raise _outside()


def live_class(name: str, fingerprint: str, build: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The notebook's class of that name while its code is the same, else one built by value."""
    raise _outside()


def finish(target: Any, state: Any) -> None:
    """Complete what was built by value; what is live is left as it is."""
    raise _outside()


def _outside() -> SerializationError:
    return SerializationError("only NotebookSerializer.load can build this: it belongs to a live notebook")


class Notebook:
    """The live side of the functions above.

    Parameters
    ----------
    namespace : dict
    resolve : callable
        `resolve(name)` gives the live function or class of a qualified name, or None.
    fingerprint : callable
        Of a function's or class's code.
    shared : callable, optional
        Gives a live input by its name.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        resolve: Callable[[str], Any],
        fingerprint: Callable[[Any], str],
        shared: Callable[[str], Any] | None,
    ) -> None:
        self._namespace = namespace
        self._resolve = resolve
        self._fingerprint = fingerprint
        self._shared = shared
        self._live: set[int] = set()

    def live_namespace(self) -> dict[str, Any]:
        """See the function of this name."""
        return self._namespace

    def link(self, persistent_id: str) -> Any:
        """The task's live input, or a part of it, that `links.prefix` wrote."""
        name = links.name_of(persistent_id)
        if self._shared is None:
            raise SerializationError(f"the saved values hold the input {name!r}, which was not given")
        return links.live(self._shared(name), persistent_id)

    def live_function(self, name: str, fingerprint: str, build: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """See the function of this name."""
        return self._live_or_built(types.FunctionType, name, fingerprint, build, args)

    def live_class(self, name: str, fingerprint: str, build: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """See the function of this name."""
        return self._live_or_built(type, name, fingerprint, build, args)

    def finish(self, target: Any, state: Any) -> None:
        """See the function of this name."""
        if id(target) not in self._live:
            (finish_class if isinstance(target, type) else finish_function)(target, state)

    def _live_or_built(
        self, kind: type, name: str, fingerprint: str, build: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        found = self._resolve(name)
        if isinstance(found, kind) and self._fingerprint(found) == fingerprint:
            self._live.add(id(found))
            return found
        return build(*args)


def module_namespace(name: str) -> dict[str, Any]:
    """The globals of a module, imported if need be."""
    return importlib.import_module(name).__dict__


def make_function(code: types.CodeType, namespace: dict[str, Any], closure: tuple[Any, ...] | None) -> Any:
    """A function that `finish_function` completes."""
    return types.FunctionType(code, namespace, None, None, closure)


def finish_function(function: Any, state: dict[str, Any]) -> None:
    """Give a function its attributes and fill its cells; those without content are empty, or live."""
    for cell, content in zip(function.__closure__ or (), state["cells"], strict=True):
        if content:
            cell.cell_contents = content[0]
    for name, value in state["slots"].items():
        setattr(function, name, value)
    function.__dict__.update(state["attributes"])


def make_cell() -> types.CellType:
    """An empty cell; functions that share a variable share its cell."""
    return types.CellType()


def fill_cell(cell: types.CellType, content: tuple[Any, ...]) -> types.CellType:
    """A cell that is a value of its own."""
    if content:
        cell.cell_contents = content[0]
    return cell


def make_class(*args: Any) -> Any:
    """A class without members. It is never tracked: cloudpickle rewrites the live classes that it tracks."""
    from cloudpickle.cloudpickle import _make_skeleton_class  # type: ignore[import-untyped]

    if words := runs_code(args[0], args[2]):
        raise SerializationError(f"to make the class {args[1]} runs {words}")
    return _make_skeleton_class(*args, class_tracker_id=None, extra=None)


def make_enum(*args: Any) -> Any:
    """An enum with its members, but without its methods; see `make_class`."""
    from cloudpickle.cloudpickle import _make_skeleton_enum

    return _make_skeleton_enum(*args, class_tracker_id=None, extra=None)


def finish_class(target: Any, state: Any) -> None:
    """Give a class its members."""
    from cloudpickle.cloudpickle import _class_setstate

    _class_setstate(target, state)


def make_cached(function: Any, parameters: dict[str, Any]) -> Any:
    """A function under `functools.lru_cache`, its cache empty."""
    return functools.lru_cache(**parameters)(function)


def fill_cached(cached: Any, found: list[Any]) -> None:
    """Give it the entries of its cache."""
    fill(cached, found)


def make_cached_property(function: Any) -> Any:
    """A cached property, which `finish_attributes` completes."""
    return functools.cached_property(function)


def finish_attributes(target: Any, attributes: dict[str, Any]) -> None:
    """Give a value its attributes."""
    for name, value in attributes.items():
        setattr(target, name, value)


def finish_vars(target: Any, attributes: dict[str, Any]) -> None:
    """Give a value its attributes, past what its class makes of setting them."""
    vars(target).update(attributes)


def finish_container(target: Any, state: tuple[Any, list[Any]]) -> None:
    """Give a kind of list or dict its attributes, then its items, by no method of its own."""
    attributes, items = state
    if hasattr(target, "__setstate__") and attributes is not None:
        target.__setstate__(attributes)
    elif attributes is not None:
        own, slots = attributes if isinstance(attributes, tuple) else (attributes, None)
        target.__dict__.update(own or {})
        finish_attributes(target, slots or {})
    list.extend(target, items) if isinstance(target, list) else dict.update(target, items)


def make_named(kind: Any, *args: Any) -> Any:
    """A new type or a type parameter of the notebook; it takes the module of who calls for its own."""
    found = kind(*args)
    found.__module__ = "__main__"
    return found


def make_exception(kind: Any, args: tuple[Any, ...]) -> Any:
    """An exception with these `args`; an `__init__` in Python may ask for others, and its work is in the state."""
    error = _first_in_c(kind, "__new__")(kind, *args)
    _first_in_c(kind, "__init__")(error, *args)
    return error


def _first_in_c(kind: type, name: str) -> Any:
    methods = (getattr(base, name) for base in kind.__mro__)
    return next(method for method in methods if not isinstance(method, types.FunctionType))


def finish_exception(error: Any, state: Any) -> None:
    """Give an exception its attributes, its cause and its context."""
    own, (cause, context, suppress) = state
    if own is not None:
        error.__setstate__(own)
    error.__cause__, error.__context__, error.__suppress_context__ = cause, context, suppress


def weak_dict(kind: Any, items: Any) -> Any:
    """A dict that holds its keys, or its values, weakly."""
    return kind(items)


def member(module: str, name: str) -> Any:
    """What a module has under a name: its global random generator, so that seeding it still has its effect."""
    return getattr(importlib.import_module(module), name)


def standard_stream(name: str) -> Any:
    """`sys.stdout` or `sys.stderr` as they are now."""
    return getattr(sys, name)


def closed_file(name: Any, mode: str, text: dict[str, Any]) -> Any:
    """A closed file of this name; no file is looked for."""
    made: Any = open(os.devnull, mode.replace("x", "w"), **text)  # noqa: SIM115
    raw = made.buffer.raw if text else made.raw
    raw.name = name
    made.close()
    return made


def environment() -> Any:
    """The environment of this process, itself."""
    return os.environ


def with_dill(data: bytes) -> Any:
    """What only dill could save."""
    import dill  # type: ignore[import-untyped]

    return dill.load(io.BytesIO(data))


def whole_view(owner: Any) -> memoryview:
    """A memoryview over all bytes of `owner`."""
    return memoryview(owner)


def dict_view(owner: dict[Any, Any], kind: str) -> Any:
    """A view (keys, values or items) of a dict that lives elsewhere too."""
    return getattr(owner, kind)()


class Unpickler(pickle.Unpickler):
    """Finds the functions of this module, and what is in the notebook, with the live notebook."""

    def __init__(self, stream: bytes, buffers: Any, notebook: Notebook) -> None:
        super().__init__(io.BytesIO(stream), buffers=buffers)
        self._notebook = notebook

    def persistent_load(self, name: str) -> Any:
        """A live input, or a part of one."""
        return self._notebook.link(name)

    def find_class(self, module: str, name: str) -> Any:
        """What the stream calls `name` of `module`."""
        if module == __name__ and hasattr(Notebook, name):
            return getattr(self._notebook, name)
        found = super().find_class(module, name)
        of_buffer = name == "_frombuffer" and module in ("numpy._core.numeric", "numpy.core.numeric")
        return owning_result(found) if of_buffer else found
