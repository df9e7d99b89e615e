"""A function that runs as a task, and where such functions register."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

from milepost.model import checks
from milepost.model.errors import TaskFailed, UsageError
from milepost.model.parameters import required
from milepost.model.result import TaskResult
from milepost.model.task import LoopPolicy, RetryPolicy, Task, once_problems

R = TypeVar("R", covariant=True)

Role = Literal["task", "variable", ""]
"""What a name is where functions register: a task or an output of one, a plain variable, or nothing."""


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
    once: bool = False

    def __post_init__(self) -> None:
        if self.once is not False:
            problems = once_problems(self.retry, self.loop, self.continue_on_error)
            checks.refuse("@task", [checks.yes_or_no("once", self.once), *problems])


class Registry(Protocol):
    """Where functions register, and what runs them: a runner in a script, the session in a notebook."""

    def register(self, function: Any) -> None: ...

    def result_of(self, function: Any) -> TaskResult: ...


class MapRegistry(Registry, Protocol):
    """A registry that takes maps. `maps` holds them by name, each as it was registered last."""

    maps: dict[str, Any]

    def register_all(self, functions: Sequence[Any]) -> None:
        """Many at once; what has such a name already is replaced."""

    def withdraw(self, names: Iterable[str]) -> None:
        """Drop tasks, not what is saved of them; names that are no tasks are fine."""

    def has(self, name: str) -> bool:
        """Whether a task has this name."""

    def role_of(self, name: str) -> Role: ...

    def results_of(self, functions: Sequence[Any], concurrency: int | None = None) -> list[TaskResult]:
        """The results in this order, those that are missing run side by side."""


class RegisteredFunction(Generic[R]):
    """A function under a task's name; `TaskFunction` and the parts of a map are such."""

    def __init__(self, function: Callable[..., Any], name: str, options: FunctionOptions, registry: Registry) -> None:
        self.function = cast(Any, function)
        self.name = name
        self.options = options
        self._registry = registry

    def __repr__(self) -> str:
        return f"<task {self.name!r}>"

    @property
    def upstream(self) -> tuple[str, ...]:
        """Parameters without a default: each names a task (in a notebook also an output of one). `**` takes `after`."""
        return required(self.function, self.options.after)

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Upstream parameters and the tasks named by `after`."""
        return tuple(dict.fromkeys((*self.upstream, *self.options.after)))

    @property
    def body(self) -> Callable[..., Any]:
        """What the task calls."""
        return cast(Callable[..., Any], self.function)

    def to_task(self) -> Task:
        """The task that an engine runs."""
        options = self.options
        return Task(
            name=self.name,
            run=self.body,
            dependencies=self.dependencies,
            priority=options.priority,
            condition=options.condition,
            retry=options.retry,
            loop=options.loop,
            timeout=options.timeout,
            continue_on_error=options.continue_on_error,
            on=options.on,
            once=options.once,
        )

    def result(self) -> R:
        """The task's data: run (with what it needs) or given back.

        Raises
        ------
        TaskFailed
            When it, or a task it needs, failed, was skipped or cancelled; the task's own exception is its cause.
        """
        outcome = self._outcome()
        if not outcome.ok:
            raise failed(self.name, outcome)
        return cast(R, outcome.data)

    def _outcome(self) -> TaskResult:
        registry: Any = self._registry
        if hasattr(registry, "has") and not registry.has(self.name):
            words = f"{self.name!r} is no task any more: it was mapped over items, or forgotten"
            raise UsageError(f"{words}. Ask its map for the results, or define it again")
        return self._registry.result_of(self)


def map_registry(function: RegisteredFunction[Any]) -> MapRegistry:
    """Where the map of a function registers.

    Raises
    ------
    UsageError
        In a worker process, whose tasks can only ask for results that are there.
    """
    registry = function._registry
    if not hasattr(registry, "maps"):
        raise UsageError(f"{function.name!r} cannot be mapped in here: register the map before, outside of this task")
    return cast(MapRegistry, registry)


def failed(name: str, outcome: TaskResult) -> TaskFailed:
    """The error of who asked for a task's data; its cause is what the task, or the one it was skipped for, raised."""
    error = TaskFailed(f"task {name!r}: {outcome.message or outcome.error or outcome.status}")
    error.__cause__ = outcome.exception
    return error


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
