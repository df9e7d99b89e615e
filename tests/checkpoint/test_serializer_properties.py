"""Any graph of values comes back as the same graph: what was one object is one, what shared memory shares it.

`MILEPOST_EXAMPLES` sets how many graphs are tried.
"""

from __future__ import annotations

import functools
import os
import types
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.ports import Blob

EXAMPLES = int(os.environ.get("MILEPOST_EXAMPLES", "300"))

CLASSES = """
import dataclasses
class Plain: pass
class Slots:
    __slots__ = ("a", "b")
@dataclasses.dataclass
class Data:
    a: object = None
class Words(dict): pass
def closure(cell):
    def inner(): return cell
    def outer(value):
        nonlocal cell
        cell = value
    return inner, outer
"""

ATOMS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-2, 2), st.text("ab", max_size=2), st.binary(max_size=2)
)
KINDS = (
    *("list", "dict", "tuple", "set", "deque", "default", "ordered", "bytes", "plain", "slots", "data", "words"),
    *("closure", "partial", "method", "array", "view", "objects", "frame", "keys", "namespace"),
)


@dataclass
class Graph:
    """A namespace of a notebook with some values, made as `draw` says."""

    draw: st.DataObject
    ns: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    nodes: list[Any] = field(default_factory=lambda: [[]])

    def __post_init__(self) -> None:
        exec(CLASSES, self.ns)
        for kind in self.draw.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=14)):
            self.nodes.append(getattr(self, f"_{kind}")())
        for _ in range(self.draw.draw(st.integers(0, 4))):
            self._tie()

    def some(self) -> Any:
        """A node that is there already, or an atom."""
        return self.draw.draw(st.one_of(st.sampled_from(self.nodes), ATOMS))

    def several(self) -> list[Any]:
        return [self.some() for _ in range(self.draw.draw(st.integers(0, 4)))]

    def named(self, prefix: str) -> dict[str, Any]:
        count = self.draw.draw(st.integers(1, 4))
        return {f"{prefix}{number}": self.draw.draw(st.sampled_from(self.nodes)) for number in range(count)}

    def _tie(self) -> None:
        """Put a node into another, which may make a circle."""
        target, value = self.draw.draw(st.sampled_from(self.nodes)), self.some()
        if isinstance(target, list | deque):
            target.append(value)
        elif isinstance(target, dict):
            target[len(target)] = value
        elif type(target) is self.ns["Plain"]:
            target.more = value

    def _list(self) -> Any:
        return self.several()

    def _dict(self) -> Any:
        return {
            key: self.some() for key in self.draw.draw(st.lists(st.sampled_from(["a", 1, (1, 2), None]), unique=True))
        }

    def _tuple(self) -> Any:
        return tuple(self.several())

    def _set(self) -> Any:
        return set(self.draw.draw(st.lists(ATOMS, max_size=4)))

    def _deque(self) -> Any:
        return deque(self.several(), 9)

    def _default(self) -> Any:
        return defaultdict(list, self._dict())

    def _ordered(self) -> Any:
        return OrderedDict(self._dict())

    def _bytes(self) -> Any:
        return bytearray(self.draw.draw(st.binary(max_size=5)))

    def _plain(self) -> Any:
        made = self.ns["Plain"]()
        made.a, made.b = self.some(), self.some()
        return made

    def _slots(self) -> Any:
        made = self.ns["Slots"]()
        made.a = self.some()
        return made

    def _data(self) -> Any:
        return self.ns["Data"](self.some())

    def _words(self) -> Any:
        made = self.ns["Words"](self._dict())
        made.a = self.some()
        return made

    def _closure(self) -> Any:
        return self.ns["closure"](self.some())

    def _partial(self) -> Any:
        return functools.partial(print, self.some(), key=self.some())

    def _method(self) -> Any:
        return self._list().append

    def _array(self) -> Any:
        size = self.draw.draw(st.sampled_from([0, 6, 1200]))
        return np.arange(size).astype(self.draw.draw(st.sampled_from(["i8", "f4", "M8[s]", "u1"])))

    def _view(self) -> Any:
        base = self.draw.draw(st.sampled_from([n for n in self.nodes if type(n) is np.ndarray] or [np.arange(60)]))
        start, step = self.draw.draw(st.integers(-3, 3)), self.draw.draw(st.sampled_from([1, 2, -1, -2]))
        return base[start::step] if self.draw.draw(st.booleans()) else base.T[...]

    def _objects(self) -> Any:
        found = np.empty(3, object)
        found[0] = self.some()
        return found

    def _frame(self) -> Any:
        frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
        frame.attrs["some"] = "words"
        return frame

    def _keys(self) -> Any:
        return self._dict().keys()

    def _namespace(self) -> Any:
        return types.SimpleNamespace(a=self.some())


class Described:
    """A graph in words: each object that can change has a number, by which it is called from the second time on."""

    def __init__(self, value: Any) -> None:
        self._seen: dict[int, tuple[int, Any]] = {}
        self.arrays: list[Any] = []
        self.words = self._of(value)

    def shared(self) -> list[tuple[int, int]]:
        """Which arrays share memory."""
        pairs = [(a, b) for a in range(len(self.arrays)) for b in range(a)]
        return [(a, b) for a, b in pairs if np.may_share_memory(self.arrays[a], self.arrays[b])]

    def _of(self, value: Any) -> Any:
        name = type(value).__name__
        if isinstance(value, tuple | frozenset):
            return (name, *(self._of(item) for item in value))
        if _bound(value):
            return (name, self._of(value.__self__))  # a bound method is made anew each time
        if isinstance(value, int | float | str | bytes | None | type | types.BuiltinFunctionType):
            return (name, repr(value))
        if id(value) in self._seen:
            return ("again", self._seen[id(value)][0])
        self._seen[id(value)] = (len(self._seen), value)
        return (name, *self._parts(value))

    def _parts(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return self._array(value)
        if isinstance(value, pd.DataFrame):
            return [value.to_json(), repr(value.attrs)]
        attributes = [(key, self._of(item)) for key, item in sorted(_attributes(value).items())]
        if isinstance(value, dict):
            return [*((self._of(key), self._of(item)) for key, item in value.items()), *attributes]
        if isinstance(value, list | deque):
            return [*(self._of(item) for item in value), *attributes]
        if isinstance(value, set):
            return sorted(map(repr, value))  # their order tells how they grew, and differs in every kernel
        return [repr(value) if isinstance(value, bytearray) else "", *attributes]

    def _array(self, array: Any) -> Any:
        self.arrays.append(array)
        content = [self._of(item) for item in array] if array.dtype.hasobject else array.tolist()
        return [array.dtype.str, array.shape, array.flags.writeable, repr(content)]


def _bound(value: Any) -> bool:
    return isinstance(value, types.BuiltinFunctionType) and not isinstance(value.__self__, types.ModuleType)


def _attributes(value: Any) -> dict[str, Any]:
    if isinstance(value, types.FunctionType):
        return {
            "cells": [(id(cell), cell.cell_contents) for cell in value.__closure__ or ()]
            and list(value.__closure__ or ())
        }
    if isinstance(value, types.CellType):
        return {"content": value.cell_contents}
    if isinstance(value, functools.partial):
        return {"args": value.args, "keywords": value.keywords}
    if hasattr(value, "mapping"):
        return {"keys": list(value)}
    slots = {name: getattr(value, name) for name in getattr(type(value), "__slots__", ()) if hasattr(value, name)}
    return {**getattr(value, "__dict__", {}), **slots}


_SETTINGS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def _loaded(graph: Graph, values: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    serializer = NotebookSerializer(graph.ns)
    dump = serializer.dump(values, inputs)
    assert all("an input is a view of a part" in reason for reason in dump.unsaved.values())
    # As from a store: nobody else holds the memory.
    blob = Blob(dump.blob.stream, [_as_stored(item) for item in dump.blob.buffers])
    return serializer.load(blob, inputs.__getitem__)


def _as_stored(buffer: Any) -> Any:
    return bytearray(buffer) if not buffer.readonly else bytes(buffer)


@_SETTINGS
@given(st.data())
def test_outputs_come_back_as_the_graph_they_were(data: st.DataObject) -> None:
    graph = Graph(data)
    values = graph.named("v")
    loaded = _loaded(graph, values, {})
    assert loaded.keys() == values.keys()
    before, after = Described(values), Described(loaded)
    assert after.words == before.words
    assert after.shared() == before.shared()


@_SETTINGS
@given(st.data())
def test_outputs_are_tied_to_live_inputs_as_they_were(data: st.DataObject) -> None:
    graph = Graph(data)
    inputs, values = graph.named("i"), graph.named("v")
    loaded = _loaded(graph, values, inputs)
    values = {name: values[name] for name in loaded}
    before, after = Described([inputs, values]), Described([inputs, loaded])
    assert after.words == before.words
    assert after.shared() == before.shared()
