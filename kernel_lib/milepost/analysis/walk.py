"""A walk over a value that feeds all of its content to one hasher: what `digest` is made of.

Containers go element by element, arrays and frames by their buffers (`adapters`), functions and classes by their code,
other objects by what `__reduce_ex__` says with the instance's dictionary sorted. A mutable object met again is a
back-reference. What has no content (a figure, a generator, an open file) raises `NoContent`.
"""

from __future__ import annotations

import copyreg
import enum
import io
import marshal
import struct
import types
from collections.abc import Callable, Mapping
from typing import Any

from milepost.analysis import adapters
from milepost.analysis.adapters import NoContent, length, pack, pack_again
from milepost.analysis.builtin import BUILTIN, code_text, content_of_cell
from milepost.analysis.code import global_names, imported_names, quoted_names
from milepost.analysis.flat import ATOMS, content_of
from milepost.analysis.modules import is_own, is_project, module_of, named_by_package
from milepost.analysis.opaque import LOOKED_INTO, alive, seen
from milepost.hashing import GATHERED, Stream
from milepost.model.by_class import ByClass

MAX_NODES = 1_000_000
"""Objects walked before a value counts as too large to digest. A cap by count, so that it does not depend on speed."""

CLASS_NOISE = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__", "__slotnames__"}
    | {"__abstractmethods__", "_abc_impl", "__annotations_cache__", "__annotate_func__", "__annotate__"}
)
"""Members of a class that say nothing of what it does, or change as a side effect of using it."""

_STATE_NOISE = frozenset({"_stop_words_id"})
"""Attributes that hold an `id()`: vectorizers of scikit-learn."""

_SORTED_AS_SUCH = frozenset({int, str, bytes})

_NO_CONTENT: tuple[type, ...] = (
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
    types.FrameType,
    types.TracebackType,
    io.IOBase,
)


class Walk:
    """One walk over one value."""

    def __init__(self, namespace: Mapping[str, Any] | None, *, holes: bool = False) -> None:
        self.namespace = namespace
        self.holes = holes
        self.imports: set[str] = set()
        self._stream = Stream()
        self._waiting = self._stream.waiting
        self.globals: set[str] = set()
        self.nodes = 0
        self._seen: dict[int, int] = {}
        self.met: list[object] = []

    # feeding

    def hexdigest(self) -> str:
        """What all that was fed comes to."""
        return self._stream.hexdigest()

    def tag(self, *words: object) -> None:
        """Feed short words that are likely to come again, each with its length."""
        self._waiting += pack_again(*words)

    def data(self, data: Any) -> None:
        """Feed a buffer with its length."""
        view = memoryview(data)
        self._waiting += length(view.nbytes)
        if view.nbytes < GATHERED:
            self._waiting += view
        else:
            self._stream.large(view)

    def packed(self, data: bytes) -> None:
        """Feed bytes that say themselves where each thing ends."""
        self._waiting += data

    def value(self, value: object) -> None:
        """Feed any value."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise NoContent(f"it has more than {MAX_NODES:,} parts")
        if len(self._waiting) > GATHERED:
            self._stream.flush()
        kind = type(value)
        if kind in ATOMS:
            self._waiting += _atom(value)
        elif kind is tuple:
            self._sequence("tuple", value)  # type: ignore[arg-type]
        elif kind is frozenset:
            self._set("frozenset", value)  # type: ignore[arg-type]
        elif not self._back_reference(value):
            self._part(value)

    def _part(self, value: object) -> None:
        if not self.holes:
            return self._mutable(value)
        try:
            self.tag(self._apart(value)) if self._foreign(type(value)) else self._mutable(value)
        except NoContent:
            if self.nodes > MAX_NODES:
                raise
            self.tag("hole", type(value).__qualname__)
            self.value(seen(value))
            if not self._foreign(type(value)):
                self._dictionary(getattr(value, "__dict__", {}))

    def _foreign(self, kind: type) -> bool:
        """Whether instances are looked into only as a whole: a client or a shell changes by itself all the time."""
        mine = kind.__module__ in {"builtins", *LOOKED_INTO} or is_own(kind)
        return not mine and kind not in _HANDLERS

    def _back_reference(self, value: object) -> bool:
        index = self._seen.setdefault(id(value), len(self._seen))
        if index == len(self.met):
            self.met.append(value)
            return False
        self.tag("again", index)
        return True

    def _mutable(self, value: object) -> None:
        kind: Any = type(value)
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, value)
        elif isinstance(value, type):
            self._class(value)
        elif adapters.feed(self, value):
            pass
        elif _without_content(kind) or (_says_class(value) is not kind and isinstance(value, _NO_CONTENT)):
            raise NoContent(f"a {type(value).__name__} has no content to compare", consumable=True)
        elif alive(value):
            raise NoContent(f"a {type(value).__name__} lives in the running kernel", consumable=True)
        else:
            self._object(value)

    # containers

    def _large(self, items: Any, *, lasting: bool = True) -> bool:
        """Feed a large container that holds nothing that can change; whether it is one."""
        found = content_of(items, lasting=lasting)
        if found is not None:
            self.nodes += found.parts
            self.packed(pack(found.content))
        return found is not None

    def passing(self, items: list[Any]) -> None:
        """Feed a list that was made for this walk, and that nobody shall hold afterwards: it may be large."""
        self._back_reference(object())
        self._sequence("list", items, lasting=False)

    def _sequence(self, name: str, items: list[Any] | tuple[Any, ...], *, lasting: bool = True) -> None:
        self.tag(name, len(items))
        if self._large(items, lasting=lasting):
            return
        if set(map(type, items)) <= ATOMS:
            self.nodes += len(items)
            self.data(marshal.dumps(items, 2))
            return
        for item in items:
            self.value(item)

    def _list(self, items: list[Any]) -> None:
        self._sequence("list", items)

    def _dict(self, items: dict[Any, Any]) -> None:
        self.tag("dict", len(items))
        if self._large(items):
            return
        if set(map(type, items)) <= ATOMS and set(map(type, items.values())) <= ATOMS:
            self.nodes += len(items)
            self.data(marshal.dumps(items, 2))
            return
        for key, item in items.items():
            self.value(key)
            self.value(item)

    def _set(self, name: str, items: set[Any] | frozenset[Any]) -> None:
        self.tag(name, len(items))
        if self._large(items):
            return
        kinds = set(map(type, items))
        if len(kinds) == 1 and kinds <= _SORTED_AS_SUCH:
            self.nodes += len(items)
            self.data(marshal.dumps(sorted(items), 2))
            return
        for part in sorted(map(self._member, items)):
            self.packed(pack(part))

    def _member(self, item: Any) -> bytes:
        """What tells an item of a set from others; plain ones cost no walk of their own."""
        inside = item if type(item) is tuple else (item,)
        if ATOMS.issuperset(map(type, inside)):
            self.nodes += len(inside)
            return marshal.dumps(item, 2)
        return self._apart(item).encode()

    def _apart(self, item: object) -> str:
        """The digest of one value on its own: the order of a set differs between processes."""
        walk = self.another()
        walk.nodes = self.nodes
        walk.value(item)
        self.nodes = walk.nodes
        self.globals |= walk.globals
        self.imports |= walk.imports
        return walk.hexdigest()

    def another(self) -> Walk:
        """A walk by the same rules over something else."""
        return Walk(self.namespace)

    # code

    def _function(self, function: types.FunctionType) -> None:
        if self._by_name(function):
            return
        if isinstance(kinds := getattr(function, "registry", None), types.MappingProxyType):
            self.tag("single dispatch")  # what else `functools.singledispatch` keeps there is its cache
            self.value(kinds)
            return
        self.packed(pack("function", code_text(function.__code__)))
        self.value(function.__defaults__)
        self.value(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            self.value(content_of_cell(cell))
        self._dictionary(function.__dict__)
        self._globals(function)

    def _globals(self, function: types.FunctionType) -> None:
        """Names of the notebook are reported; those of a project's module are digested with the module."""
        if function.__globals__ is self.namespace:
            self.globals.update(global_names(function.__code__))
            self.globals.update(name for name in quoted_names(function.__code__) if name in self.namespace)
            self.imports.update(imported_names(function.__code__))
        elif is_project(module := module_of(function)):
            self.value(module)

    def _by_name(self, thing: Any) -> bool:
        """Functions and classes of installed packages count by their name, unless they were made at run time."""
        module = module_of(thing)
        if module is None or getattr(module, "__dict__", None) is self.namespace or is_project(module):
            return False
        if isinstance(thing, types.FunctionType) and not named_by_package(thing):
            return False
        self.tag("installed", thing.__module__, thing.__qualname__)
        return True

    def _class(self, cls: type) -> None:
        if cls.__module__ == "builtins" or self._by_name(cls):
            self.tag("class", cls.__module__, cls.__qualname__)
            return
        self.tag("class by code", cls.__qualname__)
        for base in (type(cls), *cls.__bases__):
            self.value(base)
        if isinstance(cls, enum.EnumMeta):
            self._members({name: member.value for name, member in cls.__members__.items()})  # type: ignore[var-annotated]
            self._members({name: item for name, item in vars(cls).items() if isinstance(item, types.FunctionType)})
        else:
            self._members({name: item for name, item in vars(cls).items() if name not in CLASS_NOISE})

    def _members(self, members: Mapping[str, object]) -> None:
        for name in sorted(members):
            item = members[name]
            self.tag(name)
            if not isinstance(item, types.GetSetDescriptorType | types.MemberDescriptorType):
                self.value(item)

    def _module(self, module: types.ModuleType) -> None:
        """An installed module counts by name; a project's by what it defines, as loaded."""
        self.tag("module", module.__name__)
        if not is_project(module):
            return
        for name in sorted(vars(module)):
            if not name.startswith("__"):
                self._module_member(name, vars(module)[name])

    def _module_member(self, name: str, item: object) -> None:
        self.tag(name)
        try:
            self.value(item)
        except NoContent:
            self.tag("no content", type(item).__qualname__)

    # other objects

    def _object(self, value: Any) -> None:
        if isinstance(value, enum.Enum):
            self.value(type(value))
            self.tag("member", value.name)
            return
        reduced = _reduce(value)
        if isinstance(reduced, str):
            self.tag("global", getattr(value, "__module__", ""), reduced)
            return
        function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if function is iter and state == 0:  # a used-up iterator over a list has no place, and one made again has this
            state = None
        self.tag("object")
        self.value(type(value))
        self.value(function)
        self.value(tuple(arguments))
        self._state(state)
        if isinstance(state, dict) and _says_state(type(value)):
            self._left_out({name: item for name, item in getattr(value, "__dict__", {}).items() if name not in state})
        for more in (items, pairs):
            self.value(None) if more is None else self.passing(list(more))

    def _state(self, state: object) -> None:
        if isinstance(state, dict):
            self._dictionary(state)
        elif isinstance(state, tuple) and len(state) == 2 and all(isinstance(part, dict | None) for part in state):
            for part in state:
                self._dictionary(part or {})
        else:
            self.value(state)

    def _left_out(self, items: Mapping[str, object]) -> None:
        """What `__getstate__` leaves out, as far as it has content."""
        for name in sorted(items):
            self._module_member(name, items[name])

    def _dictionary(self, items: Mapping[Any, object]) -> None:
        """Attributes by name, since the order in which they were set says nothing."""
        self.tag("attributes", len(items))
        for name in sorted(items, key=str):
            if name not in _STATE_NOISE:
                self.tag(str(name))
                self.value(items[name])


@ByClass
def _without_content(kind: type) -> bool:
    return issubclass(kind, _NO_CONTENT)


def _says_class(value: Any) -> Any:
    """The class that a value says it has: proxies name that of what they stand for, some name none."""
    return getattr(value, "__class__", type(value))


def _says_state(kind: type) -> bool:
    """Whether a class of the notebook or its project has a `__getstate__` of its own."""
    if getattr(kind, "__getstate__", None) is getattr(object, "__getstate__", ...):
        return False
    owner = next((base for base in kind.__mro__ if "__getstate__" in vars(base)), object)
    return is_own(owner)


def _atom(value: Any) -> bytes:
    """Exact bytes of an atom with its type: `1`, `1.0` and `True` differ, and so do `0.0` and `-0.0`."""
    kind: type = type(value)
    if kind is float:
        return b"f" + struct.pack("<d", value)
    if kind is complex:
        return b"c" + struct.pack("<dd", value.real, value.imag)
    data: bytes
    if kind is int:
        data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    elif kind is str:
        data = value.encode("utf-8", "surrogatepass")
    else:
        data = value if kind is bytes else repr(value).encode()
    return kind.__name__[:3].encode() + length(len(data)) + data


def _reduce(value: Any) -> Any:
    """What pickling would take apart; any error means that there is no content."""
    try:
        reducer = copyreg.dispatch_table.get(type(value))
        return reducer(value) if reducer else value.__reduce_ex__(4)
    except RecursionError:
        raise
    except Exception as error:
        raise NoContent(f"a {type(value).__qualname__} has no content to compare ({error})") from None


def _mutable_set(walk: Walk, items: set[Any]) -> None:
    walk._set("set", items)


_HANDLERS: dict[type, Callable[[Walk, Any], None]] = {
    list: Walk._list,
    dict: Walk._dict,
    set: _mutable_set,
    types.FunctionType: Walk._function,
    types.ModuleType: Walk._module,
    **BUILTIN,
}
