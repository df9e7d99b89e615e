"""What the rows of the class tables may use, and whether a value that was saved and restored equals the first one."""

from __future__ import annotations

import functools
import importlib
import io
import re
import types
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.ports import Blob, Dump

from .classes import MODULES


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
    """A value as it comes back."""
    dump = NotebookSerializer({"__name__": "__main__"}).dump({"value": value, "other": [1]})
    assert dump.unsaved == {}
    return restored(dump)


def restored(dump: Dump) -> Any:
    """What was saved as "value", beside what was saved as "other"."""
    blob = Blob(dump.blob.stream, [bytearray(item) for item in dump.blob.buffers])
    found = NotebookSerializer({"__name__": "__main__"}).load(blob)
    assert found["other"] == [1]
    return found["value"]


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
        require_same(drawn(found), drawn(value))
    elif hasattr(value, "savefig"):
        assert _drawing(found) == _drawing(value)
    elif hasattr(value, "toarray"):
        require_same(found.toarray(), value.toarray())
    elif hasattr(value, "equals") and not isinstance(value, pl.Expr):
        assert found.equals(value)
    else:
        assert _is_equal(found, value) or words(found) == words(value), (words(found), words(value))


def _is_equal(found: Any, value: Any) -> bool:
    try:
        return bool(found == value)
    except Exception:
        return False


def words(value: Any, depth: int = 0) -> str:
    """What a value says of itself, and its attributes, without addresses in memory."""
    parts = getattr(value, "__dict__", None) if depth < 3 and not isinstance(value, type | types.ModuleType) else None
    inner = {name: words(item, depth + 1) for name, item in sorted((parts or {}).items()) if not name.startswith("__")}
    return re.sub(r"0[xX][0-9a-fA-F]+|id='\d+'", "", repr(value)) + repr(inner)


def drawn(distribution: Any) -> Any:
    np.random.seed(7)
    return np.asarray(distribution.rvs())


def _drawing(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="raw", dpi=20)
    return file.getvalue()
