"""Environment variables that the user's code looks up while a body runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from milepost.notebook.observed.events import by_user
from milepost.notebook.observed.places import Places
from milepost.notebook.observed.swap import Swap
from milepost.notebook.observed.telling import tell
from milepost.notebook.observed.watch import Watch

_PASSED_ON = frozenset({"os", "collections.abc", "_collections_abc"})
"""Modules through which a look-up goes that is not theirs."""

_OF_THE_KERNEL = frozenset({"JPY_PARENT_PID", "JPY_SESSION_NAME"})
"""Variables that differ in each kernel and say nothing of the user's data."""

_Environ: Any = type(os.environ)


class _Recording(_Environ):  # type: ignore[misc]
    """The class of `os.environ` meanwhile: the object stays the same, and tells of look-ups."""

    def __getitem__(self, name: Any) -> Any:
        _looked_up(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        _looked_up(name)
        return variable(name) is not None

    def get(self, name: Any, default: Any = None) -> Any:
        _looked_up(name)
        found = variable(name)
        return default if found is None else found

    def __iter__(self) -> Iterator[Any]:
        if by_user(_PASSED_ON):
            tell(_all)
        return iter(super().__iter__())

    def __setitem__(self, name: Any, value: Any) -> None:
        tell(_set, name)
        super().__setitem__(name, value)

    def __delitem__(self, name: Any) -> None:
        tell(_set, name)
        super().__delitem__(name)


def _put() -> None:
    if type(os.environ) is _Environ:
        os.environ.__class__ = _Recording


def _put_back() -> None:
    if type(os.environ) is _Recording:
        os.environ.__class__ = _Environ


RECORDED_ENVIRONMENT = Swap(_put, _put_back)
"""While it is entered, look-ups are told."""


def variable(name: Any) -> str | None:
    """A variable's value, None where it is not set; told to nobody."""
    try:
        found: str = _Environ.__getitem__(os.environ, name)
    except KeyError:
        return None
    return found


def _looked_up(name: Any) -> None:
    if isinstance(name, str) and name not in _OF_THE_KERNEL and by_user(_PASSED_ON):
        tell(_one, name)


def _one(watch: Watch, places: Places, name: str) -> None:
    if name not in watch.variables and name not in watch.set_variables:
        watch.variables[name] = variable(name)


def _set(watch: Watch, places: Places, name: str) -> None:
    watch.set_variables.add(name)


def _all(watch: Watch, places: Places) -> None:
    watch.whole_environment = True
