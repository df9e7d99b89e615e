"""Results that are made when they are first looked at, so that very many cost nothing until then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping

from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus


class Unopened(ABC):
    """Results by name; `succeeded` holds the names of the successes."""

    __slots__ = ("_opened", "succeeded")

    def __init__(self, succeeded: Iterable[str]) -> None:
        self.succeeded = frozenset(succeeded)
        self._opened: dict[str, TaskResult] = {}

    def result(self, name: str) -> TaskResult:
        """One result; the same object each time, in any thread."""
        known = self._opened.get(name)
        return self._opened.setdefault(name, self._open(name)) if known is None else known

    @abstractmethod
    def _open(self, name: str) -> TaskResult: ...


class GivenBack(Unopened):
    """The results of an earlier run, of which the successes count as restored."""

    __slots__ = ("_results",)

    def __init__(self, results: Mapping[str, TaskResult]) -> None:
        super().__init__(succeeded(results))
        self._results = results

    def _open(self, name: str) -> TaskResult:
        return self._results[name].given_back()


Kept = TaskResult | Unopened
"""What a mapping by name holds for a task: its result, or what makes it."""


def opened(kept: Kept, name: str) -> TaskResult:
    """The result itself."""
    return kept if isinstance(kept, TaskResult) else kept.result(name)


def has_succeeded(kept: Kept, name: str) -> bool:
    """Whether a task succeeded; nothing is opened for it."""
    return kept.ok if isinstance(kept, TaskResult) else name in kept.succeeded


def succeeded(results: Mapping[str, Kept]) -> set[str]:
    """The names of those that succeeded; as `has_succeeded` of each, in a third of the time."""
    ok = TaskStatus.SUCCESS
    return {
        name
        for name, kept in results.items()
        if (kept.status is ok if type(kept) is TaskResult else name in kept.succeeded)  # type: ignore[union-attr]
    }


def given_back(results: Mapping[str, Kept]) -> dict[str, Kept]:
    """The same for a run that did not compute them: what is still unopened has been given back anyway."""
    made = {name: kept for name, kept in results.items() if isinstance(kept, TaskResult)}
    return {**results, **dict.fromkeys(made, GivenBack(made))}
