"""The executors of one runner, by name; each is made when a task first needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from milepost.ports import Executor


class Executors(Mapping[str, Executor]):
    """By name: "" is the runner's own, `factories` make the others.

    Parameters
    ----------
    own : Executor
        Where tasks run that name no executor.
    more : iterable of Executor
        Others that are there already.
    factories : mapping of str to callable
        Those that can be made.
    """

    def __init__(
        self, own: Executor, more: tuple[Executor, ...], factories: Mapping[str, Callable[[], Executor]]
    ) -> None:
        self._lock = threading.Lock()
        self._factories = factories
        self._made: dict[str, Executor] = {executor.name: executor for executor in (*more, own)}
        self._made[""] = own

    def __getitem__(self, name: str) -> Executor:
        made = self._made.get(name)
        if made is not None:
            return made
        with self._lock:
            if name not in self._made:
                self._made[name] = self._factories[name]()
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._factories, **self._made})

    def __len__(self) -> int:
        return len({**self._factories, **self._made})

    def shutdown(self) -> None:
        """Wait for what runs, and free the threads and processes of all."""
        for executor in {id(executor): executor for executor in self._made.values()}.values():
            executor.shutdown()
