"""State of the process, in this process: every aspect is read, compared, put back, and told apart as an input."""

from __future__ import annotations

import decimal
import locale
import logging
import os
import pickle
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
import polars as pl
import pytest

from milepost.analysis.modules import is_project
from milepost.model.errors import StoreError
from milepost.model.record import Record
from milepost.notebook.ambient import modules
from milepost.notebook.ambient.ambient import Ambient, Snapshot, shows_nothing
from milepost.notebook.ambient.aspect import ListAspect
from milepost.notebook.ambient.python import WarningFilters

TESTS = str(Path(__file__).parents[1]) + os.sep


class Items(ListAspect):
    """A list of a test's own."""

    def __init__(self, *items: Any) -> None:
        self.list = list(items)

    def items(self) -> list[Any]:
        return self.list

    def replace(self, items: list[Any]) -> None:
        self.list = items


@pytest.fixture
def ambient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ambient]:
    """The aspects of this process, which is put back as it was afterwards."""
    shell = types.SimpleNamespace(user_ns={}, config={}, display_formatter=None)
    # What the other tests' modules hold, all the tables, takes seconds to look at.
    monkeypatch.setattr(modules, "is_project", lambda module: is_project(module) and not _of_tests(module))
    # Each folder once: one that stands there again changes nothing, and is not put back.
    monkeypatch.setattr(sys, "path", list(dict.fromkeys(sys.path)))
    made = Ambient(shell, lambda: tmp_path)
    before, argv = made.read(), list(sys.argv)
    yield made
    made.back_to(before)
    sys.argv[:] = argv


def _of_tests(module: Any) -> bool:
    return str(getattr(module, "__file__", "")).startswith(TESTS)


def _warn() -> None:
    warnings.filterwarnings("ignore", message="of a test")
    warnings.filterwarnings("error", append=True, module="of_a_test")


def _numpy() -> None:
    np.set_printoptions(precision=2, formatter={"float": "{:.1f}".format})
    np.seterr(over="ignore")


def _decimal() -> None:
    decimal.getcontext().prec = 7
    decimal.getcontext().traps[decimal.Inexact] = True


def _handlers() -> None:
    logging.root.addHandler(logging.StreamHandler(sys.stderr))
    logging.root.handlers[-1].setFormatter(logging.Formatter("of a test %(message)s", "%H"))


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "folder": (lambda: os.chdir("/"), os.getcwd),
    "variable set": (lambda: os.environ.update(OF_A_TEST="x"), lambda: os.environ.get("OF_A_TEST")),
    "variable deleted": (lambda: os.environ.pop("PATH"), lambda: os.environ.get("PATH")),
    "module path": (
        lambda: (sys.path.insert(0, "/of"), sys.path.append("/a"), sys.path.pop(1)),
        lambda: list(sys.path),
    ),
    "arguments": (lambda: sys.argv.append("x"), lambda: list(sys.argv)),
    "recursion": (lambda: sys.setrecursionlimit(4321), sys.getrecursionlimit),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C"), lambda: locale.setlocale(locale.LC_ALL)),
    "warnings": (_warn, lambda: list(warnings.filters)),
    "decimal": (_decimal, lambda: (decimal.getcontext().prec, decimal.getcontext().traps[decimal.Inexact])),
    "log level": (
        lambda: (logging.root.setLevel(5), logging.disable(7), logging.getLogger("of.a.test").setLevel(9)),
        lambda: (logging.root.level, logging.root.manager.disable, logging.getLogger("of.a.test").level),
    ),
    "log handler": (_handlers, lambda: [getattr(h.formatter, "_fmt", h) for h in logging.root.handlers]),
    "numpy": (_numpy, lambda: (np.array2string(np.array([1.234])), np.geterr())),
    "pandas": (
        lambda: (pd.set_option("display.max_rows", 5), pd.set_option("display.float_format", "{:.1f}".format)),
        lambda: (pd.get_option("display.max_rows"), pd.Series([1.23]).to_string()),
    ),
    "matplotlib": (lambda: mpl.style.use("ggplot"), lambda: dict(mpl.rcParams)),
    "polars": (lambda: (pl.Config.set_tbl_rows(3), pl.Config.set_fmt_float("full")), lambda: pl.Config.state()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_body_changed_is_put_back_elsewhere(name: str, ambient: Ambient) -> None:
    change, look = CHANGES[name]
    before, was = ambient.read(), look()
    change()
    now = look()
    assert now != was, "the change is none"
    changes, obstacle = ambient.changes(before, "")
    assert (bool(changes), obstacle) == (True, "")
    ambient.back_to(before)
    assert look() == was
    ambient.restore(pickle.loads(pickle.dumps(changes)))
    assert look() == now
    assert ambient.words(ambient.changes(before, "")[0]) == ambient.words(changes)


@pytest.mark.parametrize("name", CHANGES)
def test_putting_back_a_change_to_the_defaults(name: str, ambient: Ambient) -> None:
    change, look = CHANGES[name]
    start, was = ambient.read(), look()
    change()
    before, changed = ambient.read(), look()
    ambient.back_to(start)
    changes, _ = ambient.changes(before, "")
    ambient.restore(ambient.changes(start, "")[0])
    change()
    assert look() == changed
    ambient.restore(pickle.loads(pickle.dumps(changes)))
    assert look() == was


def test_nothing_changed(ambient: Ambient) -> None:
    loaded = set(sys.modules)
    before = ambient.read()
    assert before.failed == {}
    assert ambient.changes(before, "") == ({}, "")
    assert set(sys.modules) == loaded


def test_all_or_nothing(ambient: Ambient, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    before, folder = ambient.read(), os.getcwd()
    pd.set_option("display.max_rows", 5)
    np.set_printoptions(precision=2)
    os.chdir(tmp_path / "gone")
    changes, _ = ambient.changes(before, "")
    ambient.back_to(before)
    (tmp_path / "gone").rmdir()
    with pytest.raises(StoreError, match="the working folder cannot be put back"):
        ambient.restore(dict(reversed(changes.items())))
    assert (pd.get_option("display.max_rows"), np.get_printoptions()["precision"], os.getcwd()) == (60, 8, folder)


def test_paths_below_the_notebook_move_with_it(ambient: Ambient, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        (folder / "sub").mkdir(parents=True)
    shell = types.SimpleNamespace(user_ns={}, config={}, display_formatter=None)
    there, here = Ambient(shell, lambda: old), Ambient(shell, lambda: new)
    before = there.read()
    os.chdir(old / "sub")
    sys.path.insert(0, str(old / "lib"))
    changes, _ = there.changes(before, "")
    here.restore(changes)
    assert os.getcwd() == str(new / "sub")
    assert sys.path[0] == str(new / "lib")


@pytest.mark.parametrize(
    ("name", "value", "code", "saved"),
    [
        ("API_KEY", "abc", "", False),
        ("API_KEY", "abc", "os.environ['API_KEY'] = 'abc'", True),
        ("API_KEY", "1", "", True),
        ("DB", "postgres://me:word@host/db", "", False),
        ("PLACE", "https://host/path", "", True),
        ("THING", "ghp4fJ2kd93jf0s9dfj3kd9fjs", "", False),
        ("THING", "/usr/lib/python3", "", True),
        ("CUDA_MODULE_LOADING", "LAZY", "", True),
    ],
)
def test_what_may_be_a_secret_is_not_saved(name: str, value: str, code: str, saved: bool, ambient: Ambient) -> None:
    before = ambient.read()
    os.environ[name] = value
    changes, obstacle = ambient.changes(before, code)
    assert bool(changes) is saved
    assert (name in obstacle) is not saved
    assert value not in obstacle


@pytest.mark.parametrize(
    ("old", "new", "other", "result"),
    [
        ("abc", "xabc", "aqbc", "xaqbc"),
        ("abc", "abcx", "aqbc", "aqbcx"),
        ("abc", "cab", "aqbc", "caqb"),
        ("abc", "ac", "aqbc", "aqc"),
        ("abc", "", "aqbc", "q"),
        ("", "xy", "q", "xyq"),
        ("abc", "xcay", "abc", "xcay"),
    ],
)
def test_lists_are_put_back_into_other_lists(old: str, new: str, other: str, result: str) -> None:
    change = Items().change({"": tuple(old)}, {"": tuple(new)})
    assert change is not None
    there = Items(*other)
    there.restore(change)
    assert "".join(there.list) == result


# as an input


def _mismatch(ambient: Ambient, found: Snapshot, *, quiet: bool = False) -> str:
    record = Record(task="t", key="k", observed=(ambient.input(found, quiet=quiet),))
    return ambient.mismatch(Record.from_json(record.to_json()), ambient.read())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recursion", "the recursion limit: "),
        ("decimal", "decimal 'prec': 28 → 7"),
        ("log level", "log level of 'root': 30 → 5"),
        ("numpy", "NumPy print option 'precision': 8 → 2"),
        ("pandas", "pandas option 'display.max_rows': 60 → 5"),
        ("matplotlib", "matplotlib option 'axes.grid': False → True"),
        ("polars", "polars option 'set_fmt_float': 'mixed' → 'full'"),
    ],
)
def test_another_state_is_another_input(name: str, words: str, ambient: Ambient) -> None:
    found = ambient.read()
    assert _mismatch(ambient, found) == ""
    CHANGES[name][0]()
    assert words in _mismatch(ambient, found)


def test_how_things_look_counts_for_what_shows(ambient: Ambient) -> None:
    found = ambient.read()
    pd.set_option("display.max_rows", 5)
    mpl.style.use("ggplot")
    np.set_printoptions(precision=2)
    assert _mismatch(ambient, found, quiet=True) == ""
    np.seterr(over="ignore")
    assert _mismatch(ambient, found, quiet=True) == "NumPy's errstate 'over': 'warn' → 'ignore' since it was saved"


@pytest.mark.parametrize(
    ("display", "value", "quiet"),
    [
        (b"[]", np.zeros(3), True),
        (b"[]", pd.DataFrame({"a": [1]}), True),
        (b"[]", 1, True),
        (b"[1]", 1, False),
        (b"[]", "text", False),
        (b"[]", ["text"], False),
        (b"[]", np.array(["text"]), False),
    ],
)
def test_what_shows_nothing(display: bytes, value: object, quiet: bool) -> None:
    assert shows_nothing(display, [value]) is quiet


def test_filters_that_libraries_add_for_their_own_are_no_other_input(ambient: Ambient) -> None:
    found = ambient.read()
    kind = type("OwnWarning", (UserWarning,), {})
    warnings.filterwarnings("always", category=kind)
    warnings.filterwarnings("ignore", module=r"of_a_test\.")
    warnings.filterwarnings("ignore", message="of a test")
    assert _mismatch(ambient, found) == ""
    warnings.filterwarnings("ignore", category=FutureWarning)
    assert "warnings 'FutureWarning'" in _mismatch(ambient, found)


def test_what_becomes_of_a_warning_is_what_python_does() -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.filterwarnings("error", module="other")
        warnings.filterwarnings("ignore", category=FutureWarning)
        aspect = WarningFilters()
        assert aspect.default("FutureWarning") == "ignore"
        assert aspect.default("UserWarning") == "default"


def test_an_aspect_that_cannot_be_read_costs_only_itself(ambient: Ambient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "geterr", lambda: 1 / 0)
    found = ambient.read()
    assert list(found.failed) == ["NumPy's errstate"]
    assert re.search("NumPy's errstate cannot be read .*division by zero", found.failed["NumPy's errstate"])
    pd.set_option("display.max_rows", 5)
    assert list(ambient.changes(found, "")[0]) == ["pandas option"]
