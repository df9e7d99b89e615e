"""Digests of values: equal for equal content wherever it lives, different for whatever a program could tell apart."""

from __future__ import annotations

import collections
import decimal
import functools
import io
import json
import operator
import os
import pickle
import struct
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.analysis.values import TABLE, Colour, Pair, Plain, Words, shared, table_digests

from milepost.analysis import adapters
from milepost.analysis.digest import digest, outline
from milepost.notebook.reach import reach_of


@pytest.mark.parametrize("name", TABLE)
def test_equal_when_made_again_and_after_a_round_trip(name: str) -> None:
    value = TABLE[name]()
    first = digest(value)
    assert first.hex, first.opaque
    assert digest(value).hex == first.hex, "looking at it changed it"
    assert digest(TABLE[name]()).hex == first.hex
    assert digest(pickle.loads(pickle.dumps(value, 5))).hex == first.hex


def test_equal_in_other_processes() -> None:
    code = "import json; from tests.analysis.values import table_digests; print(json.dumps(table_digests()))"
    here = table_digests()
    root = Path(__file__).parents[2]
    for seed in ("0", "77"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == here


ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.asfortranarray(np.ones((3, 4))),
    np.arange(9)[::-2],
    np.ones((2, 3)).T,
    np.zeros(0),
    np.array(5.0),
    np.array(["a", "bc"]),
    np.array(["2020-01-01"], "M8[D]"),
    np.arange(5).astype(">i4"),
    np.broadcast_to(np.arange(3), (2, 3)),
]


@pytest.mark.parametrize("array", ARRAYS)
def test_small_arrays_are_fed_at_once_and_count_as_any_other(array: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = digest([array, array]).hex
    monkeypatch.setattr(adapters, "_SMALL", -1)
    assert digest([array, array]).hex == at_once


def test_copies_that_are_made_to_look_are_not_held() -> None:
    texts = pd.Series(["a", None] * 100, dtype="string")
    for value in (texts, np.array(["a", None] * 100, object), collections.deque(range(200))):
        walked = digest(value, walked=True).walked
        assert [item for item in walked if isinstance(item, list) and len(item) == 200] == []


def _nan(payload: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000000 | payload))[0])


DIFFERENT: dict[str, tuple[Any, Any]] = {
    "1, 1.0": (1, 1.0),
    "1, True": (1, True),
    "0, False": (0, False),
    "1 and True in a list": ([1], [True]),
    "1 and 1.0 as keys": ({1: 0}, {1.0: 0}),
    "1 and True in a set": ({1}, {True}),
    "0.0, -0.0": (0.0, -0.0),
    "0.0, -0.0 in a list": ([0.0], [-0.0]),
    "-0.0 in a complex number": (complex(0, 0.0), complex(0, -0.0)),
    "payload of a NaN": (_nan(1), _nan(2)),
    "payload of a NaN in a list": ([_nan(1)], [_nan(2)]),
    "text and bytes": ("a", b"a"),
    "None and its name": (None, "None"),
    "bytes and bytearray": (b"a", bytearray(b"a")),
    "order of a dictionary": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "list and tuple": ([1], (1,)),
    "set and frozenset": ({1}, frozenset({1})),
    "empty containers": ([], {}),
    "where a list ends": ([[1], 2], [[1, 2]]),
    "where a text ends": (["ab", "c"], ["a", "bc"]),
    "shared and equal": (shared(), [[1], [1]]),
    "dictionary and ordered": ({"a": 1}, collections.OrderedDict(a=1)),
    "limit of a deque": (collections.deque([1], 2), collections.deque([1], 3)),
    "class of an object": (Pair(1, 2), (1, 2)),
    "attribute": (Plain(a=1), Plain(a=1.0)),
    "attributes of a list": (Words("a"), ["a"]),
    "member": (Colour.RED, Colour.BLUE),
    "decimals": (decimal.Decimal("1.1"), decimal.Decimal("1.10")),
    "partial": (functools.partial(operator.add, 1), functools.partial(operator.add, 2)),
    "dtype": (np.zeros(2, "f4"), np.zeros(2, "f8")),
    "dtype of the same width": (np.zeros(2, "i8"), np.zeros(2, "u8")),
    "byte order": (np.zeros(2, "<i4"), np.zeros(2, ">i4")),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "scalar and array": (np.float64(1), np.array(1.0)),
    "scalar and float": (np.float64(1), 1.0),
    "-0.0 in an array": (np.array([0.0]), np.array([-0.0])),
    "payload of a NaN in an array": (np.array([_nan(1)]), np.array([_nan(2)])),
    "writeable": (np.zeros(1), np.frombuffer(bytes(8))),
    "array and matrix": (np.zeros((1, 1)), np.zeros((1, 1)).view(np.matrix)),
    "mask": (np.ma.MaskedArray([1, 2], [0, 1]), np.ma.MaskedArray([1, 2], [0, 0])),
    "names of columns": (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    "order of columns": (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]})),
    "index": (pd.Series([1], index=[0]), pd.Series([1], index=[1])),
    "name of a series": (pd.Series([1], name="a"), pd.Series([1], name="b")),
    "missing kinds": (pd.Series([None], dtype=object), pd.Series([np.nan], dtype=object)),
    "ordered categories": (pd.Categorical(["a"]), pd.Categorical(["a"], ordered=True)),
    "unused categories": (pd.Categorical(["a"], ["a"]), pd.Categorical(["a"], ["a", "b"])),
    "time zone": (pd.Series(pd.to_datetime(["2020"])), pd.Series(pd.to_datetime(["2020"], utc=True))),
    "attrs of a frame": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}).assign()),
    "nullable": (pd.array([1], dtype="Int64"), pd.array([1], dtype="Int32")),
}
DIFFERENT["attrs of a frame"][1].attrs["unit"] = "m"


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_different(pair: tuple[Any, Any]) -> None:
    one, two = digest(pair[0]), digest(pair[1])
    assert one.hex
    assert two.hex
    assert one.hex != two.hex


def test_attributes_count_by_name_not_by_order() -> None:
    assert digest(Plain(a=1, b=2)).hex == digest(Plain(b=2, a=1)).hex


def test_a_partial_call_counts_the_same_once_its_dictionary_was_looked_at() -> None:
    call = functools.partial(sorted, reverse=True)
    before = digest(call)
    assert vars(call) == {}
    assert digest(call) == before
    others = [
        functools.partial(sorted),
        functools.partial(min, reverse=True),
        functools.partial(sorted, [], reverse=True),
    ]
    assert len({digest(each).hex for each in (call, *others)}) == 4
    call.note = 1  # type: ignore[attr-defined]
    assert digest(call) != before


def test_gaps_in_an_array_do_not_count_and_its_order_does() -> None:
    base = np.arange(12.0).reshape(3, 4)
    assert digest(base[:, ::2]).hex == digest(base[:, ::2].copy()).hex
    assert digest(np.asfortranarray(base)).hex != digest(base).hex, "sums over it round in another way"
    assert digest(np.asfortranarray(base[:1])).hex == digest(base[:1]).hex


def test_blocks_of_a_frame_do_not_count() -> None:
    whole = pd.DataFrame(np.zeros((2, 2)), columns=["a", "b"])
    apart = pd.DataFrame({"a": [0.0, 0.0]})
    apart["b"] = [0.0, 0.0]
    assert digest(whole).hex == digest(apart).hex


class Strange:
    """Like those in a `NpzFile`: no name of Python's own is there."""

    def __getattribute__(self, name: str) -> Any:
        raise AttributeError(name)


class Stranger(Strange):
    def __getattribute__(self, name: str) -> Any:
        raise LookupError(name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: (n for n in []),
        threading.Lock,
        io.StringIO,
        lambda: types.SimpleNamespace(f=threading.Lock()),
        Strange,
        Stranger,
    ],
    ids=["generator", "lock", "stream", "inside", "strange", "stranger"],
)
def test_what_has_no_content_says_so(make: Any) -> None:
    value = [1, make()]
    found = digest(value)
    assert (found.hex, bool(found.opaque)) == ("", True)
    assert reach_of(value).parts
    assert outline(value) in ("", outline(value))


def test_figures_have_no_content_and_are_left_alone() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure()
    before = dict(figure.__dict__)
    assert digest(figure).consumable
    assert figure.__dict__ == before


def test_functions_by_code_and_the_names_they_read() -> None:
    space: dict[str, Any] = {"__name__": "notebook"}
    exec("def f(a, b=2):\n    return a + g(b) + k", space)
    one = digest(space["f"], space)
    assert one.hex
    assert set(one.globals) >= {"g", "k"}
    exec("\n\ndef f(a, b=2):\n    '''Said.'''\n    return a + g(b) + k", space)
    assert digest(space["f"], space).hex == one.hex
    exec("def f(a, b=3):\n    return a + g(b) + k", space)
    assert digest(space["f"], space).hex != one.hex


def test_closures_count() -> None:
    def make(n: int) -> Any:
        return lambda: n

    assert digest(make(1)).hex == digest(make(1)).hex
    assert digest(make(1)).hex != digest(make(2)).hex


def test_deep_nesting_gives_up_instead_of_failing() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert digest(deep).opaque


@pytest.mark.parametrize("module", ["pyarrow", "torch"])
def test_other_libraries(module: str) -> None:
    library = pytest.importorskip(module)
    make = {
        "pyarrow": lambda n: library.table({"a": [1, n], "s": ["x", None]}),
        "torch": lambda n: {"w": library.full((2, 2), float(n), requires_grad=True)},
    }[module]
    assert digest(make(2)).hex == digest(make(2)).hex == digest(pickle.loads(pickle.dumps(make(2)))).hex
    assert digest(make(2)).hex != digest(make(3)).hex


def test_a_view_of_all_of_an_array_is_not_that_array() -> None:
    """Setting the shape of one leaves that of the other."""
    np = pytest.importorskip("numpy")
    array = np.arange(6.0)
    assert digest([array, array]).hex != digest([array, array[:]]).hex


class Slots:
    """As `attrs.define` makes them: slots, and a state of its own."""

    __slots__ = ("n",)

    def __init__(self, n: int) -> None:
        self.n = n

    def __getstate__(self) -> dict[str, int]:
        return {"n": self.n}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.n = state["n"]


def test_an_object_with_slots_and_a_state_of_its_own_has_content() -> None:
    assert digest(Slots(1)).hex == digest(pickle.loads(pickle.dumps(Slots(1)))).hex != ""
    assert digest(Slots(1)).hex != digest(Slots(2)).hex
