"""Values that never change, and that any equal one can stand for."""

from __future__ import annotations

import datetime
import decimal
import fractions
import uuid
from pathlib import PurePath
from typing import Any

from milepost.analysis.flat import ATOMS
from milepost.model.by_class import ByClass

_KINDS = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.timezone,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    PurePath,
    range,
)


def by_value(value: Any) -> bool:
    """Whether a value is a number, a text, a moment, a path or the like, or a tuple of such."""
    return all(map(by_value, value)) if type(value) is tuple else _counts_by_value(type(value))


@ByClass
def _counts_by_value(kind: type) -> bool:
    """Classes made from these by a notebook may have attributes of their own."""
    if kind in ATOMS:
        return True
    scalar = kind.__module__ == "numpy" and any(base.__name__ == "generic" for base in kind.__mro__)
    return (scalar and kind.__name__ != "void") or (issubclass(kind, _KINDS) and kind.__module__ in _MODULES)


_MODULES = frozenset(
    {"builtins", "datetime", "decimal", "fractions", "uuid", "pathlib", "pathlib._local"}
    | {"pandas._libs.tslibs.timestamps", "pandas._libs.tslibs.timedeltas", "pandas"}
)
