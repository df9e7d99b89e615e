"""The C pickler with rules for what lives in a notebook."""

from __future__ import annotations

import functools
import sys
import types
import typing
from collections.abc import Callable, Collection, KeysView, Mapping
from dataclasses import dataclass
from typing import Any

from cloudpickle.cloudpickle import _should_pickle_by_reference  # type: ignore[import-untyped]

from milepost.checkpoint.serializers import rebuild
from milepost.checkpoint.serializers.adapt import Reducer, reducer_for
from milepost.checkpoint.serializers.memory import Shared, reduce_part, shares_memory
from milepost.checkpoint.serializers.refuse import RefusedError, runs_code
from milepost.pickling import Pickler

_SLOTS = (
    *("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__"),
    "__type_params__",
)
"""What a function is besides its code, closure and globals; the last from Python 3.12 on."""


_MADE_BY_PYTHON = 1 << 9
"""The flag of types that are made while Python runs (`Py_TPFLAGS_HEAPTYPE`)."""


class _Shell:
    """Stands for one cell while pickling: empty when built, so that functions may hold themselves."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The notebook whose values are pickled.

    `own` are the ids of functions and classes that must be saved by value, as the task itself made them; for
    `resolve` and `fingerprint` see `rebuild.Notebook`.
    """

    namespace: dict[str, Any]
    own: Collection[int]
    resolve: Callable[[str], Any]
    fingerprint: Callable[[Any], str]


class NotebookPickler(Pickler):
    """Saves functions and classes of the notebook by value, bound to the live notebook when loaded.

    Parameters
    ----------
    file : writable binary file
    scope : Scope
    memory : Shared, optional
        Whose memory belongs to whom.
    linked : collection of int
        The `id` of objects that are live when the pickle is loaded, which its memo has from the start.
    buffer_callback : callable, optional
        Takes the large buffers.
    """

    def __init__(
        self,
        file: Any,
        scope: Scope,
        memory: Shared | None = None,
        linked: Collection[int] = (),
        buffer_callback: Callable[[Any], Any] | None = None,
    ) -> None:
        # One dict: cloudpickle's chain of them is asked in Python for each object.
        self.dispatch_table = {}  # type: ignore[misc]
        for table in reversed(Pickler.dispatch_table.maps):
            self.dispatch_table.update(table)
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self.met: list[Any] = []
        """Arrays and storages so far, whose memory may be shared."""
        self._scope = scope
        self._memory = Shared() if memory is None else memory
        self._linked = linked
        self._shells: dict[int, tuple[_Shell, types.CellType]] = {}
        self._reducers: dict[type, Reducer | None] = {types.FunctionType: self._function, types.CellType: self._cell}
        self._reducers[_Shell] = lambda shell: (rebuild.make_cell, ())

    def reducer_override(self, value: Any) -> Any:
        """How a value that is no plain number, text or container is saved."""
        try:
            reduce = self._reducers[type(value)]
        except KeyError:
            reduce = self._reducers[type(value)] = self._reducer(value)
        return NotImplemented if reduce is None else reduce(value)

    def _reducer(self, value: Any) -> Reducer | None:
        if issubclass(type(value), type):  # a weak proxy of a class is an instance of `type`, too
            return self._class
        reduce = reducer_for(value)
        return functools.partial(self._sharing, reduce) if reduce and shares_memory(type(value)) else reduce

    def _sharing(self, reduce: Reducer, value: Any) -> Any:
        self.met.append(value)
        self._memory.require_whole(value)
        part = self._memory.part(value)
        return reduce(value) if part is None else reduce_part(value, part)

    def _function(self, function: types.FunctionType) -> Any:
        if _should_pickle_by_reference(function):
            return NotImplemented
        scope = self._globals(function)
        if scope is None:
            return self._dynamic_function_reduce(function)
        args = (function.__code__, scope, self._closure(function))
        linked = function.__closure__ is None and not function.__dict__
        return self._named(function, rebuild.live_function, rebuild.make_function, args, linked, self._state(function))

    def _globals(self, function: types.FunctionType) -> Any:
        """What stands for the function's globals: the notebook's namespace, a module's, or nothing known."""
        scope = function.__globals__
        if scope is self._scope.namespace:
            return _Call(rebuild.live_namespace)
        name = scope.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        return _Call(rebuild.module_namespace, name) if getattr(module, "__dict__", None) is scope else None

    def _closure(self, function: types.FunctionType) -> tuple[_Shell | types.CellType, ...] | None:
        cells = function.__closure__
        return None if cells is None else tuple(self._shell(cell) for cell in cells)

    @property
    def cells(self) -> KeysView[int]:
        """The cells of closures so far, by `id`."""
        return self._shells.keys()

    def _shell(self, cell: types.CellType) -> _Shell | types.CellType:
        return cell if id(cell) in self._linked else self._shells.setdefault(id(cell), (_Shell(), cell))[0]

    def _cell(self, cell: types.CellType) -> Any:
        return rebuild.fill_cell, (self._shell(cell), _content(cell))

    def _state(self, function: types.FunctionType) -> dict[str, Any]:
        names = [name for name in _SLOTS if getattr(function, name, ()) or name != "__type_params__"]
        cells = [() if id(cell) in self._linked else _content(cell) for cell in function.__closure__ or ()]
        slots = {name: getattr(function, name) for name in names}
        return {"cells": cells, "slots": slots, "attributes": dict(function.__dict__)}

    def _class(self, value: type) -> Any:
        if value.__module__ != "__main__" and _should_pickle_by_reference(value):
            return NotImplemented
        if type(value).__module__ == "_ctypes":
            raise RefusedError(
                f"the type {value.__name__} of ctypes was made in this process and cannot be found again"
            )
        reduced = super().reducer_override(value)
        if not isinstance(reduced, tuple) or len(reduced) != 6:
            return reduced
        if not value.__flags__ & _MADE_BY_PYTHON or "n_sequence_fields" in vars(value):
            raise RefusedError(f"the class {value.__qualname__} was made in C and is not found by its name")
        maker, args, state = reduced[:3]
        # A cache that pickling itself puts into classes.
        state[0].pop("__slotnames__", None)
        if maker.__name__ == "_make_skeleton_enum":
            build = rebuild.make_enum
        else:
            build = rebuild.make_class
            state[0].update(_own_again(value, state[0]))
        return self._named(value, rebuild.live_class, build, _class_args(value, args), True, state)

    def _named(self, value: Any, find: Any, build: Any, args: tuple[Any, ...], linked: bool, state: Any) -> Any:
        """By value, and when the notebook has the very thing under its name, as a link to that as well."""
        name = value.__qualname__
        if linked and id(value) not in self._scope.own and self._scope.resolve(name) is value:
            build, args = find, (name, self._scope.fingerprint(value), build, args)
        elif build is rebuild.make_class and (words := runs_code(type(value), value.__bases__)):
            raise RefusedError(f"to make the class {name} runs {words} again, and that may change more")
        return build, args, state, None, None, rebuild.finish


class _Call:
    """Pickled as the result of a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self._call = (function, args)

    def __reduce__(self) -> Any:
        return self._call


def _class_args(value: type, args: tuple[Any, ...]) -> tuple[Any, ...]:
    *kept, _tracker, _extra = args
    if len(kept) != 4:  # an enum, which has its facts already
        return tuple(kept)
    maker, name, bases, facts = kept
    if typing.is_typeddict(value):
        bases = ()  # its metaclass puts `dict` there, and takes no class that it did not make
        return (maker, name, bases, _class_facts(value, facts))
    # `NamedTuple` and the like are functions, which stand for what the class really has as its base.
    usable = not any(isinstance(base, types.FunctionType) for base in bases)
    return (maker, name, bases if usable else value.__bases__, _class_facts(value, facts))


def _own_again(value: type, known: Mapping[str, Any]) -> dict[str, Any]:
    """Members that are the very object that a base has, too: cloudpickle takes them for inherited ones."""
    others = {name: item for name, item in vars(value).items() if name not in known and not name.startswith("__")}
    made = (types.MemberDescriptorType, types.GetSetDescriptorType)
    return {n: item for n, item in others.items() if not isinstance(item, made) and not n.startswith("_abc_")}


def _class_facts(value: type, facts: dict[str, Any]) -> dict[str, Any]:
    """What must be there when the class is made; cloudpickle leaves out slots and the qualified name."""
    if "__slots__" in vars(value):
        facts["__slots__"] = vars(value)["__slots__"]
    return {**facts, "__qualname__": value.__qualname__}


def _content(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()
