"""Inputs, and parts of inputs, that saved values hold: the stream refers to the live ones instead of copying them.

The pickler is told that it has met these objects already, so it finds them at C speed and writes a reference to its
memo. The prefix of the stream puts the live objects at the same places of the unpickler's memo.
"""

from __future__ import annotations

import gc
import json
import pickle
import types
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from milepost.checkpoint.serializers.refuse import library_class
from milepost.model.errors import SerializationError

MOST_PARTS = 100_000
"""So many parts of inputs are looked at; what is behind them is saved as a copy."""

_ATOMS = (int, float, complex, str, bytes, bool, type(None), type(...), range, slice)
_WITHOUT_PARTS = (*_ATOMS, type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_IMMUTABLE = (*_WITHOUT_PARTS, tuple, frozenset)

Step = tuple[str, str | int]
"""One step into an object: ("key", …) or ("place", n), ("attribute", name), or ("tensor", "storage" or "grad")."""


class Link(NamedTuple):
    """A live object: an input, or what a path leads to from there."""

    target: Any
    name: str
    path: tuple[Step, ...] = ()


def linkable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that have an identity to keep."""
    return {name: value for name, value in inputs.items() if type(value) not in _ATOMS and not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    # Python has one empty tuple and one empty frozenset for all.
    return type(value) in (tuple, frozenset) and not value


def held(inputs: Mapping[str, Any], pickler: Any, first: Any) -> list[Link]:
    """Links for what a pickler has met of the inputs, after it has pickled `first`."""
    if not inputs:
        return []
    links = {id(link.target): link for link in walk(inputs)}
    wanted = {*links, id(first)}
    # The garbage collector gives the objects of the memo 40 times faster than `memo.copy()`, where it knows them.
    met = wanted.intersection(map(id, gc.get_referents(pickler)))
    if id(first) not in met:
        met = wanted.intersection(pickler.memo.copy())
    return [link for key, link in links.items() if key in met]


def walk(inputs: Mapping[str, Any]) -> Iterator[Link]:
    """The inputs and their mutable parts, each once, near ones first."""
    queue = deque(Link(value, name) for name, value in inputs.items())
    seen = {id(link.target) for link in queue}
    left = MOST_PARTS
    while queue:
        link = queue.popleft()
        if not link.path or not isinstance(link.target, _IMMUTABLE):
            yield link
        for step, part in islice(_parts(link.target), left):
            left -= 1
            if not isinstance(part, _WITHOUT_PARTS) and id(part) not in seen:
                seen.add(id(part))
                queue.append(Link(part, link.name, (*link.path, step)))


def _parts(value: Any) -> Iterator[tuple[Step, Any]]:
    if isinstance(value, dict):
        yield from (_dict_step(place, key, part) for place, (key, part) in enumerate(value.items()))
    elif isinstance(value, list | tuple):
        yield from ((("key", place), part) for place, part in enumerate(value))
    if not isinstance(value, _WITHOUT_PARTS):
        # Not `vars`: a class may have a property of that name.
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            yield from ((("attribute", name), part) for name, part in attributes.items())
        tensor = library_class("torch", "Tensor")
        if tensor is not None and isinstance(value, tensor):
            yield from ((("tensor", what), _of_tensor(value, what)) for what in ("storage", "grad"))


def _of_tensor(value: Any, what: str) -> Any:
    if what == "grad":
        return value.grad if value.is_leaf else None
    try:
        return value.untyped_storage()
    except Exception:
        return None  # sparse ones and the like have none


def _dict_step(place: int, key: Any, part: Any) -> tuple[Step, Any]:
    return (("key", key) if type(key) in (str, int) else ("place", place)), part


def seed(pickler: Any, links: Sequence[Link]) -> None:
    """Make a fresh pickler believe that it has met the targets, in this order."""
    pickler.memo = {id(link.target): (number, link.target) for number, link in enumerate(links)}


def prefix(links: Sequence[Link]) -> bytes:
    """The opcodes that load the targets into the first places of the unpickler's memo; the pickle follows."""
    return b"".join(_loaded(json.dumps([link.name, *link.path]).encode()) for link in links)


def _loaded(name: bytes) -> bytes:
    text = pickle.BINUNICODE + len(name).to_bytes(4, "little") + name
    return pickle.PROTO + b"\x05" + text + pickle.BINPERSID + pickle.MEMOIZE + pickle.POP


def parse(persistent_id: str) -> tuple[str, list[Step]]:
    """The input's name and the path that `prefix` wrote."""
    name, *path = json.loads(persistent_id)
    return name, [(kind, where) for kind, where in path]


def follow(value: Any, name: str, path: Sequence[Step]) -> Any:
    """The part of an input at the end of the path."""
    try:
        for step in path:
            value = _follow(value, *step)
    except Exception as error:
        raise SerializationError(f"the saved values hold a part of the input {name!r} that it has no more") from error
    return value


def _follow(value: Any, kind: str, where: Any) -> Any:
    if kind == "tensor":
        return _of_tensor(value, where)
    if kind == "attribute":
        return object.__getattribute__(value, "__dict__")[where]
    return list(dict.values(value))[where] if kind == "place" else _item(value, where)


def _item(value: Any, key: Any) -> Any:
    # The plain look-up: a subclass may compute what it gives.
    kinds: tuple[Any, ...] = (dict, list, tuple)
    for kind in kinds:
        if isinstance(value, kind):
            return kind.__getitem__(value, key)
    raise TypeError(f"a {type(value).__name__} has no items")
