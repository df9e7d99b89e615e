"""`@task`: a function that is also a task of the current runner."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from milepost.model.errors import TaskFailed
from milepost.model.result import TaskResult
from milepost.model.task import LoopPolicy, RetryPolicy, Task

P = ParamSpec("P")
R = TypeVar("R")

GIVEN = frozenset({"context", "signal", "progress"})
"""Parameters that the runner fills; they are no tasks."""

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionOptions:
    """How a function runs as a task; see `milepost.Task`."""

    after: tuple[str, ...] = ()
    priority: int = 0
    condition: Callable[[Any], Any] | None = None
    retry: RetryPolicy | None = None
    loop: LoopPolicy | None = None
    timeout: float | None = None
    continue_on_error: bool = False
    on: str = ""


class Registry(Protocol):
    """Where functions register, and what runs them: a runner in a script, the session in a notebook."""

    def register(self, function: TaskFunction[..., Any]) -> None: ...

    def result_of(self, function: TaskFunction[..., Any]) -> TaskResult: ...


class TaskFunction(Generic[P, R]):
    """A function that `@task` made a task. Calling it calls the plain function."""

    def __init__(self, function: Callable[P, R], name: str, options: FunctionOptions, registry: Registry) -> None:
        self.function = cast(Any, function)
        self.name = name
        self.options = options
        self._registry = registry
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function: nothing is looked up or saved."""
        return cast(R, self.function(*args, **kwargs))

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"

    @property
    def upstream(self) -> tuple[str, ...]:
        """The parameters without a default: each names a task (in a notebook also an output of one)."""
        parameters = inspect.signature(self.function).parameters.values()
        needed = [p.name for p in parameters if p.default is p.empty and p.kind not in _VARIADIC]
        return tuple(name for name in needed if name not in GIVEN)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Upstream parameters and the tasks named by `after`."""
        return tuple(dict.fromkeys((*self.upstream, *self.options.after)))

    def to_task(self) -> Task:
        """The task that an engine runs."""
        options = self.options
        return Task(
            name=self.name,
            run=self.function,
            dependencies=self.dependencies,
            priority=options.priority,
            condition=options.condition,
            retry=options.retry,
            loop=options.loop,
            timeout=options.timeout,
            continue_on_error=options.continue_on_error,
            on=options.on,
        )

    def result(self) -> R:
        """The task's data: run (with what it needs) or given back.

        Raises
        ------
        TaskFailed
            When it, or a task it needs, failed, was skipped or cancelled; the task's own exception is its cause.
        """
        outcome = self._registry.result_of(self)
        if not outcome.ok:
            raise TaskFailed(f"task {self.name!r}: {outcome.message or outcome.error or outcome.status}") from (
                outcome.exception
            )
        return cast(R, outcome.data)


_registries: list[Registry] = []
_default: list[Callable[[], Registry]] = []


def provide_default(make: Callable[[], Registry]) -> None:
    """Where `@task` registers in a plain script: `make` is called on first use. Wired by the package itself."""
    _default[:] = [make]


def use_registry(registry: Registry | None) -> None:
    """Have `@task` register with this from now on; None: with the default."""
    _registries[:] = [] if registry is None else [registry]


def current_registry() -> Registry:
    """Where `@task` registers."""
    if not _registries:
        use_registry(_default[0]())
    return _registries[0]


@overload
def task(function: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(
    name: str | None = None,
    /,
    *,
    after: tuple[str, ...] | list[str] = (),
    priority: int = 0,
    condition: Callable[[Any], Any] | None = None,
    retry: RetryPolicy | None = None,
    loop: LoopPolicy | None = None,
    timeout: float | None = None,
    continue_on_error: bool = False,
    on: str = "",
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...


def task(function: Any = None, /, *, after: Any = (), **options: Any) -> Any:
    """Register a function as a task.

    Parameters named after upstream tasks receive their data; `context` and `signal` are given when named; other
    parameters need defaults. `@task`, `@task("name")` and `@task(retry=RetryPolicy(3))` are all fine.

    Parameters
    ----------
    after : sequence of str
        Tasks that must come first although no parameter names them.
    priority, condition, retry, loop, timeout, continue_on_error, on
        As in `milepost.Task`.

    Returns
    -------
    TaskFunction
        Call it as before, or ask for `.result()`.
    """
    settings = FunctionOptions(after=tuple(after), **options)

    def register(plain: Callable[P, R]) -> TaskFunction[P, R]:
        name = function if isinstance(function, str) else getattr(plain, "__name__", "")
        registry = current_registry()
        made = TaskFunction(plain, name, settings, registry)
        registry.register(made)
        return made

    return register(function) if callable(function) else register
