"""Putting saved content back into the objects that a function holds: nobody can exchange its local variables.

The code before the loop makes the same objects again. Those of them that still were in their places when they were
saved get the saved content; where another object was by then, that one takes the place.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from milepost.tracking.iterables import ATOMS

Path = tuple[Any, ...]
"""How to get to a part: attributes, keys and places."""

_FIXED = ATOMS | {range, type, type(len), type(lambda: 0)}
DEEPEST = 100
MOST = 100_000


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a state at one moment, by their path: the objects are held, so that they stay themselves."""

    objects: Mapping[Path, Any]
    identities: frozenset[int]
    stiff: Mapping[Path, Any]
    """Those that nothing can be put back into."""

    @classmethod
    def of(cls, state: Any) -> Parts:
        """All that can be got at."""
        objects = dict(_walk(state, ()))
        whole = (tuple, frozenset)
        stiff = {path: part for path, part in objects.items() if type(part) not in whole and _filler(part) is None}
        return cls(objects, frozenset(map(id, objects.values())), stiff)

    def still_in(self, now: Parts) -> list[Path]:
        """Where the same objects are now."""
        return [path for path, part in now.objects.items() if path in self.objects and self.objects[path] is part]

    def holds(self, value: Any) -> bool:
        """Whether this very object is one of the parts."""
        return id(value) in self.identities

    def meets(self, value: Any) -> bool:
        """Whether the two have a part in common."""
        return leads_to(self.identities, value)


def leads_to(targets: frozenset[int], value: Any, closed: frozenset[int] = frozenset()) -> bool:
    """Whether something has one of these parts; not by way of a `closed` one. All are told by their identity."""
    return not targets.isdisjoint(id(part) for _, part in _walk(value, (), closed))


def held_loosely(state: Parts, stayed: frozenset[int]) -> Iterator[Any]:
    """What parts hold in ways by which nothing is put back: as keys, in sets, in new tuples, stiff parts and views."""
    for part in state.objects.values():
        filler, kept = _filler(part), id(part) in stayed
        if filler in (_Filling.mapping, _Filling.unordered) or (type(part) is tuple and not kept):
            yield from part
        elif filler is None and type(part) is not tuple and (not kept or fixed(part)):
            yield from gc.get_referents(part)
        elif filler is _Filling.array and (not kept or part.dtype.hasobject):
            yield part


def nameless(state: Parts) -> Iterator[Path]:
    """Where functions are that no name leads to: these would come back as other ones."""
    for path, part in state.objects.items():
        items = dict(_parts(part)) if not isinstance(part, set | frozenset) else dict.fromkeys(part)
        for key, item in items.items():
            if any(type(each) is FunctionType and "<" in each.__qualname__ for each in (key, item)):
                yield (*path, key)


def misfit(state: Any, name: str = "state") -> str:
    """Why nothing can be put back into a state; "" where it can."""
    if type(state) in _FIXED or type(state) is frozenset:
        return f"{name}={state!r} cannot be put back into a variable of a function: keep it in a dict"
    if type(state) is tuple or _filler(state) is not None:
        return ""
    return f"{in_words((), state, name)}: keep it in a dict, and take it from there in the loop"


def in_words(path: Path, part: Any, name: str = "state", *, why: str = "which cannot be changed in place") -> str:
    """That nothing can be put back into a part."""
    return f"{name}{_shown(path)} is a {type(part).__name__}, {why}"


def fill(state: Any, saved: Any, same: list[Path]) -> Any:
    """The state with the saved content: the object itself where it can be, else what takes its place."""
    return _Filling(state, saved, {tuple(path) for path in same}).fill(saved)


class _Filling:
    """Knows of each object that was saved which one of now it is: the one in the same place, else itself."""

    def __init__(self, state: Any, saved: Any, same: set[Path]) -> None:
        own, self._held = dict(_walk(state, ())), dict(_walk(saved, ()))
        pairs = ((own[path], new) for path, new in self._held.items() if path in same and path in own)
        self._known = {id(new): old for old, new in pairs if _alike(old, new)}
        """By the identity of what was saved."""
        self._filled: set[int] = set()

    def fill(self, new: Any) -> Any:
        if type(new) in _FIXED:
            return new
        if id(new) not in self._filled:
            self._filled.add(id(new))
            self._put(self._known.setdefault(id(new), new), new)
        return self._known[id(new)]

    def _put(self, old: Any, new: Any) -> None:
        filler = _filler(old)
        if filler is not None and (old is not new or filler in _CONTAINERS):
            filler(self, old, new)
        if type(old) is tuple:
            for item in new:
                self.fill(item)
        elif _more_than_named(type(old)):
            self.instance(old, new)

    def mapping(self, old: Any, new: Any) -> None:
        content = {key: self.fill(item) for key, item in new.items()}
        if list(old) != list(content):  # else a loop around it that goes through it goes on
            old.clear()
        for key, item in content.items():
            old[key] = item

    def sequence(self, old: Any, new: Any) -> None:
        content = [self.fill(item) for item in new]
        if len(old) == len(content):  # else a loop around it that goes through it goes on
            for place, item in enumerate(content):
                old[place] = item
        else:
            old.clear()
            old.extend(content)

    def unordered(self, old: Any, new: Any) -> None:
        old.clear()
        old.update(new)

    def array(self, old: Any, new: Any) -> None:
        if old.shape != new.shape or old.dtype != new.dtype:
            self._known[id(new)] = new
        else:
            old[...] = new

    def loaded(self, old: Any, new: Any) -> None:
        """What `state_dict` leaves out comes besides: numbers, gradients, the order of an optimiser's options."""
        old.load_state_dict(new.state_dict())
        own = getattr(new, "__dict__", {})
        getattr(old, "__dict__", {}).update({name: item for name, item in own.items() if type(item) in ATOMS})
        if hasattr(old, "parameters"):
            for was, now in zip(old.parameters(), new.parameters(), strict=True):
                was.grad = now.grad
        for was, now in zip(getattr(old, "param_groups", ()), getattr(new, "param_groups", ()), strict=True):
            options = {name: was[name] for name in now}
            was.clear()
            was.update(options)

    def tensor(self, old: Any, new: Any) -> None:
        if old.shape != new.shape or old.dtype != new.dtype:
            self._known[id(new)] = new
        else:
            old.detach().copy_(new.detach())
            old.grad = new.grad if new.is_leaf else None

    def generator(self, old: Any, new: Any) -> None:
        old.__init__(new.bit_generator)  # with its seed sequence, which `state` leaves out

    def legacy(self, old: Any, new: Any) -> None:
        old.__init__(new._bit_generator)
        old.set_state(new.get_state())

    def random(self, old: Any, new: Any) -> None:
        old.setstate(new.getstate())

    def instance(self, old: Any, new: Any) -> None:
        content = {name: self.fill(item) for name, item in vars(new).items()}
        vars(old).clear()
        vars(old).update(content)


_Filler = Callable[[_Filling, Any, Any], None]
_CONTAINERS = (_Filling.mapping, _Filling.sequence, _Filling.instance)


def _alike(old: Any, new: Any) -> bool:
    """Whether an object stays where it is; what never changes gives way to what was saved in its place."""
    same = type(old).__qualname__ == type(new).__qualname__
    return same and (type(old) is tuple or _filler(old) is not None or not fixed(old))


def _filler(part: Any) -> _Filler | None:
    """How to change an object of this kind in place; None where it cannot be."""
    kind = type(part)
    base = _named(kind)
    if base is not None:
        filler = _NAMED[_path(base)]
        return filler if filler is not _Filling.array or part.flags.writeable else None
    if hasattr(part, "__dict__") and _is_its_dictionary(kind):
        return _Filling.instance
    return _Filling.loaded if hasattr(kind, "load_state_dict") and hasattr(kind, "state_dict") else None


def _is_its_dictionary(kind: type) -> bool:
    """Whether objects of a class are what their dictionary holds."""
    defined = {name: base for base in reversed(kind.__mro__[:-1]) for name in vars(base) if name in _OWN_STATE}
    setter = defined.pop("__setstate__", None)
    slots = any(vars(base).get("__slots__") for base in kind.__mro__)
    return not defined and not slots and (setter is None or setter.__module__ in _LOOK_AT_VERSIONS)


def _named(kind: type) -> type | None:
    """The class that a kind is, or is made from, and whose content is put back in a way of its own."""
    return next((base for base in kind.__mro__ if _path(base) in _NAMED), None)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _more_than_named(kind: type) -> bool:
    """Whether objects of a class made from one of these have attributes as well."""
    base = _named(kind)
    return base is not None and base is not kind and kind.__dictoffset__ != 0


def fixed(part: Any) -> bool:
    """Whether it never changes: it counts by its value."""
    by_value: Any = type(part).__hash__
    by_value = by_value is not None and by_value is not object.__hash__
    return by_value and not isinstance(part, MethodType | weakref.ref)


_OWN_STATE = ("__reduce__", "__reduce_ex__", "__setstate__")
_LOOK_AT_VERSIONS = ("sklearn.base", "torch.nn.modules.module")
"""Modules whose `__setstate__` does no more than that."""

_NAMED: Mapping[str, _Filler] = {
    "builtins.dict": _Filling.mapping,
    "builtins.list": _Filling.sequence,
    "collections.deque": _Filling.sequence,
    "builtins.set": _Filling.unordered,
    "builtins.bytearray": _Filling.sequence,
    "numpy.ndarray": _Filling.array,
    "numpy.random._generator.Generator": _Filling.generator,
    "numpy.random.mtrand.RandomState": _Filling.legacy,
    "random.Random": _Filling.random,
    "torch.Tensor": _Filling.tensor,
    "torch._C.Generator": lambda _, old, new: old.set_state(new.get_state()),
}


def _walk(part: Any, path: Path, closed: frozenset[int] = frozenset()) -> Iterator[tuple[Path, Any]]:
    """A part and its parts, at each place where it is; what an object holds, once, and of `closed` ones not at all."""
    seen = set(closed)
    waiting: deque[tuple[Path, Any]] = deque([(path, part)])
    while waiting and len(seen) < MOST + len(closed):
        path, part = waiting.popleft()
        if type(part) in _FIXED:
            continue
        yield path, part
        if len(path) < DEEPEST and id(part) not in seen:
            seen.add(id(part))
            waiting.extend(((*path, key), item) for key, item in _parts(part))


def _parts(part: Any) -> Iterator[tuple[Any, Any]]:
    filler = _filler(part)
    if filler is _Filling.mapping:
        yield from part.items()
    elif filler is _Filling.sequence or type(part) is tuple:
        yield from enumerate(part if type(part) is not bytearray else ())
    if filler is _Filling.instance or _more_than_named(type(part)):
        yield from (((".", name), item) for name, item in vars(part).items())


def _shown(path: Path) -> str:
    return "".join(f".{step[1]}" if isinstance(step, tuple) and step[:1] == (".",) else f"[{step!r}]" for step in path)
