"""Notes which warnings are shown while a body runs."""

from __future__ import annotations

import functools
import sys
import warnings
from typing import Any

noted: dict[tuple[str, int, str, type[Warning]], None] = {}
"""The module and line that each was about, its text and its category; the newest ones."""

MOST = 1000


def install() -> None:
    """Note from now on."""
    if warnings._showwarnmsg is not _show:  # type: ignore[attr-defined]
        _originals.append(warnings._showwarnmsg)  # type: ignore[attr-defined]
        warnings._showwarnmsg = _show  # type: ignore[attr-defined]


def uninstall() -> None:
    """Note no more."""
    if warnings._showwarnmsg is _show:  # type: ignore[attr-defined]
        warnings._showwarnmsg = _originals.pop()  # type: ignore[attr-defined]


_originals: list[Any] = []


def _show(message: Any) -> None:
    """In the place of the function by which Python shows each."""
    module = _module(message.filename)
    if module:
        noted[module, message.lineno, str(message.message), message.category] = None
    if len(noted) > MOST:
        del noted[next(iter(noted))]
    _originals[-1](message)


@functools.lru_cache(MOST)
def _module(file: str) -> str:
    """The module that a file is; "" for a cell."""
    return next((name for name, item in list(sys.modules.items()) if getattr(item, "__file__", None) == file), "")
