"""Large flat containers are hashed once, and from then on compared with what they held.

A list of words, a set of tuples, a dict of counts: what it holds cannot change, and is the same content while it is
the same objects in the same order. To compare them takes a fiftieth of the time that hashing takes. So that it makes
no difference to a digest whether a container was known, each counts by a hash of its own.
"""

from __future__ import annotations

import marshal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, repeat
from operator import is_
from typing import Any

from blake3 import blake3

ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis)})

LARGE = 10_000
"""Items from which on a container is remembered."""

MOST = 100
"""Containers that are remembered at most."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A container, what it held, and what that comes to; the number of its parts."""

    container: Any
    held: Sequence[Any]
    content: bytes
    parts: int


_known: dict[int, Flat] = {}


def content_of(container: Any, *, lasting: bool = True) -> Flat | None:
    """What a list, dict, set, frozenset or tuple comes to; None where it is small, or holds what can change.

    One that is not `lasting` was made to be looked at once, and is not remembered.
    """
    if len(container) < LARGE:
        return None
    known = known_flat(container)
    if known is None:
        known = _flat(container)
        if known is not None and lasting:
            _remember(known)
    return known


def known_flat(container: Any) -> Flat | None:
    """What is remembered of a container, and still so."""
    known = _known.get(id(container))
    if known is None or known.container is not container:
        return None
    if _stands(known):
        return known
    _known.pop(id(container), None)  # what it held is held for nothing
    return None


@contextmanager
def unchanging() -> Iterator[None]:
    """Compare each container once: in the `with`, this thread changes none, and none is let go of."""
    outer, _moment.compared = getattr(_moment, "compared", None), set()
    try:
        yield
    finally:
        _moment.compared = outer


_moment = threading.local()


def _stands(known: Flat) -> bool:
    compared: set[int] | None = getattr(_moment, "compared", None)
    if compared is not None and id(known) in compared:
        return True
    stands = _same(known.container, known.held)
    if stands and compared is not None:
        compared.add(id(known))
    return stands


def about(value: Any, depth: int = 3) -> float:
    """About how many parts plain data has, going by a few of them; 1 for anything else."""
    if type(value) not in _CONTAINERS or not value or not depth:
        return 1
    items = value.values() if type(value) is dict else value
    some = list(islice(items, 0, None, max(1, len(value) // _SAMPLE)))  # from all over: the first may be the largest
    inside = sum(about(item, depth - 1) for item in some) / len(some)
    return len(value) * (1 + (inside if inside == 1 else inside * _distinct(items)))


def _distinct(items: Any) -> float:
    """Which part of some items is met for the first time: what is there a thousand times is hashed and saved once."""
    some = list(map(id, islice(items, _MANY)))
    return len(set(some)) / len(some)


_CONTAINERS, _SAMPLE, _MANY = (list, dict, set, frozenset, tuple), 5, 100_000


def forget_unused() -> None:
    """Let go of what nobody else holds any more, and of what a container held that has been emptied or has grown."""
    for identity, known in list(_known.items()):
        unused = sys.getrefcount(known.container) <= _OURS + (known.held is known.container)
        if unused or not _as_many(known.container, known.held):
            _known.pop(identity, None)


_OURS = 2
"""References to a container that nobody else holds: the record's, and that of the call that counts."""


def _remember(flat: Flat) -> None:
    forget_unused()
    while len(_known) >= MOST:
        _known.pop(next(iter(_known)), None)
    if _same(flat.container, flat.held):  # else another thread has changed it meanwhile
        _known[id(flat.container)] = flat


def _flat(container: Any) -> Flat | None:
    # What it holds now is taken before its content: what changes between is seen by the comparison afterwards.
    held = container if type(container) is tuple else _held(container)
    kinds = set(map(type, held))
    if not _is_flat(kinds, held):
        return None
    return Flat(container, held, blake3(_bytes(container, held, kinds)).digest(), len(held))


def _held(container: Any) -> list[Any]:
    return [*container, *container.values()] if type(container) is dict else list(container)


def _is_flat(kinds: set[type], items: Sequence[Any]) -> bool:
    """Whether items of these kinds are all atoms, or all tuples of atoms."""
    return kinds <= ATOMS or (kinds == {tuple} and ATOMS.issuperset(map(type, chain.from_iterable(items))))


def _bytes(container: Any, held: Sequence[Any], kinds: set[type]) -> bytes:
    """Its content. Sets are sorted, as their order differs between processes: texts as such, all else by its bytes."""
    if isinstance(container, set | frozenset):
        return marshal.dumps(sorted(held if kinds == {str} else map(marshal.dumps, held, repeat(2))), 2)
    return marshal.dumps(container, 2)


def _as_many(container: Any, held: Sequence[Any]) -> bool:
    return len(container) * (2 if type(container) is dict else 1) == len(held)


def _same(container: Any, held: Sequence[Any]) -> bool:
    """Whether a container holds what it held."""
    try:
        now = chain(container, container.values()) if type(container) is dict else container
        return container is held or (_as_many(container, held) and all(map(is_, now, held)))
    except RuntimeError:  # another thread changes it right now
        return False
