"""cloudpickle, where the code of a notebook or script keeps the name of its file."""

from __future__ import annotations

import io
from collections import ChainMap
from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar

import cloudpickle  # type: ignore[import-untyped]

_FILE_NAME = 10
"""Where the constructor of `CodeType` takes the file name."""


def _reduce_code(code: CodeType) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """From 3.1.3 on, cloudpickle writes `<dynamic-code>`, by which no traceback and no `inspect` finds the source."""
    build, args = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return build, (*args[:_FILE_NAME], code.co_filename, *args[_FILE_NAME + 1 :])


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Functions and classes that no module has are pickled by value."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _reduce_code}, cloudpickle.Pickler.dispatch_table)


def dumps(value: Any) -> bytes:
    """A pickle of the value, by the pickler above."""
    file = io.BytesIO()
    Pickler(file, protocol=5).dump(value)
    return file.getvalue()
