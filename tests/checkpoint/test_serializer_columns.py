"""polars and Arrow come back as they were, their columns as buffers."""

from __future__ import annotations

import datetime
import functools
from typing import Any

import numpy as np
import pytest

from milepost.checkpoint.serializers.notebook import NotebookSerializer

from .serializing import Kernel, restored, round_trip, unsaved

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

MANY = 20_000
COLUMNS: dict[str, list[Any]] = {
    "Int64": list(range(MANY)),
    "Float64": [0.5 * n for n in range(MANY)],
    "Boolean": [n % 3 == 0 for n in range(MANY)],
    "String": [f"a text longer than a view holds {n}" for n in range(MANY)],
    "Binary": [b"bytes that are longer than a view %d" % n for n in range(MANY)],
    "Date": [datetime.date(2020, 1, 1)] * MANY,
    "Time": [datetime.time(1, 2)] * MANY,
    "Datetime": [datetime.datetime(2020, 1, 1)] * MANY,
    "Duration": [datetime.timedelta(days=2)] * MANY,
    "List": [[1, 2, None]] * MANY,
    "Struct": [{"a": 1, "b": "x"}] * MANY,
}


def small() -> dict[str, Any]:
    return {
        "null": pl.Series("s", [None, None]),
        "categorical": pl.Series(["a", "b", "a"], dtype=pl.Categorical),
        "decimal": pl.Series(["1.10"]).str.to_decimal(scale=2) if hasattr(pl, "CompatLevel") else pl.Series([1]),
        "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int64, 2)) if hasattr(pl, "CompatLevel") else None,
        "zone": pl.Series([datetime.datetime(2020, 1, 1)]).dt.replace_time_zone("Europe/Berlin"),
        "none": pl.Series("e", [], dtype=pl.Int8),
    }


class TestPolars:
    @pytest.mark.parametrize("kind", COLUMNS)
    @pytest.mark.parametrize("nulls", [False, True], ids=["full", "with nulls"])
    def test_large_columns_are_buffers(self, kind: str, nulls: bool) -> None:
        values = [None, *COLUMNS[kind]] if nulls else COLUMNS[kind]
        frame = pl.DataFrame({"x": values * (6 if kind == "Boolean" else 1)})
        frame = pl.concat([frame] * 5, rechunk=True) if kind == "Boolean" else frame
        dump = NotebookSerializer({}).dump({"frame": frame})
        assert len(dump.blob.stream) < 10_000
        found = round_trip(frame)
        assert found.equals(frame) if hasattr(frame, "equals") else found.frame_equal(frame)
        assert found.schema == frame.schema

    @pytest.mark.parametrize("kind", small())
    def test_small_and_rare_ones(self, kind: str) -> None:
        series = small()[kind]
        if series is None:
            pytest.skip("not in this version")
        found = round_trip(series)
        assert (found.name, found.dtype, found.to_list()) == (series.name, series.dtype, series.to_list())

    def test_enums_stay_enums(self) -> None:
        if not hasattr(pl, "CompatLevel"):
            pytest.skip("this version of polars has no stable form of them")
        series = pl.Series(["a", "b"] * MANY, dtype=pl.Enum(["b", "a"]))
        assert round_trip(series).equals(series)
        assert round_trip(series).dtype == series.dtype

    def test_numbers_are_neither_copied_when_saved_nor_when_restored(self) -> None:
        series = pl.Series(np.arange(100_000))
        blob = NotebookSerializer({}).dump({"s": series}).blob
        assert _address(blob.buffers[0]) == _address(series.to_numpy())
        found = NotebookSerializer({}).load(blob)["s"]
        assert _address(found.to_numpy()) == _address(blob.buffers[0])

    def test_only_a_new_column_is_new_in_the_store(self) -> None:
        frame = pl.DataFrame({f"c{n}": np.random.default_rng(n).random(MANY) for n in range(4)})
        more = frame.with_columns(pl.Series("new", np.random.default_rng(9).random(MANY)))
        assert [len(item) for item in set(_buffers(more)) - set(_buffers(frame))] == [8 * MANY]

    def test_a_part_of_a_frame_brings_only_that(self) -> None:
        frame = pl.DataFrame({"a": np.arange(1_000_000.0), "s": ["x" * 20] * 1_000_000})
        part = frame[500:20_500]
        assert sum(map(len, _buffers(part))) < 3_000_000
        assert round_trip(part).rows() == part.rows()

    def test_chunks_order_and_attributes(self) -> None:
        series = pl.Series("a", np.arange(MANY))
        frame = pl.concat([series, series], rechunk=False).to_frame()
        frame.note = "mine"
        found = round_trip(frame)
        assert (found.n_chunks(), found.note) == (2, "mine")
        assert round_trip(series.set_sorted()).flags["SORTED_ASC"]
        assert round_trip(series.reverse().set_sorted(descending=True)).flags["SORTED_DESC"]

    def test_columns_of_objects(self) -> None:
        ns = restored("c = C(); s = pl.Series('o', [c, None, c], dtype=pl.Object)", "s", "c", before=_IMPORT)
        assert ns["s"].dtype == pl.Object
        assert ns["s"][0] is ns["s"][2] is ns["c"]

    def test_queries(self) -> None:
        frame = pl.DataFrame({"a": [1, 2]})
        assert round_trip(frame.lazy().select(pl.col("a") * 2)).collect()["a"].to_list() == [2, 4]
        assert frame.select(round_trip(pl.col("a").sum()))["a"][0] == 3

    @pytest.mark.filterwarnings("ignore")
    def test_queries_with_functions_are_refused(self) -> None:
        kernel = Kernel(
            _IMPORT, "q = pl.LazyFrame({'a': [1]}).select(pl.col('a').map_elements(f)); e = pl.col('a').map_elements(f)"
        )
        assert kernel.dump("q", "e", "f").unsaved.keys() == {"q", "e"}

    def test_shared_frames_stay_one(self) -> None:
        ns = restored("d = pl.DataFrame({'a': range(20000)}); e = [d]", "d", "e", before=_IMPORT)
        assert ns["e"][0] is ns["d"]


_IMPORT = "import polars as pl\nclass C: pass\ndef f(x): return x\n"


def arrow() -> dict[str, Any]:
    dictionary = pa.array(["a", "b", None] * 5000).dictionary_encode()
    return {
        "table": pa.table({"a": list(range(MANY)), "b": ["x", None] * (MANY // 2), "d": [[1], None] * (MANY // 2)}),
        "batch": pa.record_batch([pa.array(range(MANY))], names=["a"]),
        "array": pa.array(range(MANY)),
        "slice": pa.array(range(MANY))[5:-5],
        "chunked": pa.chunked_array([[1, 2], [3]]),
        "empty": pa.chunked_array([], pa.int8()),
        "dictionary": dictionary,
        "part of a dictionary": dictionary[3:5],
        "struct": pa.array([{"a": 1, "b": "x"}] * MANY),
        "part of a struct": pa.array([{"a": 1, "b": "x"}] * MANY)[7:9],
        "part of a list": pa.array([[1, 2]] * MANY)[7:9],
        "part of texts": pa.array(["some text"] * MANY)[7:9],
        "nulls": pa.nulls(3),
        "schema": pa.schema([("a", pa.int64())], {"k": "v"}),
        "scalar": pa.scalar("x"),
        "buffer": pa.py_buffer(b"x" * MANY),
        "metadata": pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
    }


class TestArrow:
    @pytest.mark.parametrize("kind", arrow())
    def test_comes_back_as_it_was(self, kind: str) -> None:
        value = arrow()[kind]
        found = round_trip(value)
        assert type(found) is type(value)
        assert found.equals(value)
        if kind == "metadata":
            assert found.schema.metadata == value.schema.metadata

    def test_a_part_brings_only_that_part(self) -> None:
        table = pa.table({"a": np.arange(1_000_000.0), "s": ["x" * 20] * 1_000_000})
        assert sum(map(len, _buffers(table.slice(500, 1000)))) < 50_000
        assert round_trip(table.slice(500, 1000)).equals(table.slice(500, 1000))

    def test_arrow_texts_of_pandas(self) -> None:
        pd = pytest.importorskip("pandas")
        frame = pd.DataFrame({"s": pd.array(["some text"] * 1_000_000, pd.ArrowDtype(pa.string()))})
        assert sum(map(len, _buffers(frame.head()))) < 50_000
        pd.testing.assert_frame_equal(round_trip(frame.head()), frame.head())

    def test_what_is_named_is_left_out(self) -> None:
        assert unsaved(tensor=pa.Tensor.from_numpy(np.ones(3)), ok=1).keys() == {"tensor"}


def _buffers(value: Any) -> list[bytes]:
    return [bytes(item) for item in NotebookSerializer({}).dump({"value": value}).blob.buffers]


def _address(buffer: Any) -> int:
    return int(np.frombuffer(buffer, "u1").__array_interface__["data"][0])


def test_a_panic_in_a_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    panic = type("PanicException", (BaseException,), {})

    class Value:
        def __reduce__(self) -> Any:
            raise panic("oh")

    assert unsaved(bad=Value(), ok=functools.partial(print)) == {"bad": "a library panicked: oh"}
