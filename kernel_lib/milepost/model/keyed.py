"""The idempotency key of a task that happens once: how its body finds it, wherever that is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import CoroutineType
from typing import Any

from milepost.model.task import Task

_key: ContextVar[str] = ContextVar("milepost_once_key", default="")


def current_key() -> str:
    """The idempotency key of the task whose body runs here, "" where that is none that happens once."""
    return _key.get()


@contextmanager
def holding(key: str) -> Iterator[None]:
    """Have bodies find this key."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


class Keyed:
    """A body that finds its key wherever it is called: in another thread, on a loop, in another process."""

    def __init__(self, body: Callable[..., Any], key: str) -> None:
        self.__wrapped__ = body
        self.key = key
        if (inputs := getattr(body, "__milepost_inputs__", None)) is not None:
            self.__milepost_inputs__ = inputs

    def __call__(self, /, **arguments: Any) -> Any:
        """The body's value."""
        with holding(self.key):
            value = self.__wrapped__(**arguments)
        return self._awaited(value) if isinstance(value, CoroutineType) else value

    async def _awaited(self, coroutine: CoroutineType[Any, Any, Any]) -> Any:
        with holding(self.key):
            return await coroutine


def keyed(task: Task) -> Task:
    """A task whose body finds the key that is found here, wherever it is called."""
    key = current_key()
    return replace(task, run=Keyed(task.run, key)) if key else task
