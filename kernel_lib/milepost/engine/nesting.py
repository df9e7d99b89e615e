"""Runs that are called for in the bodies of tasks."""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import ContextVar
from threading import get_ident
from typing import Any

from milepost.model.errors import UsageError
from milepost.model.task import Task

Key = tuple[str, int]
"""What tells a task from others of the same name, in other runs: its name and the `id` of its body.

A plain tuple, made in place, as it is made three times for every task.
"""


def key_of(task: Task) -> Key:
    """The key of a task, good while the task is there."""
    return task.name, id(task.run)


ancestors: ContextVar[tuple[Key, ...]] = ContextVar("milepost_ancestors", default=())
"""The tasks whose bodies called for what runs in this context, the outermost first."""

loop_thread: ContextVar[int | None] = ContextVar("milepost_loop_thread", default=None)
"""The thread of the loop that runs the coroutine of this context, if it is the body of a task."""


async def noted(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The value of a body that is a coroutine; what it calls for knows that it is in the loop's thread."""
    loop_thread.set(get_ident())
    return await coroutine


def refuse_to_block() -> None:
    """Raise `UsageError` in a coroutine that would wait here, and so hold up the loop on which it and others run.

    What it waits for may be a coroutine too: then the wait would never end.
    """
    if loop_thread.get() != get_ident():
        return
    task, _ = ancestors.get()[-1]
    raise UsageError(
        f"the coroutine of task {task!r} would block its event loop while it waits for other tasks; name what it "
        "needs as a parameter, or write: await asyncio.to_thread(other.result)"
    )
