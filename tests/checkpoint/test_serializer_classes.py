"""The table of classes: each is saved and equal, or refused with its reason; never wrong, never an exception."""

from __future__ import annotations

import functools
import importlib
import io
import re
import types
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.ports import Blob

from .classes import MODULES, REFUSED, SAVED

pytestmark = pytest.mark.filterwarnings("ignore")

X = np.abs(np.random.default_rng(0).normal(size=(20, 3)))
Y = (X[:, 0] > X[:, 1]).astype(int)
TEXTS = ["a word", "two words", "a word more"]


@functools.cache
def names() -> dict[str, Any]:
    """What the expressions may use."""
    found: dict[str, Any] = {"np": np, "pd": pd, "pl": pl, "pa": pa, "__name__": "__main__"}
    for module in MODULES:
        importlib.import_module(module)
        found[module.partition(".")[0]] = importlib.import_module(module.partition(".")[0])
    found["Kept"] = type("Kept", (), {})
    exec("async def coroutine(): pass\nasync def asynchronous(): yield", found)
    found["figure"] = _figure
    return found


@functools.cache
def estimators() -> dict[str, Any]:
    from sklearn import compose, model_selection, pipeline
    from sklearn.utils import all_estimators

    found = {**dict(all_estimators()), "make_pipeline": pipeline.make_pipeline, "np": np}
    return {**vars(compose), **vars(model_selection), **found}


def _figure() -> Any:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 3, 2], label="line")
    figure.axes[0].legend()
    return figure


def round_trip(value: Any) -> Any:
    serializer = NotebookSerializer({"__name__": "__main__"})
    dump = serializer.dump({"value": value, "other": [1]})
    assert dump.unsaved == {}
    found = serializer.load(Blob(dump.blob.stream, [bytearray(item) for item in dump.blob.buffers]))
    assert found["other"] == [1]
    return found["value"]


ROWS = [(library, row) for library, rows in SAVED.items() if library != "scikit-learn" for row in rows]


@pytest.mark.parametrize(("library", "row"), ROWS, ids=[f"{library}: {row}" for library, row in ROWS])
def test_saved(library: str, row: str) -> None:
    made, _, used = row.partition(" ~ ")
    try:
        value = eval(made, names())
    except (AttributeError, TypeError) as error:
        pytest.skip(f"not in this version: {error}")
    results = [eval(used or "it", {**names(), "it": it}) for it in (round_trip(value), value)]
    require_same(*results)


LAZY = {"platform.uname()", "pd.interval_range(0, 3)", "pd.Period('2020', 'M')"}
"""These compute a part of themselves when they are pickled for the first time."""


@pytest.mark.parametrize("library", sorted(SAVED.keys() - {"scikit-learn"}))
def test_saving_changes_nothing_and_gives_the_same_bytes(library: str) -> None:
    for row in set(SAVED[library]) - LAZY:
        try:
            value = eval(row.partition(" ~ ")[0], names())
        except (AttributeError, TypeError):
            continue  # not in this version
        _words(value)  # which may compute something, too
        before, first = _words(value), _bytes(value)
        assert _words(value) == before, row
        assert _bytes(value) == first, row


@pytest.mark.parametrize("row", SAVED["scikit-learn"])
def test_saved_models(row: str) -> None:
    model = eval(row, estimators())
    for state in (model, _fitted(model)):
        found = round_trip(state)
        assert repr(found) == repr(state)
        for method in ("predict", "transform", "predict_proba", "score_samples", "kneighbors"):
            if state is not model and hasattr(state, method):
                require_same(_called(found, method), _called(state, method))
        require_same(_numbers(found), _numbers(state))


@pytest.mark.parametrize("row", REFUSED)
def test_refused(row: str) -> None:
    value = eval(row, names())
    dump = NotebookSerializer({"__name__": "__main__"}).dump({"value": value, "other": [1]})
    assert REFUSED[row] in dump.unsaved["value"]
    assert NotebookSerializer({}).load(dump.blob) == {"other": [1]}


def test_every_distribution_follows_the_seed() -> None:
    parameters = pytest.importorskip("scipy.stats._distr_params")
    stats = importlib.import_module("scipy.stats")
    known = {name: args for name, args in [*parameters.distcont, *parameters.distdiscrete] if isinstance(name, str)}
    left_out = {"levy_stable", "studentized_range", "kstwo", "ksone", "poisson_binom"}  # the last is refused
    for name in known.keys() - left_out:
        frozen = getattr(stats, name)(*known[name])
        require_same(round_trip(frozen), frozen)


def _bytes(value: Any) -> list[bytes]:
    blob = NotebookSerializer({"__name__": "__main__"}).dump({"value": value}).blob
    return [blob.stream, *(bytes(item) for item in blob.buffers)]


def require_same(found: Any, value: Any) -> None:
    """Equal, by what equality means for each kind of value."""
    assert type(found) is type(value) or _is_made_at_run_time(type(value))
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        assert found.shape == value.shape
        require_same(found.ravel().tolist(), value.ravel().tolist())
    elif isinstance(value, np.ndarray | np.generic):
        np.testing.assert_array_equal(found, value)
    elif isinstance(value, pd.DataFrame | pd.Series | pd.Index):
        kind = "frame" if isinstance(value, pd.DataFrame) else "series" if isinstance(value, pd.Series) else "index"
        getattr(pd.testing, f"assert_{kind}_equal")(found, value)
    elif isinstance(value, list | tuple):
        assert len(found) == len(value)
        for one, other in zip(found, value, strict=True):
            require_same(one, other)
    elif isinstance(value, dict) and not hasattr(value, "toarray"):
        assert list(found) == list(value)
        require_same(list(found.values()), list(value.values()))
    else:
        _require_same_object(found, value)


def _is_made_at_run_time(kind: type) -> bool:
    return getattr(importlib.import_module(kind.__module__), kind.__qualname__, None) is not kind


def _require_same_object(found: Any, value: Any) -> None:
    if hasattr(value, "rvs"):
        require_same(_drawn(found), _drawn(value))
    elif hasattr(value, "savefig"):
        assert _drawing(found) == _drawing(value)
    elif hasattr(value, "toarray"):
        require_same(found.toarray(), value.toarray())
    elif hasattr(value, "equals") and not isinstance(value, pl.Expr):
        assert found.equals(value)
    else:
        assert _is_equal(found, value) or _words(found) == _words(value), (_words(found), _words(value))


def _is_equal(found: Any, value: Any) -> bool:
    try:
        return bool(found == value)
    except Exception:
        return False


def _words(value: Any, depth: int = 0) -> str:
    """What a value says of itself, and its attributes, without addresses in memory."""
    parts = getattr(value, "__dict__", None) if depth < 3 and not isinstance(value, type | types.ModuleType) else None
    inner = {name: _words(item, depth + 1) for name, item in sorted((parts or {}).items()) if not name.startswith("__")}
    return re.sub(r"0[xX][0-9a-fA-F]+|id='\d+'", "", repr(value)) + repr(inner)


def _drawn(distribution: Any) -> Any:
    np.random.seed(7)
    return np.asarray(distribution.rvs())


def _drawing(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="raw", dpi=20)
    return file.getvalue()


def _fitted(model: Any) -> Any:
    if not hasattr(model, "fit"):
        return model
    kind = type(model).__name__
    data: Any = X
    if "Count" in kind or "Tfidf" in kind or "Hashing" in kind:
        return model.fit(TEXTS)
    if kind in ("LabelEncoder", "LabelBinarizer"):
        return model.fit(Y)
    if kind == "DictVectorizer":
        data = [{"a": 1, "b": 2}] * 20
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(data, Y)


def _called(model: Any, method: str) -> Any:
    kind = type(model).__name__
    data: Any = TEXTS if any(name in kind for name in ("Count", "Tfidf", "Hashing")) else X
    data = Y if kind in ("LabelEncoder", "LabelBinarizer") else [{"a": 3}] if kind == "DictVectorizer" else data
    found = getattr(model, method)(data)
    return found.toarray() if hasattr(found, "toarray") else found


def _numbers(model: Any) -> dict[str, Any]:
    """The arrays and numbers that a model has learnt."""
    learnt = {name: value for name, value in sorted(vars(model).items()) if name.endswith("_")}
    return {name: value for name, value in learnt.items() if isinstance(value, np.ndarray | int | float | str)}
