"""Values of many kinds, made anew on each call: in a module that pytest leaves as it is."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import operator
import os
import random
import re
import uuid
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from milepost.analysis.digest import digest


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Plain:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self) -> None:
        self.a = {"x", "y", "z"}
        self.b = [1]


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float


Pair = collections.namedtuple("Pair", "left right")


class Words(list[str]):
    pass


def _used_up() -> Any:
    pairs = zip([1, 2], "ab", strict=False)
    return pairs if list(pairs) else None


def _cycle() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return items


def shared() -> list[Any]:
    inner = [1]
    return [inner, inner]


def _frame() -> pd.DataFrame:
    frame = pd.DataFrame({"n": [1, 2, 3], "f": [1.5, np.nan, 3.0], "s": ["a", None, "c"], "b": [True, False, True]})
    frame["c"] = pd.Categorical(["u", "v", "u"])
    frame["t"] = pd.to_datetime(["2020-01-01", "2020-01-02", None])
    frame["i"] = pd.array([1, None, 3], dtype="Int64")
    return frame


def _model() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = np.random.RandomState(0).rand(30, 3)
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(data, data[:, 0] > 0.5)


TABLE: dict[str, Any] = {
    "a used-up iterator": _used_up,
    "none": lambda: None,
    "integers": lambda: [0, -1, 2**70, -(2**63), True, False],
    "floats": lambda: [0.0, -0.0, 1e308, float("inf"), float("nan"), 1j],
    "texts": lambda: ["", "ä", "\ud800", "a\0b", b"", b"\0", bytearray(b"x")],
    "nested": lambda: {"a": [1, (2, [3, {"b": {4, 5}}])], ("t", 1): None},
    "set of texts": lambda: {f"word {n}" for n in range(50)},
    "frozenset of tuples": lambda: frozenset({("a", 1), ("b", 2), frozenset({"c", "d"})}),
    "dictionary of sets": lambda: {"x": {"a", "b", "c"}, "y": frozenset("abc")},
    "cycle": _cycle,
    "shared": shared,
    "range and slice": lambda: [range(3), slice(1, 2)],
    "numbers": lambda: [decimal.Decimal("1.10"), fractions.Fraction(1, 3)],
    "times": lambda: [
        datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        datetime.timedelta(1),
        datetime.date(2020, 1, 1),
    ],
    "identifiers": lambda: [uuid.UUID(int=5), PurePosixPath("a/b"), re.compile("a+", re.I)],
    "collections": lambda: [
        collections.OrderedDict(a=1, b=2),
        collections.Counter("abca"),
        collections.defaultdict(list, a=[1]),
        collections.deque([1, 2], 5),
    ],
    "named tuple and data class": lambda: [Pair(1, [2]), Point(1, 2.0)],
    "enumeration": lambda: [Colour.RED, Colour.BLUE],
    "object": lambda: Plain(b={"x", "y"}, a=[1]),
    "slots": Slotted,
    "subclass of a list": lambda: Words(["a"]),
    "functions": lambda: [len, os.path.join, functools.partial(operator.add, 1), np.mean, Plain, "a".upper],
    "random generator": lambda: random.Random(3),
    "array": lambda: np.arange(6.0).reshape(2, 3),
    "array of objects": lambda: np.array(["a", None, {"x", "y"}], dtype=object),
    "array of texts": lambda: np.array(["a", "bcd"]),
    "array with fields": lambda: np.array([(1, 2.0)], dtype=[("a", "i1"), ("b", "f8")]),
    "masked array": lambda: np.ma.MaskedArray([1, 2, 3], [False, True, False]),
    "array of no elements": lambda: [np.zeros((0, 3)), np.array(5)],
    "NumPy generator": lambda: np.random.default_rng(3),
    "scalars": lambda: [np.float32(1), np.int8(1), np.datetime64("2020-01-01")],
    "frame": _frame,
    "series": lambda: pd.Series([1, 2], name="s", index=["a", "b"]),
    "indexes": lambda: [
        pd.RangeIndex(3),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]),
        pd.date_range("2020", periods=3, freq="D"),
    ],
    "frame cut from another": lambda: _frame().iloc[1:].reset_index(drop=True),
    "grouped": lambda: _frame().groupby("c", observed=True)["n"].sum(),
    "model": _model,
}


def table_digests() -> dict[str, str]:
    return {name: digest(make()).hex for name, make in TABLE.items()}
