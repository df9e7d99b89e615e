"""What was only shown: IPython keeps it as `_` and in `Out`, and hardly anybody asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_PICTURES = frozenset({"matplotlib", "seaborn", "plotly", "bokeh", "altair", "IPython", "ipywidgets"})


def is_picture(value: Any) -> bool:
    """Whether a value, or one of those in it, is there to be looked at: building it again might show it again."""
    return any(type(part).__module__.partition(".")[0] in _PICTURES for part in (value, *_parts(value)))


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, list | tuple):
        return value
    of_objects = getattr(getattr(value, "dtype", None), "hasobject", False)
    return getattr(value, "flat", ()) if of_objects else ()
