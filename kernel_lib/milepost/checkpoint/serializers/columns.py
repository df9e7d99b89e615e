"""polars and Arrow: columns as buffers without a copy, no more of them than is seen."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from milepost.checkpoint.serializers import rebuild, rebuild_data
from milepost.checkpoint.serializers.refuse import RefusedError

ARROW_FROM = 64 * 1024
"""Series of at least so many bytes go by way of Arrow; polars' own form copies, but knows every type."""

MOST_CHUNKS = 64
_NOT_BY_ARROW = ("Categorical", "Enum", "Object")
_FUNCTIONS = (b"PLPYFN", b"PLPYUDF", b"POLARS_PYTHON_UDF")
"""How the versions of polars mark a Python function in their own form of queries."""


def reduce_frame(frame: Any) -> Any:
    """A polars frame by its columns, with the attributes that the user gave it."""
    attributes = {name: value for name, value in vars(frame).items() if name != "_df"}
    columns = frame.get_columns()
    if not columns:
        return NotImplemented
    return rebuild_data.polars_frame, (type(frame), columns), attributes, None, None, rebuild.finish_attributes


def reduce_series(series: Any) -> Any:
    """A polars series: its chunks as Arrow arrays where those say everything."""
    if str(series.dtype) == "Object":
        return rebuild_data.polars_objects, (series.name, series.to_list())
    if series.estimated_size() < ARROW_FROM or not _says_all(series):
        return NotImplemented
    chunks = series.get_chunks() if series.n_chunks() <= MOST_CHUNKS else [series]
    arrays = [_arrow(chunk) for chunk in chunks]
    return rebuild_data.polars_series, (series.name, arrays, series.dtype, dict(series.flags))


def reduce_query(query: Any) -> Any:
    """A lazy frame or an expression, unless it holds a Python function."""
    reduced = query.__reduce_ex__(5)
    if any(mark in item for mark in _FUNCTIONS for item in reduced[2:3] if isinstance(item, bytes)):
        # polars pickles it by itself: with a copy of the notebook's variables, and classes made twice.
        raise RefusedError("a polars query with a Python function would come back with a copy of the notebook's state")
    return reduced


def reduce_array(array: Any) -> Any:
    """An Arrow array; one that shows a small part of large buffers brings only that part."""
    try:
        if array.get_total_buffer_size() < 2 * array.nbytes + ARROW_FROM:
            return NotImplemented
        return array.take(_arrow_module().array(range(len(array)))).__reduce_ex__(5)
    except Exception:
        return NotImplemented  # not every type of Arrow can be counted or taken from: such a one is saved whole


def _arrow(series: Any) -> Any:
    levels = getattr(sys.modules["polars"], "CompatLevel", None)
    if levels is None:
        return series.to_arrow()
    found = series.to_arrow(compat_level=levels.newest())
    # Views of texts keep all texts of what they are a part of; the older form copies the texts that are seen.
    return found if found.get_total_buffer_size() < 2 * series.estimated_size() + ARROW_FROM else series.to_arrow()


def _says_all(series: Any) -> bool:
    """Whether polars gets the same type back from Arrow, without a copy."""
    if any(name in str(series.dtype) for name in _NOT_BY_ARROW) or importlib.util.find_spec("pyarrow") is None:
        return False
    try:
        return bool(sys.modules["polars"].from_arrow(_arrow(series.clear())).dtype == series.dtype)
    except Exception:
        return False


def _arrow_module() -> Any:
    return sys.modules["pyarrow"]
