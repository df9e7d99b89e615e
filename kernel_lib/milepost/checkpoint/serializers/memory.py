"""Arrays and tensors that share memory: pickled apart, a change to one would no longer show in the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from milepost.checkpoint.serializers import rebuild_data
from milepost.checkpoint.serializers.refuse import RefusedError, library_class

Key = tuple[Any, ...]


class Part(NamedTuple):
    """Where a value's memory lies: from `offset` (bytes) on in that of `carrier`, which is pickled with its bytes."""

    carrier: Any
    offset: int


class Shared:
    """The values whose memory others have too.

    Values are known by where they lie, not by `id`: some are made anew each time that they are pickled.

    Parameters
    ----------
    met : iterable
        Arrays (`numpy.ndarray` itself) and storages of tensors that a pickler has met, alive.
    live : sequence
        Arrays and storages that are not pickled, but that what is pickled may refer to.
    """

    def __init__(self, met: Iterable[Any] = (), live: Sequence[Any] = ()) -> None:
        self._parts: dict[Key, Part] = {}
        self._torn: set[Key] = set()
        both = [*live, *met]
        if not any(map(_may_share, both)):
            return
        members = {id(value): value for value in both}
        first = {id(value) for value in live}
        for cluster in _clusters(members.values()):
            if not first.issuperset(map(id, cluster)):
                self._connect(sorted(cluster, key=lambda value: id(value) not in first), first)

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def carriers(self) -> dict[int, Any]:
        """The values with the memory of others, by `id`."""
        return {id(part.carrier): part.carrier for part in self._parts.values()}

    def part(self, value: Any) -> Part | None:
        """Where the value's memory is, when another carries it."""
        part = self._parts.get(_key(value)) if self._parts else None
        return None if part is None or part.carrier is value else part

    @property
    def torn(self) -> bool:
        """Whether values share memory with what is live, but only they have all of it."""
        return bool(self._torn)

    def require_whole(self, value: Any) -> None:
        """Refuse a value that is torn from what is live."""
        if self._torn and _key(value) in self._torn:
            raise RefusedError("an input is a view of a part of it, and a restored one would not share its memory")

    def _connect(self, cluster: list[Any], live: set[int]) -> None:
        spans = [_span(value) for value in cluster]
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
        carrier = _carrier(cluster, low, high)
        if live.intersection(map(id, cluster)) and id(carrier) not in live:
            self._torn.update(
                _key(value) for value in cluster if id(value) not in live and _meets(value, cluster, live)
            )
        elif carrier is not None:
            start = _span(carrier)[0]
            self._parts.update({_key(value): Part(carrier, _start(value) - start) for value in cluster})


def reduce_part(value: Any, part: Part) -> Any:
    """A value as a part of its carrier."""
    carrier, offset = part
    place = (carrier, rebuild_data.layout(carrier), offset)
    if not _is_array(value):
        return rebuild_data.storage_view, (*place, value.nbytes())
    return rebuild_data.array_view, (*place, value.shape, value.strides, value.dtype, value.flags.writeable)


def shares_memory(kind: type) -> bool:
    """Whether values of this type are looked at here: plain arrays and storages, of which all others are made."""
    return kind in (library_class("numpy", "ndarray"), library_class("torch.storage", "UntypedStorage"))


def _clusters(values: Iterable[Any]) -> Iterable[list[Any]]:
    """Values whose memory overlaps, together; those alone are left out."""
    cluster: list[Any] = []
    end = 0
    for low, high, value in sorted(((*_span(value), value) for value in values), key=itemgetter(0, 1)):
        if low >= end:
            if len(cluster) > 1:
                yield cluster
            cluster = []
        if high > low:
            cluster.append(value)
            end = max(end, high)
    if len(cluster) > 1:
        yield cluster


def _carrier(cluster: list[Any], low: int, high: int) -> Any:
    """A value with all memory from `low` to `high` in a row: of the cluster if possible, else a part of an owner's."""
    for value in cluster:
        span = _span(value)
        if span[0] <= low and high <= span[1] and _is_solid(value):
            return value
    owners = [owner for owner in map(_owner, cluster) if _is_solid(owner) and _covers(owner, low, high)]
    if not owners or owners[0].dtype.hasobject:
        return owners[0] if owners else None
    start = _start(owners[0])
    return rebuild_data.memory_of(owners[0])[low - start : high - start]


def _owner(value: Any) -> Any:
    array = library_class("numpy", "ndarray")
    while _is_array(value) and array is not None and isinstance(value.base, array):
        value = value.base
    return value


def _covers(value: Any, low: int, high: int) -> bool:
    span = _span(value)
    return span[0] <= low and high <= span[1]


def _is_solid(value: Any) -> bool:
    return not _is_array(value) or bool(value.flags.c_contiguous or value.flags.f_contiguous)


def _meets(value: Any, cluster: list[Any], live: set[int]) -> bool:
    """Whether the value's own memory overlaps that of something live."""
    low, high = _span(value)
    return any(low < _span(other)[1] and _span(other)[0] < high for other in cluster if id(other) in live)


def _may_share(value: Any) -> bool:
    return not _is_array(value) or value.base is not None


def _is_array(value: Any) -> bool:
    return hasattr(value, "flags")


def _key(value: Any) -> Key:
    if not _is_array(value):
        return value.data_ptr(), value.nbytes()
    return _start(value), value.shape, value.strides, value.dtype.str, value.flags.writeable


def _span(value: Any) -> tuple[int, int]:
    """The first byte and the one after the last, in memory."""
    start = _start(value)
    if not _is_array(value):
        return start, start + value.nbytes()
    if value.flags.forc or value.size == 0:
        return start, start + value.nbytes
    steps = [(size - 1) * stride for size, stride in zip(value.shape, value.strides, strict=True)]
    return start + sum(step for step in steps if step < 0), start + sum(s for s in steps if s > 0) + value.itemsize


def _start(value: Any) -> int:
    return int(value.__array_interface__["data"][0] if _is_array(value) else value.data_ptr())
