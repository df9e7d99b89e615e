"""The results so far: what a snapshot is taken of and what hydrating fills."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from milepost.model.kept import Kept, given_back, has_succeeded, opened
from milepost.model.result import TaskResult
from milepost.model.snapshot import Snapshot


class TaskStateManager:
    """Task results by name, safe to read and snapshot from any thread while tasks run.

    Hydrated successes stand in for a run until they are dropped; other hydrated results only say how it ended
    last time, and are evaluated again.
    """

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._lock = threading.RLock()  # a signal handler may ask in the middle of a change
        self._results: dict[str, Kept] = {}
        self._hydrated: set[str] = set()
        self._brought: set[str] = set()
        if snapshot is not None:
            self.hydrate(snapshot)

    def hydrate(self, snapshot: Snapshot) -> None:
        """Take over the results of a snapshot."""
        kept, ok = given_back(snapshot.kept()), snapshot.succeeded()
        with self._lock:
            self._brought |= kept.keys()
            self._hydrated -= kept.keys()
            self._hydrated |= ok
            self._results.update(kept)

    def copy(self) -> TaskStateManager:
        """The same results, for a run that must leave these alone; what was hydrated, and only that, still is."""
        other = TaskStateManager()
        with self._lock:
            other._results, other._hydrated = dict(self._results), set(self._hydrated)
            other._brought = set(self._brought)
        return other

    def __contains__(self, name: object) -> bool:
        """Whether a task has a success."""
        kept = self._results.get(name) if isinstance(name, str) else None
        return kept is not None and has_succeeded(kept, str(name))

    def snapshot(self, own: Mapping[str, TaskResult] = MappingProxyType({})) -> Snapshot:
        """The results as they are now; `own` are those of one run, which come first for their tasks."""
        with self._lock:
            kept = {**self._results, **own}
        return Snapshot(kept)

    def result(self, name: str) -> TaskResult | None:
        """One task's result, None while it has none."""
        kept = self._results.get(name)
        return None if kept is None else opened(kept, name)

    def is_hydrated(self, name: str) -> bool:
        """Whether the result is a success that a snapshot brought."""
        return name in self._hydrated

    def hydrated(self) -> frozenset[str]:
        """The tasks whose success a snapshot brought."""
        with self._lock:
            return frozenset(self._hydrated)

    def brought(self) -> frozenset[str]:
        """Every task that a snapshot named, however it had ended."""
        with self._lock:
            return frozenset(self._brought)

    def put(self, name: str, result: TaskResult) -> None:
        """Record a result."""
        self._results[name] = result  # without the lock: each of these is one step
        if self._hydrated:
            self._hydrated.discard(name)

    def drop(self, names: Iterable[str]) -> None:
        """Forget results, so that the tasks run again."""
        with self._lock:
            for name in names if self._results else ():
                self._results.pop(name, None)
                self._hydrated.discard(name)
