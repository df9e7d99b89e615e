"""What has to make room where a store has a size limit: what saves the least computing for its bytes, first."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from milepost.checkpoint.usage import LINE_BYTES, inline_bytes, objects
from milepost.checkpoint.view import Version


def needed_bytes(versions: Iterable[Version]) -> int:
    """The bytes that this user's among these versions need together."""
    return _Plan(versions).nbytes


def to_evict(versions: Iterable[Version], limit: int) -> list[Version]:
    """Which of all standing versions to drop, so that the rest of this user's needs at most `limit` bytes.

    Always the one with the fewest seconds of computing saved for each byte that dropping it frees; of one task, older
    versions before newer ones. Those of tasks that happen once stay, as nothing computes them again. Strangers' stay,
    as they are not ours to drop. What they need does not count: to drop ours would not free it, and what sizes they
    claim shall not cost us anything.
    """
    plan = _Plan(versions)
    chosen: list[Version] = []
    while plan.nbytes > limit and (held := plan.least()):
        plan.drop(held)
        chosen.append(held.version)
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A version with what its place costs and saves."""

    version: Version
    task: str
    seconds: float
    line: int
    objects: dict[str, int]


class _Plan:
    """What is still there while versions are dropped one by one."""

    def __init__(self, versions: Iterable[Version]) -> None:
        self._needed_by: dict[str, set[_Held]] = defaultdict(set)
        self._left: dict[str, list[_Held]] = defaultdict(list)
        """By task, this user's versions, the oldest last."""
        self.nbytes = 0
        ordered = sorted(versions, key=lambda version: version.order, reverse=True)
        stay = {address for version in ordered if not version.trusted for address in objects(version.outline)}
        for version in ordered:
            if version.trusted:
                self._take(_held(version, stay))
        self._numbers = itertools.count()
        self._heap: list[tuple[float, int, _Held]] = []
        for left in self._left.values():
            self._offer(left[-1])

    def least(self) -> _Held | None:
        """The version that is worth the least for its bytes, of the oldest of each task."""
        while self._heap:
            _, _, held = heapq.heappop(self._heap)
            if self._is_oldest(held):
                return held
        return None

    def drop(self, held: _Held) -> None:
        """Go on without it."""
        self.nbytes -= self._freed(held)
        left = self._left[held.task]
        left.pop()
        sharing: dict[_Held, None] = {}
        for address in held.objects:
            self._needed_by[address].discard(held)
            if len(self._needed_by[address]) == 1:
                sharing |= dict.fromkeys(self._needed_by[address])
        # Dropping one of these frees more from now on, so that it is worth less for each byte.
        for other in (*left[-1:], *filter(self._is_oldest, sharing)):
            self._offer(other)

    def _take(self, held: _Held) -> None:
        self.nbytes += held.line + sum(n for address, n in held.objects.items() if address not in self._needed_by)
        for address in held.objects:
            self._needed_by[address].add(held)
        if not held.version.outline.once:
            self._left[held.task].append(held)

    def _is_oldest(self, held: _Held) -> bool:
        return self._left.get(held.task, [])[-1:] == [held]

    def _offer(self, held: _Held) -> None:
        heapq.heappush(self._heap, (held.seconds / self._freed(held), next(self._numbers), held))

    def _freed(self, held: _Held) -> int:
        return held.line + sum(n for address, n in held.objects.items() if len(self._needed_by[address]) == 1)


def _held(version: Version, stay: set[str]) -> _Held:
    record = version.outline
    own = {address: nbytes for address, nbytes in objects(record).items() if address not in stay}
    return _Held(version, version.task, record.seconds, LINE_BYTES + inline_bytes(record), own)
