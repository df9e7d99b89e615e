"""Tasks as HTML for pages without scripts: a table and a picture (an image runs nothing)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from milepost.model.view import TaskView
from milepost.widget.layout import Layout
from milepost.widget.svg import to_svg
from milepost.widget.text import HEADINGS, cells
from milepost.widget.words import totals

MOST_ROWS = 200
"""Tasks that are listed; with more of them, the picture is left out, too: it is beside this already."""


def to_html(views: Sequence[TaskView], placed: Layout | None = None) -> str:
    """A fragment: totals, a table with one row a task, the graph."""
    if not views:
        return "<p>no tasks yet</p>"
    shown, left = views[:MOST_ROWS], len(views) - MOST_ROWS
    more = f"<p>… and {left:,} more</p>" if left > 0 else ""
    head = "".join(f'<th style="text-align:left">{h}</th>' for h in HEADINGS)
    rows = "".join(f"<tr>{''.join(map(_cell, cells(view)))}</tr>" for view in shown)
    return (
        f"<div><p>{escape(totals(views))}</p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"
        f"{_picture(to_svg(views, placed)) if left <= 0 else ''}</div>"
    )


def _cell(text: str) -> str:
    return f'<td style="text-align:left"><bdi>{escape(text)}</bdi></td>'


def _picture(svg: str) -> str:
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="task graph" style="max-width:100%" src="data:image/svg+xml;base64,{data}">'
