"""What can be changed by way of a value: its mutable parts and the memory of its arrays.

Two values that have a part in common, or whose memory overlaps, are one as far as changes in place go. Libraries keep
what nobody changes, and what all of their values share, between their values: such things are no parts.
"""

from __future__ import annotations

import gc
import mmap
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from milepost.analysis.adapters import columns_of
from milepost.analysis.flat import ATOMS, LARGE, known_flat
from milepost.analysis.modules import is_project, module_of
from milepost.analysis.walk import CLASS_NOISE
from milepost.functions import RegisteredFunction, TaskMap
from milepost.model.by_class import ByClass

MAX_PARTS = 2_000_000
"""Parts from which on a value counts as reaching everything."""

Span = tuple[int, int]
"""Where memory begins and ends."""

PROJECT, FIGURES, MAPS = 1, 2, 3
"""Parts that all values have which reach a module of the project, a figure, memory that other processes can change."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one value reaches: ids of mutable parts, sorted spans of memory; `everything` where there is too much.

    `joint` are those parts by which values hang together for whoever looks at their content: containers, objects and
    the notebook's classes, not functions; variables of functions (cells) as negative numbers.
    """

    parts: frozenset[int] = frozenset()
    joint: frozenset[int] = frozenset()
    spans: tuple[Span, ...] = ()
    frames: tuple[Span, ...] = ()
    """Memory of frames."""
    everything: bool = False
    passed: int = 0
    """Numbers, texts and the like in long rows: nothing changes by way of them, but to look at them takes its time."""

    def meets(self, other: Reach) -> bool:
        """Whether a change by way of one may be seen by way of the other."""
        if self.everything or other.everything:
            return True
        return not self.parts.isdisjoint(other.parts) or self.overlaps(other)

    def joins(self, other: Reach) -> bool:
        """Whether both have an object or memory in common."""
        return not self.joint.isdisjoint(other.joint) or self.overlaps(other)

    def overlaps(self, other: Reach) -> bool:
        """Whether memory of one is memory of the other."""
        return overlap(self.spans, other.spans) or self.overlaps_frame(other)

    def overlaps_frame(self, other: Reach) -> bool:
        """Whether memory of a frame is memory of the other: from pandas 3 on, only that of an array can be."""
        if overlap(self.spans, other.frames) or overlap(self.frames, other.spans):
            return True
        return bool(self.frames and other.frames) and not _copies_on_write() and overlap(self.frames, other.frames)


def union(reaches: Iterable[Reach]) -> Reach:
    """What is reached by any of them."""
    found = list(reaches)
    parts = frozenset().union(*(reach.parts for reach in found)) if found else frozenset[int]()
    joint = frozenset().union(*(reach.joint for reach in found)) if found else frozenset[int]()
    spans = _merged(span for reach in found for span in reach.spans)
    frames = _merged(span for reach in found for span in reach.frames)
    return Reach(parts, joint, spans, frames, any(reach.everything for reach in found))


def overlap(one: tuple[Span, ...], two: tuple[Span, ...]) -> bool:
    """Whether two sorted rows of spans have memory in common."""
    place = other = 0
    while place < len(one) and other < len(two):
        if one[place][1] <= two[other][0]:
            place += 1
        elif two[other][1] <= one[place][0]:
            other += 1
        else:
            return True
    return False


def reach_of(*values: Any) -> Reach:
    """What can be changed by way of any of these values."""
    search = _Search()
    complete = search.through(values)
    spans, frames = _merged(search.spans), _merged(search.frames)
    return Reach(frozenset(search.parts), frozenset(search.joint), spans, frames, not complete, search.passed)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Sorted, and none within another, so that ends are sorted as well as beginnings."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return tuple(found)


@dataclass(slots=True)
class _Search:
    """One walk over values, widest first."""

    seen: set[int] = field(default_factory=set)
    parts: set[int] = field(default_factory=set)
    joint: set[int] = field(default_factory=set)
    spans: set[Span] = field(default_factory=set)
    frames: set[Span] = field(default_factory=set)
    passed: int = 0
    alive: list[Any] = field(default_factory=list)
    """What was made for this walk only: its id must not be given to something else meanwhile."""

    def through(self, values: Iterable[Any]) -> bool:
        """Whether that is all there is."""
        waiting = list(values)
        while waiting and len(self.seen) < MAX_PARTS:
            level, waiting = waiting, []
            for part in level:
                kind = type(part)
                if kind in _UNCHANGING or id(part) in self.seen:
                    continue
                self.seen.add(id(part))
                look = _LOOKS.get(kind) or _look_for(kind)
                found = look(self, part)
                if found:
                    waiting += found
        return not waiting

    def add(self, part: Any) -> None:
        """A part that counts."""
        self.parts.add(id(part))
        self.joint.add(id(part))


Look = Callable[[_Search, Any], Any]
"""Notes a part; gives what it leads to."""


def _leaf(search: _Search, part: Any) -> Any:
    return ()


def _through(search: _Search, part: Any) -> Any:
    return gc.get_referents(part)


def _own(search: _Search, part: Any) -> Any:
    search.add(part)
    return gc.get_referents(part)


def _list(search: _Search, part: Any) -> Any:
    search.add(part)
    return _items(search, part)


def _tuple(search: _Search, part: Any) -> Any:
    return _items(search, part)


def _items(search: _Search, items: Any) -> Any:
    """Those that may lead to something; most long rows are of numbers or texts."""
    if (len(items) >= LARGE and known_flat(items) is not None) or set(map(type, items)) <= _UNCHANGING:
        search.passed += len(items)
        return ()
    return items


def _dict(search: _Search, part: Any) -> Any:
    search.add(part)
    if known_flat(part) is None:
        return [*_items(search, part.values()), *_items(search, part)]
    search.passed += len(part)
    return ()


def _registered(search: _Search, part: Any) -> Any:
    """A function that is a task: where it is registered is no part of it."""
    return [value for name, value in vars(part).items() if name not in ("_registry", "registry")]


def _function(search: _Search, part: types.FunctionType) -> Any:
    if is_project(module_of(part)):
        search.parts.add(PROJECT)
    search.parts.add(id(part))
    return [*(part.__closure__ or ()), part.__defaults__, part.__kwdefaults__, *part.__dict__.values()]


def _cell(search: _Search, part: types.CellType) -> Any:
    search.parts.add(id(part))
    search.joint.add(-id(part))
    return gc.get_referents(part)


def _builtin(search: _Search, part: types.BuiltinFunctionType) -> Any:
    """A method such as `items.append` changes what it belongs to."""
    return () if isinstance(part.__self__, types.ModuleType) else (part.__self__,)


def _class(search: _Search, part: type) -> Any:
    if is_project(module_of(part)):
        search.parts.add(PROJECT)
    if part.__module__ != "__main__":
        return ()
    search.add(part)
    return [*part.__bases__, *(item for name, item in vars(part).items() if name not in CLASS_NOISE)]


def _module(search: _Search, part: types.ModuleType) -> Any:
    if is_project(part):
        search.parts.add(PROJECT)
    return ()


def _array(search: _Search, part: Any) -> Any:
    search.add(part)
    search.spans.add(_byte_bounds(part))
    if part.base is not None and _mapped(part):
        search.parts.add(MAPS)
    if type(part) is sys.modules["numpy"].ndarray and not part.dtype.hasobject:
        return ()
    held = list(getattr(part, "__dict__", {}).values())
    if getattr(part, "_mask", None) is not None:
        held.append(part._mask)
    return [*held, *_objects(search, part)]


def _row(search: _Search, part: Any) -> Any:
    """A row of a structured array looks into that array."""
    search.add(part)
    return [part.base, *part.tolist()]


def _mapped(array: Any) -> bool:
    while getattr(array, "base", None) is not None:
        array = array.base
    return isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)


def _objects(search: _Search, array: Any) -> list[Any]:
    """What an array of objects holds, without what cannot change."""
    if not array.dtype.hasobject or array.dtype.names:
        return [array.tolist()] if array.dtype.hasobject else []
    return [item for item in array.ravel().tolist() if type(item) not in ATOMS]


def _frame(search: _Search, part: Any) -> Any:
    """A frame or a series of pandas."""
    search.add(part)
    columns = columns_of(part) if part.ndim == 2 else [part.array]
    return [dict(part.attrs), *(item for column in columns for item in _column(search, column))]


def _column(search: _Search, column: Any) -> list[Any]:
    data = getattr(column, "_ndarray", getattr(column, "_data", column))
    if type(data).__module__ != "numpy" or not hasattr(data, "dtype"):
        return []
    search.frames.add(_byte_bounds(data))
    return _objects(search, data)


def _copies_on_write() -> bool:
    return int(sys.modules["pandas"].__version__.partition(".")[0]) >= 3


def _byte_bounds(array: Any) -> Span:
    if array.flags.forc:
        start = array.__array_interface__["data"][0]
        return start, start + array.nbytes
    numpy = sys.modules["numpy"]
    bounds = getattr(getattr(numpy.lib, "array_utils", numpy), "byte_bounds", None) or numpy.byte_bounds
    start, end = bounds(array)
    return int(start), int(end)


def _tensor(search: _Search, part: Any) -> Any:
    search.add(part)
    storage = part.untyped_storage()
    start = int(storage.data_ptr())
    if start:
        search.spans.add((start, start + int(storage.nbytes())))
    return [*vars(part).values(), *([part.grad] if part.is_leaf else [])]


def _figure(search: _Search, part: Any) -> Any:
    search.parts.add(FIGURES)
    return ()


_SESSION = frozenset({"milepost", "IPython", "ipykernel"})
"""Whose objects lead to everything there is, and are nobody's data."""

_UNCHANGING = ATOMS | {
    types.CodeType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    range,
    slice,
}

_LOOKS: dict[type, Look] = {
    list: _list,
    dict: _dict,
    set: _list,
    tuple: _tuple,
    frozenset: _tuple,
    types.FunctionType: _function,
    types.BuiltinFunctionType: _builtin,
    types.ModuleType: _module,
    types.MethodType: _through,
    types.CellType: _cell,
    types.MappingProxyType: _through,
    staticmethod: _through,
    classmethod: _through,
    property: _through,
}
"""By exact type; `_look_for` settles others."""


@ByClass
def _look_for(kind: type) -> Look:
    """How to look at values of any other type."""
    if issubclass(kind, type):
        return _class
    if issubclass(kind, types.ModuleType):
        return _module
    for package, name, look in _LIBRARIES:
        base = _found(package, name)
        if base is not None and issubclass(kind, base):
            return look
    if issubclass(kind, RegisteredFunction | TaskMap):
        return _registered
    if any(base.__module__.partition(".")[0] in _SESSION for base in kind.__mro__):
        return _leaf
    if "dtype" in kind.__name__.lower():
        return _leaf
    return _own


def _found(package: str, path: str) -> Any:
    found: Any = sys.modules.get(package)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


_LIBRARIES: tuple[tuple[str, str, Look], ...] = (
    ("numpy", "ndarray", _array),
    ("numpy", "void", _row),
    ("numpy", "generic", _leaf),
    ("numpy", "ufunc", _leaf),
    ("pandas", "DataFrame", _frame),
    ("pandas", "Series", _frame),
    ("pandas", "Index", _leaf),
    ("pandas", "Timestamp", _leaf),
    ("torch", "Tensor", _tensor),
    ("matplotlib.artist", "Artist", _figure),
    ("matplotlib.backend_bases", "FigureCanvasBase", _figure),
)
