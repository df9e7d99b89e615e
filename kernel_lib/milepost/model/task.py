"""A task: a name, a body and the rules for running it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from milepost.model import checks

_BACKOFFS = ("fixed", "exponential")


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
        Only these errors are tried again; one type will do, too.

    Raises
    ------
    UsageError
        With every value that makes no sense.
    """

    attempts: int = 1
    delay: float = 0.0
    backoff: Literal["fixed", "exponential"] = "fixed"
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)

    def __post_init__(self) -> None:
        given: Any = self.retry_on
        object.__setattr__(self, "retry_on", tuple(given) if isinstance(given, tuple | list) else (given,))
        checks.refuse("RetryPolicy", self._problems())

    def _problems(self) -> Iterator[str]:
        yield checks.whole("attempts", self.attempts, 1)
        yield checks.seconds("delay", self.delay)
        if self.backoff not in _BACKOFFS:
            yield f'backoff is "fixed" or "exponential", not {self.backoff!r}'
        yield checks.share("jitter", self.jitter)
        yield checks.error_types("retry_on", self.retry_on)


@dataclass(frozen=True, slots=True)
class LoopPolicy:
    """Run a body until `until(data)` holds, `interval` seconds apart, at most `max_iterations` times.

    Raises
    ------
    UsageError
        With every value that makes no sense; `until` cannot be a coroutine function.
    """

    until: Callable[[Any], bool]
    interval: float = 0.0
    max_iterations: int = 1_000

    def __post_init__(self) -> None:
        checks.refuse("LoopPolicy", self._problems())

    def _problems(self) -> Iterator[str]:
        yield checks.of_one("until", self.until, "the data", may_wait=False)
        yield checks.seconds("interval", self.interval)
        yield checks.whole("max_iterations", self.max_iterations, 1)


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
    once : bool
        Its effect must not happen twice: it starts once, in whatever process, and is in doubt where it did not report
        its end. Needs a store.
    optional : frozenset of str
        Dependencies that need not succeed: the task waits for their end, and gets the data of those that succeeded.
    on : str
        The name of the executor that calls the body, such as "processes"; empty: the runner's own.

    Raises
    ------
    UsageError
        With every value that makes no sense.
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
    once: bool = False

    def __post_init__(self) -> None:
        if type(self.dependencies) is not tuple:
            object.__setattr__(self, "dependencies", _collected(self.dependencies, tuple))
        if type(self.optional) is not frozenset:
            object.__setattr__(self, "optional", _collected(self.optional, frozenset))
        checks.refuse(f"task {self.name!r}", self._problems())

    def _problems(self) -> Iterator[str]:
        if not isinstance(self.name, str) or not self.name:
            yield "its name is a string that is not empty"
        yield checks.body("its body", self.run)
        if self.dependencies != ():
            yield checks.names("its dependencies", self.dependencies)
        if self.priority != 0:
            yield checks.whole("its priority", self.priority)
        yield from self._problems_of_rules()
        if not isinstance(self.on, str):
            yield f'on is the name of an executor, such as "threads", not {self.on!r}'
        if self.optional:
            yield checks.names("its optional dependencies", self.optional)

    def _problems_of_rules(self) -> Iterator[str]:
        if self.condition is not None:
            yield checks.of_one("its condition", self.condition, "the context")
        if self.retry is not None:
            yield checks.instance("retry", self.retry, RetryPolicy, "RetryPolicy(3)")
        if self.loop is not None:
            yield checks.instance("loop", self.loop, LoopPolicy, "LoopPolicy(until)")
        if self.timeout is not None:
            yield checks.seconds("its timeout", self.timeout)
        yield checks.yes_or_no("continue_on_error", self.continue_on_error)
        if self.once is not False:
            yield checks.yes_or_no("once", self.once)
            yield from once_problems(self.retry, self.loop, self.continue_on_error)


def once_problems(retry: Any, loop: Any, continue_on_error: bool) -> Iterator[str]:
    """What contradicts that a task happens once."""
    if isinstance(retry, RetryPolicy) and any(error in (Exception, BaseException) for error in retry.retry_on):
        yield (
            "what happens once is tried again only after errors that say that nothing has happened yet: name them, "
            "as in RetryPolicy(3, retry_on=ConnectionRefusedError), in a cell --retry-on ConnectionRefusedError"
        )
    if loop is not None:
        yield "a loop repeats its body, and once has it happen once: leave one of them out"
    if continue_on_error:
        yield "what depends on a task that happens once waits while that is in doubt: leave continue_on_error out"


def _collected(given: Any, collect: Callable[[Any], Any]) -> Any:
    """Several names as one kind of collection; what is none is left for the checks to refuse."""
    return collect(given) if isinstance(given, Iterable) and not isinstance(given, str) else given
