"""The room that a store takes: its size limit, and when it is cleaned up by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from milepost.checkpoint.atomic import write_file
from milepost.checkpoint.background import Background
from milepost.checkpoint.cleanup import Cleaned, Cleanup, Owner, Rules
from milepost.checkpoint.eviction import needed_bytes
from milepost.checkpoint.sweep import GRACE
from milepost.checkpoint.view import Version, View
from milepost.model.errors import StoreLimitError
from milepost.model.record import Record
from milepost.model.sizes import size
from milepost.ports import Trouble, TroubleKind

EVERY = 86_400.0
"""Seconds after which a store that is written to is cleaned up again."""

WRITTEN = 1 << 30
"""Bytes that a session saves until it cleans up, however long ago that was done."""

FILLED = 0.9
"""To what part of its limit a store that is full is emptied, so that not every save has to."""

LOOK_AGAIN = 60.0
"""Seconds after which what other sessions have saved is counted anew."""


_log = logging.getLogger("milepost.store")


class Store(Owner, Protocol):
    """What the room of a store needs of it."""

    def tell(self, trouble: Trouble) -> None: ...
    def looking(self) -> AbstractContextManager[View]: ...


class Space:
    """The room of one store, as one session sees it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._background = Background[None]("milepost-cleanup", self._clean, patience=0.0)
        self._used: float = float("inf")
        self._looked = 0.0
        self._written = 0
        self._asked = False

    @property
    def limit(self) -> int | None:
        """The bytes that the store may take, None for any number; set for all sessions."""
        return _limit(self._store.view())

    @limit.setter
    def limit(self, nbytes: int | None) -> None:
        self._store.write(settings={"size_limit": nbytes})

    def clean(
        self, *, keep: int | None = None, limit: int | None = None, grace: float = GRACE, trial: bool = False
    ) -> Cleaned:
        """Drop what is not kept, free what nothing needs, merge old journals; what was done, or as a trial would be.

        Parameters
        ----------
        keep : int, optional
            Versions to keep of each task, else as many as the task says.
        limit : int, optional
            Bytes to keep in all, else the size limit of the store.
        grace : float
            Seconds for which what nothing needs stays all the same, as a save may be about to need it.
        trial : bool
            Only say what would be done.
        """
        root = self._store.layout.root
        if not root.is_dir():
            return Cleaned()
        rules = Rules(keep=keep, limit=self.limit if limit is None else limit, grace=grace)
        cleanup = Cleanup(self._store, rules, lambda: self._background.stopping)
        if trial:
            return cleanup.trial()
        cleaned = cleanup.run()
        with suppress(OSError):
            write_file(self._store.layout.cleaned, b"")
        return cleaned

    def settle(self) -> None:
        """Wait until no clean-up runs."""
        self._background.wait()

    # around a save

    def admit(self, task: str, nbytes: int, view: View) -> None:
        """Refuse what is too large for the store, before it is written."""
        limit = _limit(view)
        if limit is not None and nbytes > limit:
            raise StoreLimitError(f"task {task!r} has {size(nbytes)}, and {self._words(limit)}")

    def saved(self, record: Record, view: View) -> None:
        """A record was saved: see that the store keeps its limit, and is cleaned up now and then.

        Raises
        ------
        StoreLimitError
            When it is itself what is worth the least, and had to go. Nothing else: it is saved all the same.
        """
        try:
            self._see_to(record, view)
        except StoreLimitError:
            raise
        except Exception as error:
            self._warn(error)

    def _see_to(self, record: Record, view: View) -> None:
        self._written += record.nbytes
        if not self._asked or self._written >= WRITTEN:
            self._asked = True
            if self._written >= WRITTEN or self._is_due():
                self._written = 0
                self._background.add(None)
        limit = _limit(view)
        if limit is not None:
            self._used += record.nbytes
            self._keep_to(limit, record)

    def _is_due(self) -> bool:
        layout = self._store.layout
        for marker in (layout.cleaned, layout.format):
            with suppress(FileNotFoundError):
                return time.time() - marker.stat().st_mtime > EVERY
        return False

    def _clean(self, items: Sequence[None]) -> None:
        cleaned, limit = self.clean(), self.limit
        for record in cleaned.evicted:
            self._store.tell(Trouble(TroubleKind.EVICTED, record, self._evicted(record, limit or 0)))
        for problem in cleaned.problems:
            _log.warning("clean-up of %s: %s", self._store.layout.root, problem)

    def _keep_to(self, limit: int, record: Record) -> None:
        now = time.monotonic()
        if self._used <= limit and now - self._looked < LOOK_AGAIN:
            return
        with self._store.looking() as seen:
            self._used, self._looked = needed_bytes(seen.versions()), now
        if self._used <= limit:
            return
        evicted = self._free(int(limit * FILLED))
        self._used = float("inf")
        for other in evicted:
            if other.identity != record.identity:
                self._store.tell(Trouble(TroubleKind.EVICTED, other, self._evicted(other, limit)))
        if any(other.identity == record.identity for other in evicted):
            words = "all else in it saves more computing for its bytes"
            raise StoreLimitError(f"task {record.task!r} has {size(record.nbytes)}, {self._words(limit)}, and {words}")

    def _free(self, limit: int) -> Sequence[Record]:
        """Make room; what had to go, which is to be told even where what is left of it could not be removed."""
        with self._store.looking() as view:
            displaced = {version.sum for version in view.displaced()}
            before = [version for version in view.versions() if version.trusted and version.sum not in displaced]
        try:
            return Cleanup(self._store, Rules(limit=limit, grace=GRACE)).free().evicted
        except Exception as error:
            self._warn(error)
            return self._gone(before)

    def _gone(self, before: Sequence[Version]) -> list[Record]:
        with self._store.looking() as view:
            return [version.record for version in before if not view.standing(version.sum)]

    def _warn(self, error: Exception) -> None:
        why = str(error) or type(error).__name__
        _log.warning("%s may take more than its size limit: the clean-up failed: %s", self._store.layout.root, why)

    def _evicted(self, record: Record, limit: int) -> str:
        words = f"{size(record.nbytes)} of task {record.task!r}, saved {record.saved_at[:16].replace('T', ' ')} UTC"
        return f"{words}, had to make room: {self._words(limit)}"

    def _words(self, limit: int) -> str:
        return f"{self._store.layout.root} may take {size(limit)} (`%tasks config size-limit=…`)"


def _limit(view: View) -> int | None:
    limit = view.settings.get("size_limit")
    return limit if isinstance(limit, int) else None
