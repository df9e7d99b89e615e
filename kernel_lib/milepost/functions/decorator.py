"""`@task`: a function that is also a task of the current runner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from milepost.functions.mapping import TaskMap
from milepost.functions.names import Key
from milepost.functions.registered import FunctionOptions, RegisteredFunction, Registry, current_registry
from milepost.model import checks
from milepost.model.errors import UsageError
from milepost.model.graph import did_you_mean
from milepost.model.keyed import current_key
from milepost.model.task import LoopPolicy, RetryPolicy

P = ParamSpec("P")
R = TypeVar("R")


class TaskFunction(RegisteredFunction[R], Generic[P, R]):
    """A function that `@task` made a task. Calling it calls the plain function."""

    def __init__(self, function: Callable[P, R], name: str, options: FunctionOptions, registry: Registry) -> None:
        super().__init__(function, name, options, registry)
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function: nothing is looked up or saved."""
        return cast(R, self.function(*args, **kwargs))

    def map(
        self, items: Iterable[Any], name: str | None = None, *, key: Key | None = None, to: str | None = None
    ) -> TaskMap[R]:
        """Register one task for each item: it has a result of its own, is retried and (in a notebook) saved by itself.

        The item goes to the parameter without a default that names no task; the others get the data of the tasks that
        they name, as always. All options of `@task` hold for each item. Nothing runs yet. A later map of the same
        name takes this one's place: items that are in both keep what is saved of them.

        Parameters
        ----------
        items : iterable, or TaskMap
            Read once. Items of another map (`clean.map(fetch.map(urls))`) are what those come to: each is worked on as
            soon as its own forerunner has ended.
        name : str, optional
            Of the map, the function's own by default. Tasks are called `fetch['a']`, `fetch[3]`: after plain items
            (strings, numbers, dates, paths, and tuples, lists and dicts of these) by their value, after others by
            their place, `fetch[#3]`. Equal ones are numbered.
        key : callable, optional
            `key(item)` gives what to call the item after: for items that have no plain value, or a secret one.
        to : str, optional
            The parameter that gets the item, where it is not plain.

        Returns
        -------
        TaskMap
            Its `results()`, `outcomes()` or `reduce()` run what is missing.

        Raises
        ------
        UsageError
            When `items` are no collection, or it is not clear which parameter gets the item.

        Examples
        --------
        >>> @task(retry=RetryPolicy(3, delay=1.0))
        ... def fetch(url):
        ...     return download(url)
        >>> pages = fetch.map(["a.html", "b.html"])
        >>> pages.results()  # in the order of the items; raises when one failed, after all have run
        >>> [outcome.ok for outcome in pages.outcomes()]  # never raises
        >>> total = pages.reduce(lambda pages: sum(map(len, pages)), "total", skip_failed=True)
        >>> total.result()
        """
        return TaskMap(self, name or self.name, items, key, to)


class TaskDecorator:
    """Register a function as a task.

    Parameters named after upstream tasks receive their data; `context` and `signal` are given when named; other
    parameters need defaults. `@task`, `@task("name")` and `@task(retry=RetryPolicy(3))` are all fine.

    Parameters
    ----------
    after : sequence of str
        Tasks that must come first although no parameter names them.
    priority, condition, retry, loop, timeout, continue_on_error, on, once
        As in `milepost.Task`.

    Returns
    -------
    TaskFunction
        Call it as before, or ask for `.result()`; `.map(items)` makes it many tasks.
    """

    __name__ = "task"

    @overload
    def __call__(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...

    @overload
    def __call__(
        self,
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
        once: bool = False,
    ) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...

    def __call__(self, function: Any = None, /, *, after: Any = (), **options: Any) -> Any:
        settings = _settings(after, options)

        def register(plain: Callable[P, R]) -> TaskFunction[P, R]:
            name = function if isinstance(function, str) else getattr(plain, "__name__", "")
            registry = current_registry()
            made = TaskFunction(plain, name, settings, registry)
            registry.register(made)
            return made

        return register(function) if callable(function) else register

    @property
    def key(self) -> str:
        """In the body of a task that happens once, its idempotency key: the same in every try, run and kernel.

        For services that do nothing twice for one key. Another one after the task was forgotten.

        Raises
        ------
        UsageError
            Anywhere else.
        """
        if not (key := current_key()):
            raise UsageError(
                "task.key is there in the body of a task that happens once: %%task --once, or @task(once=True); a "
                "thread that the body starts is given it by the body"
            )
        return key

    def __reduce__(self) -> str:
        return "task"

    def __repr__(self) -> str:
        return "<milepost.task>"


task = TaskDecorator()


def _settings(after: Any, options: dict[str, Any]) -> FunctionOptions:
    """The options of `@task`, those that make no sense refused together."""
    known = [field.name for field in fields(FunctionOptions)]
    strange = [f"there is no option {name!r}{did_you_mean(name, known)}" for name in options if name not in known]
    checks.refuse("@task", [*strange, checks.names("after", after)])
    return FunctionOptions(after=tuple(after), **options)
