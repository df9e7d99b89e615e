"""The timeline in a real page: which task ran when, with the same sheet behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook
from .test_graph import _CONTRAST

pytestmark = pytest.mark.browser

CELLS = [
    "%load_ext milepost",
    "%tasks",
    "%%task first\nimport time\ntime.sleep(0.3)\nx = 1",
    "%%task second --in x\ntime.sleep(0.6)\nraise ValueError('no')",
    "%%task third --bg\nimport os, time\nwhile not os.path.exists('timeline.go'): time.sleep(0.01)",
]


def row(nb: NotebookPage, task: str) -> Locator:
    """A task's row."""
    return nb.outputs(1).locator(f".milepost-row button[aria-label^='{task}: ']")


def spans(nb: NotebookPage, *tasks: str) -> list[dict[str, float]]:
    """Where tasks' bars are, at one moment: while one runs, all become narrower."""
    found: Any = nb.outputs(1).locator(".milepost-row").evaluate_all(_SPANS, list(tasks))
    return list(found)


_SPANS = """(rows, tasks) => tasks.map(task => {
  const row = rows.find(row => row.querySelector('button').getAttribute('aria-label').startsWith(`${task}: `));
  const { x, width } = row.querySelector('.milepost-span').getBoundingClientRect();
  return { x, width };
})"""


def test_what_ran_when(nb: NotebookPage, lab: LabServer, tmp_path: Path) -> None:
    notebook(lab.root / "timeline.ipynb", CELLS)
    nb.open("timeline.ipynb")
    for cell in (0, 1):
        nb.run_cell(cell)
    out = nb.outputs(1)
    out.get_by_role("tab", name="Graph").focus()
    nb.page.keyboard.press("ArrowRight")
    expect(out.get_by_role("tab", name="Timeline")).to_be_focused()
    expect(out.get_by_role("tab", name="Timeline")).to_have_attribute("aria-selected", "true")
    expect(out.locator(".milepost-timeline")).to_contain_text("Nothing has run")
    for cell in (2, 3, 4):
        nb.run_cell(cell)
    expect(row(nb, "third")).to_contain_text("running")
    expect(row(nb, "first")).to_contain_text("success")
    expect(row(nb, "second")).to_contain_text("failure")
    first, second, third = spans(nb, "first", "second", "third")
    assert first["x"] < second["x"] < third["x"]
    assert second["x"] >= first["x"] + first["width"] - 1, "one after the other"
    assert second["width"] > first["width"]
    nb.page.wait_for_function(_WIDER, arg=third["width"])

    row(nb, "second").click()
    expect(out.locator(".milepost-details")).to_contain_text("ValueError: no")
    for theme in ("light", "dark"):
        nb.theme(theme)
        expect(out.locator(".milepost-timeline")).to_have_attribute("data-theme", theme)
        assert nb.page.evaluate(_CONTRAST) == []
        nb.screenshot(tmp_path / f"timeline-{theme}.png")
    row(nb, "first").focus()
    nb.page.keyboard.press("ArrowDown")
    expect(row(nb, "second")).to_be_focused()
    nb.page.keyboard.press("Escape")
    expect(out.locator(".milepost-details")).to_be_hidden()
    (lab.root / "timeline.go").touch()
    expect(row(nb, "third")).to_contain_text("success")
    out.get_by_role("tab", name="Graph").click()
    expect(out.locator(".milepost-node[aria-label^='third: success']")).to_be_visible()
    assert not nb.errors


_WIDER = """before => {
  const row = document.querySelector(".milepost-row button[aria-label^='third: ']");
  return row?.querySelector('.milepost-span').getBoundingClientRect().width > before * 1.2;
}"""
