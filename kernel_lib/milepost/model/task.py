"""A task: a name, a body and the rules for running it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Run a failing body again.

    Parameters
    ----------
    attempts : int
        How often to try in all, the first time counted in.
    delay : float
        Seconds before the second attempt.
    backoff : {"fixed", "exponential"}
        Whether each further delay stays or doubles.
    jitter : float
        The largest random share (0 to 1) of a delay added to it.
    retry_on : tuple of exception types
        Only these errors are tried again.
    """

    attempts: int = 1
    delay: float = 0.0
    backoff: Literal["fixed", "exponential"] = "fixed"
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    """Run a body until `until(data)` holds, `interval` seconds apart, at most `max_iterations` times."""

    until: Callable[[Any], bool]
    interval: float = 0.0
    max_iterations: int = 1_000


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work.

    Parameters
    ----------
    name : str
        Unique within a run.
    run : callable
        The body, sync or async. It receives what its parameters name: `context`, `signal`, or an
        upstream task's name (then that task's data).
    dependencies : tuple of str
        Tasks that must have succeeded first.
    priority : int
        Among ready tasks the higher comes first; equal ones keep their order.
    condition : callable, optional
        `condition(context)`, sync or async; false means skipped.
    retry, loop : policy, optional
        See `RetryPolicy` and `LoopPolicy`.
    timeout : float, optional
        Seconds after which the task fails with `TaskTimeout`.
    continue_on_error : bool
        Dependents run as if a failure had been a success.
    optional : frozenset of str
        Dependencies that need not succeed: the task waits for their end, and gets the data of those that succeeded.
    on : str
        The name of the executor that calls the body, such as "processes"; empty: the runner's own.
    """

    name: str
    run: Callable[..., Any]
    dependencies: tuple[str, ...] = ()
    priority: int = 0
    condition: Callable[[Any], Any] | None = None
    retry: RetryPolicy | None = None
    loop: LoopPolicy | None = None
    timeout: float | None = None
    continue_on_error: bool = False
    on: str = ""
    optional: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"a task's name must be a non-empty string, not {self.name!r}")
        if not callable(self.run):
            raise TypeError(f"the body of task {self.name!r} must be callable, not {type(self.run).__name__}")
        if isinstance(self.dependencies, str):
            raise TypeError(f"the dependencies of task {self.name!r} must be a sequence of names, not one string")
        object.__setattr__(self, "dependencies", tuple(self.dependencies))
