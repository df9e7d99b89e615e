"""What a `@task` function is in a worker process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

from milepost.model.errors import UsageError


class Away:
    """Calls the plain function. The runner stays where it is, so what asks it for results is refused."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.name = name
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The plain function's value."""
        return self.function(*args, **kwargs)

    def __reduce__(self) -> Any:
        return Away, (self.name, self.function)

    def result(self) -> NoReturn:
        """Refused."""
        raise UsageError(
            f"a body in a worker process cannot ask for the result of task {self.name!r}: name it as a parameter, so "
            'that its data comes along, or run the body with on="threads"; calling it calls the plain function'
        )

    def map(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        words = f"a body in a worker process cannot map task {self.name!r} over items"
        raise UsageError(f'{words}: map it before, outside of this task, or run the body with on="threads"')
