"""What is wrong with an argument: a sentence, or "" when nothing is."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterable
from functools import partial
from numbers import Integral, Real
from types import CoroutineType, FunctionType
from typing import Any

from milepost.model.errors import UsageError

_YIELDS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


def refuse(what: str, problems: Iterable[str]) -> None:
    """Raise one `UsageError` that tells every problem of `what`; do nothing when there is none."""
    found = [problem for problem in problems if problem]
    if found:
        raise UsageError(f"{what}: {'; '.join(found)}")


def seconds(name: str, value: Any) -> str:
    """A span of time that can be waited for."""
    if _is(value, Real) and 0 <= value <= threading.TIMEOUT_MAX:  # so no NaN, and nothing infinite
        return ""
    return f"{name} is a number of seconds, 0 or more, not {value!r}"


def whole(name: str, value: Any, least: int | None = None) -> str:
    """A whole number."""
    if _is(value, Integral) and (least is None or value >= least):
        return ""
    return f"{name} is a whole number{'' if least is None else f', {least} or more'}, not {value!r}"


def share(name: str, value: Any) -> str:
    """A number from 0 to 1."""
    if _is(value, Real) and 0 <= value <= 1:
        return ""
    return f"{name} is a number from 0 to 1, not {value!r}"


def yes_or_no(name: str, value: Any) -> str:
    """True or False."""
    return "" if isinstance(value, bool) else f"{name} is True or False, not {value!r}"


def function(name: str, value: Any, *, may_wait: bool = True) -> str:
    """Something to call; without `may_wait` its answer is needed at once, so it is no coroutine function."""
    if isinstance(value, CoroutineType):
        value.close()  # else Python warns that nobody awaited it
        return f"{name} is a coroutine; give the function {value.__name__!r} itself, without calling it"
    if not callable(value):
        return f"{name} is a function, not {value!r}"
    if not may_wait and inspect.iscoroutinefunction(value):
        return f"{name} is a plain function; {value.__name__!r} is a coroutine function"
    return ""


def body(name: str, value: Any) -> str:
    """A function whose call does the work: calling a generator function does nothing yet."""
    if _code_flags(value) & _YIELDS:
        return f"{name} is a generator function, which does nothing when it is called; have it return a list"
    return function(name, value)


def _code_flags(value: Any) -> int:
    """What Python notes of the code that a call runs first: also behind `partial`, or of a method `__call__`."""
    while isinstance(value, partial):
        value = value.func
    code = value.__code__ if hasattr(value, "__code__") else getattr(type(value).__call__, "__code__", None)
    return getattr(code, "co_flags", 0)


def of_one(name: str, value: Any, what: str, *, may_wait: bool = True) -> str:
    """A function that can be called with one argument, and no more; `what` says what it gets."""
    problem = function(name, value, may_wait=may_wait)
    if problem or _takes_one(value):
        return problem
    return f"{name} is called with one argument, {what}, which {_called(value)} does not take"


def _takes_one(function: Any) -> bool:
    if type(function) is FunctionType and not function.__dict__:  # says the same as its signature, and much faster
        code = function.__code__
        if code.co_argcount == 1 and not code.co_kwonlyargcount:
            return True
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # Python cannot tell
        return True
    return True


def _called(function: Any) -> str:
    return str(getattr(function, "__name__", "") or repr(function))


def names(name: str, value: Any) -> str:
    """Several names."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return f"{name} are several names, such as ({value if isinstance(value, str) else 'name'!r},), not {value!r}"
    wrong = [item for item in value if not isinstance(item, str)]
    return f"{name} are names of tasks, not {wrong[0]!r}" if wrong else ""


def error_types(name: str, value: Any) -> str:
    """Classes of exceptions."""
    wrong = [item for item in value if not (isinstance(item, type) and issubclass(item, BaseException))]
    return f"{name} are classes of exceptions, not {wrong[0]!r}" if wrong else ""


def instance(name: str, value: Any, kind: type, example: str) -> str:
    """An object of one class."""
    return "" if isinstance(value, kind) else f"{name} is a {kind.__name__}, such as {example}, not {value!r}"


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
