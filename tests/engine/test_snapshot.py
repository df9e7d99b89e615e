"""Snapshots as text: exact round trips, no pickle that this user did not sign, nothing lost beside what is bad."""

from __future__ import annotations

import datetime
import enum
import json
import math
import os
import pickle
import socket
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keys import signing_key

from milepost import Snapshot, TaskError, TaskMetrics, TaskResult, TaskStateManager, TaskStatus
from milepost.model.entry import Entries
from milepost.model.errors import SnapshotError, SnapshotWarning
from milepost.model.lines import write_line, write_text

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$type"), inner) | st.tuples(inner, inner),
    max_leaves=20,
)
hashable = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
tagged = st.sets(hashable) | st.frozensets(hashable) | st.dictionaries(hashable, plain)


@pytest.fixture(autouse=True, scope="module")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILEPOST_KEY_FILE", signing_key(tmp_path_factory.mktemp("keys") / "key"))
        yield patch


def success(data: Any) -> TaskResult:
    return TaskResult(TaskStatus.SUCCESS, data=data)


def through_json(data: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Snapshot.from_json(Snapshot({"t": success(data)}).to_json())["t"].data


def entry(data: Any) -> Any:
    return json.loads(Snapshot({"t": success(data)}).to_json())["results"]["t"]


def reformatted(text: str) -> str:
    """The same JSON in another layout, as other programs write it."""
    return json.dumps(json.loads(text), indent=2)


def same(a: Any, b: Any) -> bool:
    """Equal, and of equal types all the way down (1, 1.0 and True are equal, but not the same)."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(*pair) for pair in zip(a.items(), b.items(), strict=True))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) and repr(a) == repr(b) if isinstance(a, float) else bool(a == b)


@given(plain | tagged)
def test_plain_data_comes_back_exactly(data: Any) -> None:
    assert same(through_json(data), data)


@given(st.text(min_size=1), plain)
def test_any_name_comes_back(name: str, data: Any) -> None:
    assert list(Snapshot.from_json(Snapshot({name: success(data)}).to_json())) == [name]


def test_native_data_is_native_json() -> None:
    data = {"a": [1, 2.5, None, True, "é"], "b": {}}
    assert entry(data)["data"] == data


@pytest.mark.parametrize("value", [math.inf, -math.inf, -0.0, 5e-324, "half \ud800"], ids=ascii)
def test_odd_numbers_and_text_come_back(value: Any) -> None:
    assert same(through_json([value])[0], value)


@pytest.mark.parametrize("sign", [1, -1])
def test_huge_integers_come_back(sign: int) -> None:
    assert through_json([sign << 20_000]) == [sign << 20_000]


def test_nan_comes_back() -> None:
    assert math.isnan(through_json((math.nan,))[0])


class Colour(enum.IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "data", [datetime.date(2020, 1, 2), OrderedDict(a=1), [Colour.RED], {Colour.RED: 1}, 2j, bytearray(b"x"), range(3)]
)
def test_a_type_of_its_own_is_kept(data: Any) -> None:
    assert same(through_json(data), data)
    assert entry(data)["data"]["$type"] == "pickle"


def test_what_occurs_twice_stays_one_object() -> None:
    inner: list[int] = []
    one, two = through_json([inner, (inner,)])
    one.append(1)
    assert two == ([1],)


def test_a_list_in_itself_comes_back() -> None:
    data: list[Any] = []
    data.append(data)
    again = through_json(data)
    assert again[0] is again


def test_deep_nesting_comes_back() -> None:
    data: Any = 1
    for _ in range(300):
        data = [data]
    assert through_json(data) == data


def test_a_result_comes_back_whole_but_for_the_live_exception() -> None:
    try:
        raise ValueError("bad ☂")
    except ValueError as error:
        failure = TaskResult(
            TaskStatus.FAILURE,
            "message",
            TaskError.of(error),
            1,
            TaskMetrics(1.5, 3.0, 1.25, 0.5, 4096),
            exception=error,
        )
    text = Snapshot({"t": failure, "r": TaskResult(TaskStatus.SUCCESS, data=1, restored=True)}).to_json()
    again = Snapshot.from_json(text)
    assert again["t"] == failure
    assert again["t"].exception is None
    assert again["r"].restored, "given back, not computed here"
    assert not again["t"].restored
    assert "exception" not in json.loads(text)["results"]["t"]
    assert "restored" not in json.loads(text)["results"]["r"]


@pytest.mark.parametrize(
    "metrics",
    [TaskMetrics(1.5, 3.0, 1.25), TaskMetrics(0.0, math.inf, -math.inf, 0.25), TaskMetrics(1.0, 2.0, 3.0, None, 5)],
)
def test_metrics_come_back(metrics: TaskMetrics) -> None:
    result = TaskResult(TaskStatus.SUCCESS, metrics=metrics)
    text = Snapshot({"t": result}).to_json()
    for again in (text, reformatted(text)):
        assert Snapshot.from_json(again)["t"] == result


def test_a_snapshot_is_a_frozen_mapping() -> None:
    results = {"a": success(1)}
    snapshot = Snapshot(results)
    results["b"] = success(2)
    assert list(snapshot) == ["a"]
    assert snapshot == Snapshot({"a": success(1)})
    assert repr(snapshot) == "<Snapshot: 1 success>"
    with pytest.raises(TypeError):
        snapshot["c"] = success(3)  # type: ignore[index]
    with pytest.raises(TypeError, match="not 'a' to int"):
        Snapshot({"a": 1})  # type: ignore[dict-item]


# trust


class Evil:
    """Shows whether it was unpickled."""

    ran: list[str]

    def __init__(self) -> None:
        self.ran = []

    def __reduce__(self) -> Any:
        return _evil_runs, ()


_ran: list[str] = []


def _evil_runs() -> str:
    _ran.append("ran")
    return "evil"


def test_what_another_key_signed_is_never_unpickled(own_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _ran.clear()
    with own_key.context() as other:
        other.setenv("MILEPOST_KEY_FILE", signing_key(tmp_path / "theirs"))
        text = Snapshot({"evil": success(Evil()), "good": success(1)}).to_json()
    with pytest.warns(SnapshotWarning, match=r"'evil'.*did not sign"):
        assert dict(Snapshot.from_json(text)) == {"good": success(1)}
    assert not _ran


@pytest.mark.parametrize("change", ["value", "signature", "name", "unsigned"])
def test_a_changed_pickle_is_never_unpickled(change: str) -> None:
    _ran.clear()
    data = json.loads(Snapshot({"t": success(datetime.date(2020, 1, 2))}).to_json())
    evil = json.loads(Snapshot({"other": success(Evil())}).to_json())["results"]["other"]["data"]
    mine = data["results"]["t"]
    del mine["check"]  # a checksum is no hindrance to who means harm
    if change == "name":  # signed by this user, but for another task
        mine["data"] = evil
    elif change == "unsigned":
        mine["data"] = {"$type": "pickle", "value": evil["value"]}
    else:
        mine["data"][change] = evil[change]
    with pytest.warns(SnapshotWarning, match="'t'"):
        assert not Snapshot.from_json(json.dumps(data))
    assert not _ran


def test_without_a_usable_key_plain_data_still_works(own_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    signed = Snapshot({"d": success(datetime.date(2020, 1, 2)), "n": success(1)})
    text = signed.to_json()
    (tmp_path / "key").write_bytes(b"short")
    with own_key.context() as broken:
        broken.setenv("MILEPOST_KEY_FILE", str(tmp_path / "key"))
        with pytest.warns(SnapshotWarning, match=r"'d'.*key"):
            assert list(Snapshot.from_json(text)) == ["n"]
        with pytest.warns(SnapshotWarning, match=r"'d'.*key"):
            assert list(json.loads(signed.to_json())["results"]) == ["d", "n"]


def test_plain_data_asks_for_no_key(own_key: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with own_key.context() as patch:
        patch.setenv("MILEPOST_KEY_FILE", str(tmp_path / "key"))
        through_json({1: (2, {3})})
    assert not (tmp_path / "key").exists()


# what cannot be saved, or not be read


class Breaks:
    """Pickles, but cannot be built again."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_a_success_that_cannot_be_pickled_is_no_success_later() -> None:
    with socket.socket() as unsaveable:
        data = {"gen": success(x for x in ()), "sock": success([unsaveable]), "ok": success(1)}
        with pytest.warns(SnapshotWarning) as caught:
            text = Snapshot(data).to_json()
    assert ["'gen'" in str(w.message) or "'sock'" in str(w.message) for w in caught] == [True, True]
    again = Snapshot.from_json(text)
    assert again["ok"].ok
    assert not again["gen"].ok
    assert not again["sock"].ok
    assert "runs again" in again["gen"].message


def test_a_failure_that_cannot_be_pickled_needs_no_warning() -> None:
    failure = TaskResult(TaskStatus.FAILURE, "why", data=(x for x in ()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = Snapshot.from_json(Snapshot({"f": failure}).to_json())["f"]
    assert (again.status, again.message, again.data) == (TaskStatus.FAILURE, "why", None)


def test_a_pickle_that_cannot_be_built_again_costs_only_itself() -> None:
    text = Snapshot({"bad": success(Breaks()), "ok": success(1)}).to_json()
    with pytest.warns(SnapshotWarning, match=r"'bad'.*no number"):
        assert list(Snapshot.from_json(text)) == ["ok"]


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {"status": "success"},
        {"status": "done", "data": 1},
        {"status": "success", "data": {"$type": "nonsense"}},
        {"status": "success", "data": {"$type": ["list"]}},
        {"status": "success", "data": {"$type": "set", "value": [[1]]}},
        {"status": "success", "data": {"$type": "dict", "value": [[1]]}},
        {"status": "success", "data": {"$type": "tuple", "value": "ab"}},
        {"status": "success", "data": {"$type": "bytes", "value": "%"}},
        {"status": "success", "data": {"$type": "pickle"}},
        {"status": "success", "data": {"$type": "float", "value": []}},
        {"status": "failure", "error": {"type": "E"}},
        {"status": "success", "data": 1, "metrics": 5},
    ],
)
def test_a_bad_entry_costs_only_itself(bad: Any) -> None:
    data = json.loads(Snapshot({"ok": success(1)}).to_json())
    data["results"]["bad"] = bad
    with pytest.warns(SnapshotWarning, match="'bad'"):
        assert dict(Snapshot.from_json(json.dumps(data))) == {"ok": success(1)}


TEXT = Snapshot({"a": success([1, "two"]), "b": success({"x": 1.5}), "c": success((1, {2}))}).to_json()


@given(st.integers(0, len(TEXT.rstrip()) - 1))
def test_a_text_cut_anywhere_is_an_error(length: int) -> None:
    with pytest.raises(SnapshotError):
        Snapshot.from_json(TEXT[:length])


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
def test_a_changed_byte_never_gives_wrong_data(place: int, difference: int) -> None:
    broken = bytearray(TEXT.encode())
    broken[place] ^= difference
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SnapshotWarning)
        try:
            read = Snapshot.from_json(bytes(broken))
        except SnapshotError:
            return
    right = Snapshot.from_json(TEXT)
    assert all(read[name] == right[name] for name in right.keys() & read.keys())
    assert right.keys() & read.keys()


def test_an_entry_under_another_name_is_damaged() -> None:
    with pytest.warns(SnapshotWarning, match="'a'"):
        assert list(Snapshot.from_json(TEXT.replace('"c": {', '"a": {'))) == ["b"]


def test_a_newer_format_says_to_upgrade() -> None:
    with pytest.raises(SnapshotError, match=r"newer format 3.*upgrade"):
        Snapshot.from_json(TEXT.replace('"version": 2', '"version": 3'))


VERSION_1 = """{"format": "milepost-snapshot", "version": 1, "results": {
"a": {"status": "success", "message": "", "error": null, "metrics": {"start": 1.0, "end": 2.0, "duration": 1.0}, \
"data": {"$type": "tuple", "value": [1, {"b": 2, "a": 1}]}, "check": "6072e734c953b381"},
"f": {"status": "failure", "message": "m", "error": {"type": "E", "message": "no", "traceback": "tb"}, \
"metrics": null, "data": null, "check": "fa1c70aef6bac5af"}
}}
"""


def test_format_1_is_still_read_and_checked() -> None:
    read = Snapshot.from_json(VERSION_1)
    assert read["a"] == TaskResult(TaskStatus.SUCCESS, data=(1, {"b": 2, "a": 1}), metrics=TaskMetrics(1.0, 2.0, 1.0))
    assert read["f"] == TaskResult(TaskStatus.FAILURE, "m", TaskError("E", "no", "tb"))
    with pytest.warns(SnapshotWarning, match=r"'f'.*damaged"):
        assert list(Snapshot.from_json(VERSION_1.replace('"no"', '"yes"'))) == ["a"]


def test_another_layout_is_the_same_snapshot() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Snapshot.from_json(reformatted(TEXT)) == Snapshot.from_json(TEXT)


def test_a_damaged_line_is_found_when_the_text_is_read_not_later() -> None:
    with pytest.warns(SnapshotWarning, match=r"'b'.*damaged"):
        read = Snapshot.from_json(TEXT.replace("1.5", "2.5"))
    assert list(read) == ["a", "c"]


def test_results_are_parsed_when_they_are_looked_at_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    read = Entries.read

    def counting(self: Entries, name: str, entry: Any) -> TaskResult:
        parsed.append(name)
        return read(self, name, entry)

    monkeypatch.setattr(Entries, "read", counting)
    snapshot = Snapshot.from_json(TEXT)
    state = TaskStateManager(Snapshot(snapshot))
    assert snapshot.succeeded() == {"a", "b", "c"} == {name for name in "abcd" if name in state}
    assert Snapshot(snapshot).to_json() == state.snapshot().to_json() == TEXT
    assert not parsed
    assert snapshot["b"].data is snapshot["b"].data is state.snapshot()["b"].data  # type: ignore[comparison-overlap]
    result = state.result("b")
    assert result is not None
    assert result.restored
    assert parsed == ["b"]


def test_a_right_checksum_over_nonsense_is_an_error_that_names_the_task() -> None:
    text = write_text([write_line("odd", '{"status": "success"}')]).decode()
    with pytest.raises(SnapshotError, match=r"'odd'.*no 'data'"):
        _ = Snapshot.from_json(text)["odd"]


def test_a_snapshot_can_be_pickled_and_takes_no_key_along() -> None:
    snapshot = Snapshot.from_json(Snapshot({"a": success(1), "d": success(datetime.date(2020, 1, 2))}).to_json())
    pickled = pickle.dumps(snapshot)
    assert pickle.loads(pickled) == snapshot
    assert Path(os.environ["MILEPOST_KEY_FILE"]).read_bytes() not in pickled


# files


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    Snapshot({"a": success(1)}).save(path)

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        Snapshot({"a": success(2)}).save(path)
    assert Snapshot.load(path)["a"].data == 1
    assert list(tmp_path.iterdir()) == [path]


def test_save_writes_through_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.json", tmp_path / "link.json"
    Snapshot().save(real)
    link.symlink_to(real)
    Snapshot({"a": success(1)}).save(str(link))
    assert link.is_symlink()
    assert Snapshot.load(real)["a"].data == 1


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Snapshot.load(tmp_path / "none.json")


def test_a_binary_file_is_no_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(SnapshotError, match="not text"):
        Snapshot.load(path)
