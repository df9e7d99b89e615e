"""Frames, models, figures and the like come back as they were."""

from __future__ import annotations

import io
import random
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from milepost.checkpoint.serializers.notebook import NotebookSerializer

from .serializing import restored, round_trip


def _figure() -> Any:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2, 3])
    return figure


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = np.random.default_rng(0).random((50, 3))
    return make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(data, data[:, 0] > 0.5)


MAJOR = int(pd.__version__.partition(".")[0])

INDEXES: list[Any] = [
    pd.RangeIndex(5, name="r"),
    pd.Index(range(3)),
    pd.Index(list("abc"), name=("x", 1)),
    pd.date_range("2020", periods=3, tz="Europe/Berlin"),
    pd.timedelta_range("1h", periods=3),
    pd.period_range("2020", periods=3, freq="M"),
    pd.interval_range(0, 3),
    pd.CategoricalIndex(list("aba")),
    pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["n", None]),
]

SERIES: list[Any] = [
    np.arange(9000),
    np.arange(9000) % 2 == 0,
    pd.array([1, None] * 4500, "Int64"),
    pd.array([True, None] * 4500, "boolean"),
    pd.array([1.5, None] * 4500, "Float64"),
    pd.array(["x", None] * 4500, "string"),
    pd.array(["x", None] * 4500, object),
    pd.date_range("2020", periods=9000),
    pd.date_range("2020", periods=9000, tz="UTC"),
    pd.timedelta_range("1h", periods=9000),
    pd.period_range("2020", periods=9000, freq="D"),
    pd.Categorical(["x", "y", None] * 3000, ordered=True),
    pd.interval_range(0, 9000),
    pd.array([1, None] * 4500, pd.ArrowDtype(pa.int64())),
    pd.array([["x"], None] * 4500, pd.ArrowDtype(pa.list_(pa.string()))),
]


class TestSomeFrames:
    @pytest.mark.parametrize(
        "frame",
        [
            pd.DataFrame({"a": range(2000), "b": np.random.default_rng(0).random(2000), "c": ["x", "y"] * 1000}),
            pd.DataFrame({"t": pd.date_range("2020", periods=5), "c": pd.Categorical(list("abcab"))}),
            pd.DataFrame({"n": pd.array([1, None], "Int64")}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
            pd.DataFrame(),
        ],
    )
    def test_frames(self, frame: pd.DataFrame) -> None:
        frame.attrs["unit"] = "m"
        found = round_trip(frame)
        pd.testing.assert_frame_equal(found, frame)
        assert found.attrs == frame.attrs
        found["new"] = 1
        if "a" in found:
            found.loc[0, "a"] = 99
            assert found["a"][0] == 99


class TestFrames:
    """What a frame is made of, how much of it is written, and that it stays pandas' business who shares memory."""

    def test_each_column_is_a_buffer(self) -> None:
        frame = pd.DataFrame({f"c{n}": np.random.default_rng(n).random(10_000) for n in range(5)}).copy()
        before, after = _buffers(frame), _buffers(frame.assign(new=1.5).copy())
        assert len(before) == len(after) - 1 == 5 or MAJOR < 3
        assert sum(map(len, set(after) - set(before))) == 80_000 or MAJOR < 3

    def test_a_column_added_to_a_frame_of_several_types_is_all_that_is_new(self) -> None:
        numbers = {f"c{n}": np.random.default_rng(n).random(10_000) for n in range(5)}
        frame = pd.DataFrame({**numbers, "t": pd.date_range("2020", periods=10_000), "i": range(10_000)}).copy()
        new = set(_buffers(frame.assign(new=np.random.default_rng(9).random(10_000)).copy())) - set(_buffers(frame))
        assert [len(item) for item in new] == [80_000]

    @pytest.mark.parametrize("columns", [70, 300])
    def test_wide_frames_come_back_in_few_pieces(self, columns: int) -> None:
        frame = pd.DataFrame(np.random.default_rng(0).random((9_000, columns)))
        frame["i"] = 1
        found = round_trip(frame)
        pd.testing.assert_frame_equal(found, frame)
        assert len(found._mgr.blocks) <= 66
        found["new"] = 1  # warns where a frame is in pieces
        assert len(_buffers(frame.iloc[:100])) <= 2

    def test_columns_out_of_order_stay_with_their_names(self) -> None:
        frame = pd.DataFrame({"a": 1.0, "b": 1, "c": 2.0, "d": 2, "e": 3.0}, index=range(10_000))
        del frame["c"]
        frame.insert(0, "z", 9.0)
        frame = frame[["e", "b", "z", "a", "d"]].copy()
        pd.testing.assert_frame_equal(round_trip(frame), frame)

    def test_what_the_user_attached_is_kept(self) -> None:
        frame, series = pd.DataFrame({"a": [1]}), pd.Series([1], name="s")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas takes a list for a column
            frame.note, series._note = ["mine"], "mine"
        frame.flags.allows_duplicate_labels = False
        found = round_trip([frame, series])
        assert (found[0].note, found[1]._note, found[1].name) == (["mine"], "mine", "s")
        assert not found[0].flags.allows_duplicate_labels

    def test_frames_and_their_columns_are_as_independent_as_before(self) -> None:
        frame = pd.DataFrame({"a": np.arange(10_000.0), "t": pd.date_range("2020", periods=10_000)}).copy()
        if MAJOR < 3:
            pytest.skip("before pandas 3 a column is a view of its frame, which is not kept")
        a, t, part = frame["a"], frame["t"], frame[:5000]
        found = round_trip([frame, a, t, part, frame.index])
        for series in (found[1], found[2], found[3]["a"]):
            series.iloc[0] = series.iloc[1]
        pd.testing.assert_frame_equal(found[0], frame)
        found[0].loc[1, "a"] = -1
        assert (found[1][1], found[3]["a"][1]) == (1, 1)

    @pytest.mark.parametrize("index", INDEXES, ids=lambda index: type(index).__name__)
    def test_indexes(self, index: Any) -> None:
        pd.testing.assert_index_equal(round_trip(index), index)

    @pytest.mark.parametrize("values", SERIES, ids=lambda values: str(values.dtype))
    def test_series_of_every_type_can_be_changed(self, values: Any) -> None:
        series = pd.Series(values)
        found = round_trip(series)
        pd.testing.assert_series_equal(found, series)
        found.iloc[0] = found.iloc[1]
        pd.testing.assert_series_equal(round_trip(series), series)

    def test_a_subclass(self) -> None:
        source = """
            class F(pd.DataFrame):
                _metadata = ['unit']
                @property
                def _constructor(self): return F
            f = F({'a': range(10_000)}); f.unit = 'm'
            """
        ns = restored(source, "F", "f", before="import pandas as pd")
        assert (type(ns["f"]), ns["f"].unit, ns["f"]["a"].sum()) == (ns["F"], "m", 49_995_000)


def _buffers(frame: Any) -> list[bytes]:
    return [bytes(item) for item in NotebookSerializer({}).dump({"frame": frame}).blob.buffers]


class TestModels:
    def test_a_fitted_model(self) -> None:
        model = _forest()
        data = np.random.default_rng(1).random((20, 3))
        np.testing.assert_array_equal(round_trip(model).predict(data), model.predict(data))

    def test_a_figure(self) -> None:
        found = round_trip(_figure())
        assert found.axes[0].lines[0].get_ydata().tolist() == [1, 2, 3]
        found.savefig(io.BytesIO())

    def test_distributions_still_follow_the_global_seed(self) -> None:
        stats = pytest.importorskip("scipy.stats")
        live, found = stats.norm(0, 1), round_trip(stats.norm(0, 1))
        np.random.seed(7)
        expected = live.rvs(3)
        np.random.seed(7)
        np.testing.assert_array_equal(found.rvs(3), expected)

    def test_distributions_of_scipy_are_those_of_its_module(self) -> None:
        stats = pytest.importorskip("scipy.stats")
        own = stats.rv_histogram(([1, 2], [0, 1, 2]))
        found = round_trip({"norm": stats.norm, "poisson": stats.poisson, "own": own})
        assert (found["norm"], found["poisson"]) == (stats.norm, stats.poisson)
        assert found["own"].mean() == own.mean()

    def test_generators_of_random_numbers(self) -> None:
        assert round_trip(random._inst) is random._inst
        own = random.Random(3)
        assert round_trip(own).random() == random.Random(3).random()
        state = np.random.RandomState(3)
        assert round_trip(state).rand() == np.random.RandomState(3).rand()
        assert round_trip(np.random.default_rng(3)).random() == np.random.default_rng(3).random()


def test_attributes_that_a_class_leaves_out_of_its_pickle() -> None:
    from sklearn.datasets import load_iris

    value = load_iris()
    copy = round_trip(value)
    assert vars(copy).keys() == vars(value).keys() != set()
    assert copy.keys() == value.keys()
