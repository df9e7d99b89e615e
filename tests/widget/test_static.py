"""Static pictures: complete, aligned, and harmless whatever a task is called."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import pytest

from milepost.model.reasons import Reason, ReasonKind
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.html import to_html
from milepost.widget.svg import to_svg
from milepost.widget.text import to_text
from milepost.widget.words import duration, size, totals

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "x" * 1_000_000,
    "a\u202egnp.exe",
    "nul\0\x1b[31m",
    "line\nbreak",
    "\ud800",
    "&amp;",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str) -> None:
    view = TaskView(name=name, state=TaskState.FAILURE, error=name, why=Reason(ReasonKind.FORCED, name))
    svg, html, text = to_svg([view]), to_html([view]), to_text([view])
    ElementTree.fromstring(svg)
    assert "<img src=x" not in svg + html
    assert not {"\u202e", "\0", "\x1b", "\ud800"} & set(svg + html + text)
    assert len(text.splitlines()) == 2
    assert max(len(svg), len(html), len(text)) < 20_000


def test_every_state_is_said_in_words() -> None:
    views = [TaskView(name=f"t-{state}", state=state) for state in TaskState]
    svg, html, text = to_svg(views), to_html(views), to_text(views)
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()  # type: ignore[index]
    for view in views:
        for shown in (svg, html, text, picture):
            assert view.style.word in shown
            assert view.name in shown


def test_table_is_aligned() -> None:
    text = to_text([TaskView(name="a", seconds=2.0, saved=True, nbytes=1200), TaskView(name="長い名前")])
    assert text.splitlines()[1].startswith("a         ○ pending")
    assert text.splitlines()[2].startswith("長い名前  ○ pending")


def test_words() -> None:
    assert [duration(s) for s in (0.04, 1.24, 38, 2460, 7500)] == ["40 ms", "1.2 s", "38 s", "41 min", "2 h 5 min"]
    assert [size(n) for n in (0, 999, 1200, 999_999, 38e6)] == ["0 B", "999 B", "1.2 kB", "1.0 MB", "38 MB"]
    kept = TaskView(name="a", state=TaskState.SUCCESS, restored=True, seconds=2460)
    assert totals([kept, TaskView(name="b", state=TaskState.RUNNING), TaskView(name="c")]) == (
        "1 restored, saved 41 min; 1 running; 1 left"
    )
