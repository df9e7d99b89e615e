"""A task in the background in a real page: what it prints is in the details while it runs, and it can be cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook
from .test_main_job import node

pytestmark = pytest.mark.browser

BODY = """\
import os, time
from IPython.display import display
print('\\x1b[31mred\\x1b[0m words, and a 🎉', flush=True)
for i in range(101): print(f'\\r{i:3} %', end='', flush=True)
print()
display({'a': 1})
while not os.path.exists('go.milepost'): time.sleep(0.01)
print('one more line')
while not os.path.exists('never'): time.sleep(0.01)
"""
SLOW, FAST, OTHER = 2, 3, 4


def details(nb: NotebookPage) -> Locator:
    return nb.outputs(1).locator(".milepost-details")


@pytest.mark.parametrize("on", ["threads", "processes"])
def test_the_log_of_a_task_and_its_cancel(nb: NotebookPage, lab: LabServer, tmp_path: Path, on: str) -> None:
    folder = lab.root / f"log-{on}"
    folder.mkdir()
    cells = [
        "%load_ext milepost",
        "%tasks",
        f"%%task slow --bg --on {on}\n{BODY}",
        "%%task fast --bg\nfor i in range(20_000): print('line', i)",
        "print('a plain cell')",
    ]
    notebook(folder / "log.ipynb", cells)
    nb.open(f"log-{on}/log.ipynb")
    nb.run_all()
    assert nb.text(OTHER) == "a plain cell", "a task's output is in another cell"
    node(nb, "slow").click()
    nb.page.wait_for_function(_SHOWN_ANEW)
    log = details(nb).locator(".milepost-log")
    expect(log).to_have_text("red words, and a 🎉\n100 %\n{'a': 1}\n", use_inner_text=True)
    expect(details(nb)).to_contain_text("running, in the background")
    for theme in ("light", "dark"):
        nb.theme(theme)
        nb.screenshot(tmp_path / f"{theme}.png")
    (folder / "go.milepost").touch()
    expect(log).to_have_text("red words, and a 🎉\n100 %\n{'a': 1}\none more line\n", use_inner_text=True)

    node(nb, "fast").click()
    expect(log).to_contain_text("line 19999")
    assert len(log.inner_text()) <= 65_536
    expect(details(nb).locator(".milepost-cancel-task")).to_be_hidden()
    node(nb, "slow").click()
    expect(log).to_contain_text("one more line")
    details(nb).get_by_role("button", name="Cancel this task").click()
    expect(node(nb, "slow")).to_contain_text("cancelled")
    expect(nb.badge(SLOW)).to_contain_text("cancelled")
    expect(details(nb).locator(".milepost-cancel-task")).to_be_hidden()
    expect(log).to_contain_text("one more line")
    nb.edit(SLOW, "%%task slow --bg\nprint('anew')")
    nb.edit(OTHER, "%%task next --after slow\nprint('it has ended')")
    nb.page.evaluate(_HOLD_FRAMES)  # of the next run, only its end is drawn
    nb.run_cell(SLOW)
    nb.run_cell(OTHER)
    expect(nb.outputs(OTHER)).to_contain_text("it has ended")
    expect(node(nb, "slow")).to_contain_text("cancelled")
    nb.page.evaluate(_LET_FRAMES_GO)
    expect(node(nb, "slow")).to_contain_text("success")
    expect(log).to_have_text("anew\n", use_inner_text=True)
    assert not nb.errors


_SHOWN_ANEW = """() => {
  const outputs = window.jupyterapp.shell.currentWidget.content.widgets[1].model.outputs;
  return String(outputs.get(0)?.data['text/plain']).includes('fast');
}"""
"""The pictures in the notebook are of these tasks, for which the widget is shown anew: what was chosen stays chosen."""

_HOLD_FRAMES = """() => {
  window.heldFrames = [];
  window.drawFrame = window.requestAnimationFrame;
  window.requestAnimationFrame = callback => window.heldFrames.push(callback);
}"""
_LET_FRAMES_GO = """() => {
  window.requestAnimationFrame = window.drawFrame;
  window.heldFrames.forEach(callback => callback(performance.now()));
}"""
