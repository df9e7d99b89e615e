"""A compiled body, run in a namespace of its own: in a thread, or in another process, which loads no IPython for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import CO_COROUTINE
from types import CodeType
from typing import Any

from milepost.notebook.coroutine import run_coroutine


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a body; `shown` says that it is an expression whose value is shown."""

    code: CodeType
    shown: bool


def run_steps(steps: Iterable[Step], namespace: dict[str, Any], show: Callable[[Any], None]) -> None:
    """Run a body; `show(value)` gets what a cell would show as its value."""
    for step in steps:
        value = run_code(step.code, namespace, namespace)
        if step.shown and value is not None:
            show(value)


def run_code(code: CodeType, global_ns: dict[str, Any], local_ns: dict[str, Any]) -> Any:
    """Run code, also with `await` at its top level; the value of an expression."""
    if code.co_flags & CO_COROUTINE:
        return run_coroutine(lambda: eval(code, global_ns, local_ns))
    return eval(code, global_ns, local_ns)
