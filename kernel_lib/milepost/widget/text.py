"""Tasks as a plain text table."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from milepost.model.view import TaskView
from milepost.widget.shorten import shorten
from milepost.widget.words import size, time_words

NAME_LENGTH = 40
WHY_LENGTH = 100
HEADINGS = ("task", "state", "time", "size", "why")


def cells(view: TaskView) -> tuple[str, str, str, str, str]:
    """One row: name, state, time, size, why (or what failed)."""
    words = view.error or (view.why.text if view.why else "")
    return (
        shorten(view.name, NAME_LENGTH),
        f"{view.style.symbol} {view.style.word}",
        time_words(view),
        size(view.nbytes) if view.saved else "",
        shorten(words, WHY_LENGTH),
    )


def to_text(views: Sequence[TaskView], more: Sequence[tuple[str, ...]] = ()) -> str:
    """An aligned table: name, state, time, size, why; `more` are columns before the last, a heading first."""
    if not views:
        return "no tasks yet"
    rows: list[tuple[str, ...]] = [HEADINGS, *(cells(view) for view in views)]
    if more:
        rows = [(*row[:-1], *extra, row[-1]) for row, extra in zip(rows, more, strict=True)]
    widths = [max(_columns(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(_pad(cell, w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _columns(text))


def _columns(text: str) -> int:
    """How many terminal columns a text takes."""
    return sum(_width(c) for c in text)


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
