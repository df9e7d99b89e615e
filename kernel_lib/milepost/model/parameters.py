"""What the parameters of a body say: by which names it takes data, and what it cannot do without."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

GIVEN = frozenset({"context", "signal", "progress"})
"""What a body gets that names it, besides the data of its dependencies."""


class Parameters(NamedTuple):
    """The parameters of a body, as far as they concern a run; none where Python cannot tell.

    `named` can be given by name; `needed` are those without a default; `unnamed` can be given by position only;
    `any_name` says that it takes whatever else is given by name (`**`).
    """

    named: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()
    any_name: bool = False


NOTHING = Parameters()
_MANY = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_read: WeakKeyDictionary[Any, Parameters] = WeakKeyDictionary()


def parameters_of(body: Callable[..., Any]) -> Parameters:
    """The parameters of a body; asked twice for each task of a run, so the usual ones are read off the code."""
    if type(body) is FunctionType:
        code = body.__code__
        number, unusual = code.co_argcount, code.co_kwonlyargcount or code.co_flags & _MANY
        if not (number or unusual):
            return NOTHING
        if not (unusual or code.co_posonlyargcount or body.__dict__):  # says the same as its signature: no wrapper
            names, defaults = code.co_varnames[:number], body.__defaults__
            return _tuple(Parameters, (names, names[: -len(defaults)] if defaults else names, (), False))
    try:
        return _read[body]
    except (KeyError, TypeError):
        found = _inspected(body)
    try:
        _read[body] = found
    except TypeError:  # a body without weak references, such as a built-in function
        return found
    return found


def data_names(body: Callable[..., Any], dependencies: Sequence[str]) -> Sequence[str]:
    """The names by which a body takes data, or what else is given: with `**` also all dependencies."""
    parameters = parameters_of(body)
    if not parameters.any_name:
        return parameters.named
    return tuple(dict.fromkeys((*parameters.named, *dependencies)))


def required(function: Callable[..., Any], after: Sequence[str] = ()) -> tuple[str, ...]:
    """The tasks (or variables) whose data a function takes: by parameters without a default, by `**` those `after`."""
    parameters = parameters_of(function)
    names = (*parameters.needed, *(after if parameters.any_name else ()))
    return tuple(name for name in dict.fromkeys(names) if name not in GIVEN)


def _inspected(body: Callable[..., Any]) -> Parameters:
    own: tuple[str, ...] | None = getattr(body, "__milepost_inputs__", None)
    if own is not None:
        return Parameters(own)  # it says itself what it takes, and does without
    try:
        found = inspect.signature(body).parameters.values()
    except (TypeError, ValueError):
        return NOTHING
    plain = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return Parameters(
        named=tuple(p.name for p in plain if p.kind is not p.POSITIONAL_ONLY),
        needed=tuple(p.name for p in plain if p.default is p.empty),
        unnamed=tuple(p.name for p in plain if p.kind is p.POSITIONAL_ONLY),
        any_name=any(p.kind is p.VAR_KEYWORD for p in found),
    )


_tuple = tuple.__new__
"""Makes a named tuple in half the time, without looking at the names."""
