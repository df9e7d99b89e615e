"""cloudpickle, where the code of a notebook or script keeps the name of its file, and no open file is copied."""

from __future__ import annotations

import io
import pickle
import sys
from collections import ChainMap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, ClassVar

import cloudpickle  # type: ignore[import-untyped]

_FILE_NAME = 10
"""Where the constructor of `CodeType` takes the file name."""


def _reduce_code(code: CodeType) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """From 3.1.3 on, cloudpickle writes `<dynamic-code>`, by which no traceback and no `inspect` finds the source."""
    build, args = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return build, (*args[:_FILE_NAME], code.co_filename, *args[_FILE_NAME + 1 :])


_AnyFile: Any = io.IOBase.__base__
"""What all open files are; `io.IOBase` itself takes much longer to ask."""


def _knows_how(file: Any) -> bool:
    """Whether it is in memory, or has methods of its own for being pickled."""
    own = (getattr(type(file), name, None) for name in ("__reduce__", "__reduce_ex__", "__getstate__"))
    return isinstance(file, io.BytesIO | io.StringIO) or any(isinstance(method, FunctionType) for method in own)


def _reduce_file(file: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """cloudpickle would copy what a text file holds: who reads on, or writes, would do so in the copy."""
    for name in ("stdout", "stderr"):
        if file is getattr(sys, name):
            return getattr, (sys, name)
    words = f"the open file {getattr(file, 'name', type(file).__name__)!r} belongs to this process"
    raise pickle.PicklingError(f"{words}; pass its path, and open it where it is used")


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Functions and classes that no module has are pickled by value."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _reduce_code}, *cloudpickle.Pickler.dispatch_table.maps)

    def reducer_override(self, value: Any) -> Any:
        """How a value that is no plain number, text or container is pickled."""
        if isinstance(value, _AnyFile) and not _knows_how(value):
            return _reduce_file(value)
        return super().reducer_override(value)


def dumps(value: Any) -> bytes:
    """A pickle of the value, by the pickler above."""
    file = io.BytesIO()
    Pickler(file, protocol=5).dump(value)
    return file.getvalue()
