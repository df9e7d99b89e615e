"""What Python itself keeps for a whole process: the working folder, the environment, module paths, warning filters."""

from __future__ import annotations

import decimal
import locale
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from milepost.notebook.ambient.aspect import Aspect, Change, ListAspect, State
from milepost.notebook.ambient.logs import LogHandlers, LogLevels
from milepost.notebook.ambient.warned import Warned

Home = Callable[[], Path]
"""The folder of the notebook."""

IN_NOTEBOOK = "<notebook>"
"""How a path below the notebook's folder begins where it is saved: the folder may be moved."""


def packed_path(path: str, home: Path) -> str:
    """A path as it is saved."""
    inside = path == str(home) or path.startswith(f"{home}{os.sep}")
    return IN_NOTEBOOK + path[len(str(home)) :] if inside else path


def unpacked_path(path: str, home: Path) -> str:
    """A path as it is now."""
    return str(home) + path[len(IN_NOTEBOOK) :] if path.startswith(IN_NOTEBOOK) else path


class WorkingFolder(Aspect):
    """The working folder. That relative paths depend on it is known by what files a task read."""

    name = "the working folder"
    counts = False

    def __init__(self, home: Home) -> None:
        self._home = home

    def read(self) -> State:
        """Where it is, {} if it is gone."""
        try:
            return {"": os.getcwd()}
        except OSError:
            return {}

    def change(self, before: State, after: State) -> Change | None:
        """Where the body went."""
        if before == after or not after:
            return None
        return {"values": {"": packed_path(after[""], self._home())}, "unset": []}

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Go there."""
        os.chdir(unpacked_path(values[""], self._home()))


class Environment(Aspect):
    """`os.environ`: what a body set or deleted. That a task read a variable is known by what it looked up.

    What looks like a secret is not written to disk unless the code of the cell, which is saved anyway, has it.
    """

    name = "environment variable"
    counts = False

    def read(self) -> State:
        """All of it, undecoded: that takes a tenth of the time."""
        return dict(_environ()._data)

    def change(self, before: State, after: State) -> Change | None:
        """What was set or deleted."""
        if before == after:
            return None
        environ = _environ()
        new = {name: value for name, value in after.items() if before.get(name) != value}
        values = {environ.decodekey(name): environ.decodevalue(value) for name, value in new.items()}
        unset = [environ.decodekey(name) for name in before if name not in after]
        return {"values": values, "unset": unset}

    def obstacle(self, change: Change, code: str) -> str:
        """A value that may be a secret."""
        secret = (name for name, value in change["values"].items() if _secret(name, value) and value not in code)
        name = next(secret, "")
        return f"it set the environment variable {name!r} to what may be a secret" if name else ""

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set and delete."""
        os.environ.update(values)
        for name in unset:
            os.environ.pop(name, None)


def _environ() -> Any:
    return os.environ


_SECRET_NAME = re.compile(r"key|token|secret|pass|pwd|cred|auth|cookie|session|dsn|private|signature|conn", re.I)
_SECRET_VALUE = re.compile(r"://[^/\s]*:[^/\s]*@|^(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=_.-]{20,}$")
_HARMLESS = re.compile(r"|true|false|yes|no|on|off|none|-?\d{1,4}", re.I)


def _secret(name: str, value: str) -> bool:
    """Whether a variable may hold a secret: by its name, by credentials in an address, or as it looks random."""
    named = _SECRET_NAME.search(name) is not None and not _HARMLESS.fullmatch(value)
    return named or (_SECRET_VALUE.search(value) is not None and not os.path.exists(value))


class ModulePath(ListAspect):
    """`sys.path`. What a task imported counts by its content."""

    name = "sys.path"

    def __init__(self, home: Home) -> None:
        self._home = home

    def items(self) -> Sequence[Any]:
        """The folders now."""
        return sys.path

    def change(self, before: State, after: State) -> Change | None:
        """The folders that came and went."""
        found = super().change(before, after)
        return found and self._each(found, packed_path)

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Put them where they were."""
        super().write(self._each({"values": values}, unpacked_path)["values"], unset)

    def _each(self, change: Change, convert: Callable[[str, Path], str]) -> Change:
        home = self._home()
        lists = change["values"].items()
        return {**change, "values": {k: [convert(p, home) if isinstance(p, str) else p for p in v] for k, v in lists}}

    def replace(self, items: list[Any]) -> None:
        """Have these folders."""
        sys.path[:] = items


class SinceStart(Aspect):
    """One value that counts by whether it is what it was when the extension was loaded."""

    def __init__(self, name: str, get: Callable[[], Any], put: Callable[[Any], object], *, shows: bool = False) -> None:
        self.name = name
        self.shows = shows
        self._get = get
        self._put = put
        self._start = get()

    def read(self) -> State:
        """The value, if it is another one."""
        value = self._get()
        return {} if value == self._start else {"": value}

    def default(self, entry: str) -> Any:
        """The value at the start."""
        return self._start

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set it."""
        self._put(values[""] if values else self._start)


def _set_arguments(arguments: Sequence[str]) -> None:
    sys.argv[:] = arguments


class WarningFilters(ListAspect):
    """Which warnings are shown. As an input, what becomes of Python's own kinds of warning in a cell counts: libraries
    add filters for their own when they are loaded, whenever that is."""

    name = "warnings"
    shows = True
    counts = True

    def items(self) -> Sequence[Any]:
        """The filters now."""
        return warnings.filters

    def replace(self, items: list[Any]) -> None:
        """Have these filters."""
        warnings.filters[:] = items  # type: ignore[index]
        _forget_verdicts()

    def counted(self, state: State) -> State:
        """What becomes of each kind of warning, where that is not what it was at the start."""
        filters = state.get("", ())
        if filters == self._filters:
            return {}
        verdicts = {kind.__name__: _verdict(kind, filters) for kind in _KINDS}
        return {name: action for name, action in verdicts.items() if action != self._start.get(name)}

    def __init__(self) -> None:
        self._filters = tuple(warnings.filters)
        self._start = {kind.__name__: _verdict(kind, self._filters) for kind in _KINDS}

    def default(self, entry: str) -> Any:
        """What becomes of it by itself."""
        return self._start.get(entry)


_KINDS = (
    UserWarning,
    DeprecationWarning,
    PendingDeprecationWarning,
    FutureWarning,
    RuntimeWarning,
    SyntaxWarning,
    ImportWarning,
    UnicodeWarning,
    BytesWarning,
    ResourceWarning,
)


def _verdict(kind: type[Warning], filters: Sequence[Any]) -> str:
    """What becomes of a warning without words of the notebook."""
    for action, message, category, module, line in filters:
        place = module is None or module == "__main__" or (hasattr(module, "match") and module.match("__main__"))
        if message is None and line == 0 and place and issubclass(kind, category):
            return str(action)
    return "default"


def _forget_verdicts() -> None:
    """Python remembers what became of each warning until the filters change."""
    if hasattr(warnings, "_filters_mutated_lock_held"):  # Python 3.14
        with warnings._lock:  # type: ignore[attr-defined]
            warnings._filters_mutated_lock_held()
    elif hasattr(warnings, "_filters_mutated"):
        warnings._filters_mutated()


class DecimalContext(Aspect):
    """The context of `decimal`: precision, rounding and what raises; flags only say what happened."""

    name = "decimal"
    module = "decimal"

    def read(self) -> State:
        """The fields that are not Python's."""
        context, plain = decimal.getcontext(), decimal.DefaultContext
        found = {name: getattr(context, name) for name in _FIELDS if getattr(context, name) != getattr(plain, name)}
        return found if context.traps == plain.traps else {"traps": _traps(context), **found}

    def default(self, entry: str) -> Any:
        """Python's."""
        return _fields(decimal.DefaultContext).get(entry)

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set the fields."""
        context, plain = decimal.getcontext(), _fields(decimal.DefaultContext)
        for name, value in {**{name: plain[name] for name in unset}, **values}.items():
            if name == "traps":
                context.traps = {trap: trap.__name__ in value for trap in context.traps}
            else:
                setattr(context, name, value)


def _fields(context: decimal.Context) -> dict[str, Any]:
    return {"traps": _traps(context), **{name: getattr(context, name) for name in _FIELDS}}


def _traps(context: decimal.Context) -> tuple[str, ...]:
    return tuple(sorted(trap.__name__ for trap, on in context.traps.items() if on))


_FIELDS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")


def python_aspects(home: Home) -> Iterator[Aspect]:
    """All of this file."""
    yield WorkingFolder(home)
    yield Environment()
    yield ModulePath(home)
    yield SinceStart("sys.argv", lambda: list(sys.argv), _set_arguments)
    yield SinceStart("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit)
    yield SinceStart("the locale", lambda: locale.setlocale(locale.LC_ALL), _set_locale)
    yield WarningFilters()
    yield Warned()
    yield DecimalContext()
    yield LogLevels()
    yield LogHandlers()


def _set_locale(name: str) -> None:
    locale.setlocale(locale.LC_ALL, name)
