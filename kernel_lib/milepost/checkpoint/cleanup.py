"""One clean-up of a store: what is not kept is dropped, what nothing needs is freed, old journals are merged."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from milepost.checkpoint.atomic import is_full
from milepost.checkpoint.compaction import compact
from milepost.checkpoint.eviction import to_evict
from milepost.checkpoint.journal import Authenticator
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.sweep import Sweeper, Swept, clock_of
from milepost.checkpoint.usage import objects
from milepost.checkpoint.view import Version, View
from milepost.model.errors import StoreError, StoreUnwritableError
from milepost.model.record import Record


class Owner(Protocol):
    """What a clean-up needs of its store."""

    @property
    def layout(self) -> Layout: ...
    def authenticator(self) -> Authenticator: ...
    def read_anew(self) -> View: ...
    def view(self) -> View: ...
    def write(self, **facts: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What a clean-up did, or what a trial would do.

    `displaced` and `evicted` are records that were dropped: for newer ones, and for the size limit. `objects` were
    freed, `nbytes` together; `leftovers` are files of writers that died, `journals` those that were merged.
    """

    displaced: tuple[Record, ...] = ()
    evicted: tuple[Record, ...] = ()
    objects: int = 0
    nbytes: int = 0
    leftovers: int = 0
    journals: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is kept: `keep` versions of a task (else as many as it says), `limit` bytes in all; `grace` as `GRACE`."""

    keep: int | None = None
    limit: int | None = None
    grace: float


@dataclass(slots=True)
class Cleanup:
    """A clean-up by some rules; `stopping` is asked now and then whether to leave the rest for another time."""

    owner: Owner
    rules: Rules
    stopping: Callable[[], bool] = lambda: False
    _problems: list[str] = field(default_factory=list)
    _swept: Swept = field(default_factory=Swept)

    def trial(self) -> Cleaned:
        """What `run` would do, without the merging of journals."""
        view = self.owner.read_anew()
        displaced, evicted = self._choose(view)
        rest = _addresses(_without(view, [*displaced, *evicted]))
        garbage = self._sweeper().garbage(rest, _addresses([*displaced, *evicted]))
        return replace(_dropped(displaced, evicted), objects=len(garbage), nbytes=sum(garbage.values()))

    def run(self) -> Cleaned:
        """Do it; what cannot be done is said in `problems`."""
        done = Cleaned()
        for step in (self.free, self._remove_leftovers, self._merge):
            if not self.stopping():
                try:
                    done = step(done)
                except StoreError as error:
                    self._problems.append(str(error))
                except OSError as error:
                    where = error.filename or self.owner.layout.root
                    self._problems.append(
                        f"{where} cannot be changed ({error.strerror or error}): mend its permissions"
                    )
        return replace(done, problems=tuple(self._problems))

    def free(self, _: Cleaned | None = None) -> Cleaned:
        """Only drop what is not kept, and free what nothing needs."""
        view = self.owner.read_anew()
        displaced, evicted = self._choose(view)
        gone = [*displaced, *evicted]
        self._drop(displaced, evicted)
        self._swept += self._sweeper().sweep(_addresses(_without(view, gone)), _addresses(gone))
        return replace(_dropped(displaced, evicted), objects=self._swept.objects, nbytes=self._swept.nbytes)

    def _remove_leftovers(self, done: Cleaned) -> Cleaned:
        return replace(done, leftovers=self._sweeper().remove_leftovers())

    def _merge(self, done: Cleaned) -> Cleaned:
        layout = self.owner.layout
        before = clock_of(layout.root) - self.rules.grace
        return replace(done, journals=compact(layout, self.owner.authenticator, before))

    def _choose(self, view: View) -> tuple[list[Version], list[Version]]:
        displaced = view.displaced(self.rules.keep)
        limit = self.rules.limit
        return displaced, to_evict(_without(view, displaced), limit) if limit is not None else []

    def _drop(self, displaced: Sequence[Version], evicted: Sequence[Version]) -> None:
        if not displaced and not evicted:
            return
        facts = {
            "dropped": tuple(version.sum for version in (*displaced, *evicted)),
            "evicted": tuple(dict.fromkeys(version.task for version in evicted)),
        }
        # A full disk has no room for the line that drops them: then first goes what nothing needs, then theirs.
        ways: tuple[Callable[[], None], ...] = (self._sweep, lambda: self._unlink([*displaced, *evicted]))
        for make_room in ways:
            try:
                return self.owner.write(**facts)
            except StoreUnwritableError as error:
                if not is_full(error.__cause__):
                    raise  # the objects of what stays on record must stay, too
                make_room()
        self.owner.write(**facts)

    def _sweep(self) -> None:
        self._swept += self._sweeper().sweep(self._needed())

    def _unlink(self, versions: Sequence[Version]) -> None:
        rest = _addresses(_without(self.owner.read_anew(), versions))
        for address in _addresses(versions) - rest:
            path = self.owner.layout.object(address)
            with contextlib.suppress(FileNotFoundError):
                nbytes = path.lstat().st_size
                path.unlink()
                self._swept += Swept(1, nbytes)

    def _sweeper(self) -> Sweeper:
        return Sweeper(self.owner.layout, self._needed, self.rules.grace)

    def _needed(self) -> set[str]:
        return _addresses(self.owner.read_anew().versions())


def _without(view: View, gone: Sequence[Version]) -> list[Version]:
    lines = {version.sum for version in gone}
    return [version for version in view.versions() if version.sum not in lines]


def _addresses(versions: Iterable[Version]) -> set[str]:
    return {address for version in versions for address in objects(version.outline)}


def _dropped(displaced: Sequence[Version], evicted: Sequence[Version]) -> Cleaned:
    return Cleaned(
        displaced=tuple(version.record for version in displaced), evicted=tuple(version.record for version in evicted)
    )
