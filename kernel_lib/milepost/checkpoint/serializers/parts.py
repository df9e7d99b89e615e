"""What a live value is made of, with the way to each part: enough to find it again in the value of another kernel."""

from __future__ import annotations

import datetime
import enum
import functools
import gc
import logging
import numbers
import pathlib
import re
import types
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from milepost.checkpoint.serializers.refuse import library_class
from milepost.model.by_class import ByClass
from milepost.model.errors import SerializationError

MOST_PARTS = 100_000
"""So many parts are looked at; what is behind them is saved as a copy."""

Step = tuple[str, str | int]
"""One step: how to go on ("item", "value", "key", "attribute", "member", "flat" or "tensor"), and where."""


Path = tuple[Step, ...]


class Link(NamedTuple):
    """A live object: an input, or what a path leads to from there."""

    target: Any
    name: str
    path: Path = ()


class Parts:
    """Some parts of a value, by their paths: stands for the value where nothing else of it is needed."""

    def __init__(self, parts: Mapping[Path, Any]) -> None:
        self.parts = dict(parts)


_WITHOUT_PARTS = {int, float, complex, str, bytes, bool, type(None), type(...), range, slice}
_CLOSED = {*_WITHOUT_PARTS, type, types.ModuleType, types.FrameType, types.GeneratorType, types.CoroutineType}
_MEMBERS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (types.FunctionType, ("__closure__", "__defaults__", "__kwdefaults__")),
    (types.MethodType, ("__self__", "__func__")),
    (types.BuiltinFunctionType, ("__self__",)),
    (types.CellType, ("cell_contents",)),
    (functools.partial, ("func", "args", "keywords")),
)
"""Where else than in items and attributes values of Python's own types keep their parts."""

_LIKE_ANOTHER = (
    *(tuple, frozenset, type, types.ModuleType, types.MethodType, types.BuiltinFunctionType, numbers.Number, enum.Enum),
    *(datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, re.Pattern, pathlib.PurePath, logging.Logger),
)
"""Of no identity that anybody could miss, or pickled by name."""


def walk(inputs: Mapping[str, Any]) -> Iterator[Link]:
    """The inputs and their parts that have an identity, each once, near ones first."""
    named = {id(value): Link(value, name) for name, value in inputs.items()}  # one may have several names
    queue, seen = deque(named.values()), set(named)
    left = MOST_PARTS
    while queue:
        link = queue.popleft()
        if _has_identity(link.target) or (not link.path and not _is_anybodys(link.target)):
            yield link
        for step, part in islice(_parts(link.target, left), left):
            left -= 1
            if id(part) not in seen:
                seen.add(id(part))
                queue.append(Link(part, link.name, (*link.path, step)))


class Survey(NamedTuple):
    """What inputs are made of, at C speed and without the ways to it: the `id` of all parts, and their types."""

    parts: set[int]
    kinds: set[type]


def survey(inputs: Iterable[Any]) -> Survey:
    """Tells most often that nothing of the inputs is held, so that nobody has to `walk`."""
    found = Survey(set(), set())
    level, left = list(inputs), MOST_PARTS
    while level and left > 0:
        near, left = level[:left], left - len(level)
        level = [item for item in near if type(item) not in _CLOSED and id(item) not in found.parts]
        found.parts.update(map(id, level))
        found.kinds.update(map(type, level))
        functions = [item for item in level if type(item) is types.FunctionType]
        level = gc.get_referents(*(item for item in level if not isinstance(item, types.FunctionType | type)))
        for item in functions:  # their referents would be all globals
            level += [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__dict__]
    return found


def may_hide_parts(kinds: Iterable[type]) -> bool:
    """Whether there are values whose parts the garbage collector does not see."""
    hiding: list[Any] = [library_class("numpy", "ndarray"), library_class("torch", "Tensor")]
    return any(issubclass(kind, hider) for kind in kinds for hider in hiding if hider is not None)


def _is_anybodys(value: Any) -> bool:
    # Python has one empty tuple, one empty frozenset and so on for all.
    return type(value) in _WITHOUT_PARTS or (type(value) in (tuple, frozenset) and not value)


def _has_identity(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return value.__closure__ is not None
    if type(value) in _WITHOUT_PARTS or isinstance(value, _LIKE_ANOTHER):
        return False
    dtype: Any = library_class("numpy", "dtype")
    return dtype is None or not isinstance(value, dtype)


def _parts(value: Any, most: int) -> Iterator[tuple[Step, Any]]:
    if isinstance(value, type | types.ModuleType) or _is_of_session(value):
        return
    if isinstance(value, dict):
        yield from _items("value" if _keys_are_odd(value, most) else "item", value.items(), most)
        yield from _items("key", enumerate(value), most)
    elif isinstance(value, list | tuple | deque):
        yield from _items("item", enumerate(value), most)
    yield from _attributes(value, most)
    yield from _of_libraries(value, most)


def _is_of_session(value: Any) -> bool:
    """Whether a value is of this notebook's session, from which everything else can be reached: a task, the shell."""
    kind: Any = type(value)
    return _of_session(kind)


@ByClass
def _of_session(kind: type) -> bool:
    return any(base.__module__.partition(".")[0] in ("milepost", "IPython", "ipykernel") for base in kind.__mro__)


def _items(kind: str, pairs: Any, most: int) -> list[tuple[Step, Any]]:
    pairs = enumerate(item for _, item in pairs) if kind == "value" else pairs
    return [((kind, where), part) for where, part in islice(pairs, most) if type(part) not in _WITHOUT_PARTS]


def _keys_are_odd(value: dict[Any, Any], most: int) -> bool:
    return any(type(key) not in (str, int) for key in islice(value, most))


def _attributes(value: Any, most: int) -> Iterator[tuple[Step, Any]]:
    attributes = getattr(value, "__dict__", None)  # not `vars`: a class may have a property of that name
    if type(attributes) is dict:
        yield from _items("attribute", attributes.items(), most)
    members = next((names for kind, names in _MEMBERS if isinstance(value, kind)), None)
    kind: Any = type(value)
    for name in members or _slots(kind):
        try:
            part = object.__getattribute__(value, name)
        except (AttributeError, ValueError):  # an empty slot, an empty cell
            continue
        if type(part) not in _WITHOUT_PARTS:
            yield ("member", name), part


@ByClass
def _slots(kind: type) -> tuple[str, ...]:
    members = [(name, item) for base in kind.__mro__ for name, item in vars(base).items()]
    return tuple(name for name, item in members if isinstance(item, types.MemberDescriptorType) and _in_python(item))


def _in_python(member: types.MemberDescriptorType) -> bool:
    return "__slots__" in vars(member.__objclass__)


def _of_libraries(value: Any, most: int) -> Iterator[tuple[Step, Any]]:
    array: Any = library_class("numpy", "ndarray")
    tensor: Any = library_class("torch", "Tensor")
    if array is not None and isinstance(value, array) and value.dtype.hasobject and value.dtype.names is None:
        yield from _items("flat", enumerate(value.flat), most)
    if tensor is not None and isinstance(value, tensor):
        yield from ((("tensor", what), _of_tensor(value, what)) for what in ("storage", "grad"))


def _of_tensor(value: Any, what: str) -> Any:
    if what == "grad":
        return value.grad if value.is_leaf else None
    try:
        return value.untyped_storage()
    except Exception:
        return None  # sparse ones and the like have none


def follow(value: Any, name: str, path: Path) -> Any:
    """The part of an input at the end of the path.

    Raises
    ------
    SerializationError
        Where the input has it no more.
    """
    try:
        if type(value) is Parts:
            return value.parts[path]
        for kind, where in path:
            value = _FOLLOW[kind](value, where)
    except Exception as error:
        raise SerializationError(f"the saved values hold a part of the input {name!r} that it has no more") from error
    return value


def _item(value: Any, where: Any) -> Any:
    # The plain look-up: a subclass may compute what it gives.
    kinds: tuple[Any, ...] = (dict, list, tuple, deque)
    return next(kind for kind in kinds if isinstance(value, kind)).__getitem__(value, where)


_FOLLOW: dict[str, Any] = {
    "item": _item,
    "value": lambda value, where: next(islice(dict.values(value), where, None)),
    "key": lambda value, where: next(islice(dict.keys(value), where, None)),
    "attribute": lambda value, where: object.__getattribute__(value, "__dict__")[where],
    "member": object.__getattribute__,
    "flat": lambda value, where: value.flat[where],
    "tensor": _of_tensor,
}
