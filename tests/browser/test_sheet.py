"""The sheet beside the graph in a real page: what is known of a task, and what can be done with it."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook
from .test_main_job import counting, runs, wait_for

pytestmark = pytest.mark.browser

LOAD, USE, FAIL, SLOW, STATUS = range(2, 7)


def node(nb: NotebookPage, task: str) -> Locator:
    """A task's box in the widget."""
    return nb.outputs(1).locator(f".milepost-node[aria-label^='{task}: ']")


def sheet(nb: NotebookPage) -> Locator:
    """The sheet of the chosen task."""
    return nb.outputs(1).locator(".milepost-details")


def section(nb: NotebookPage, title: str) -> Locator:
    """A part of the sheet, opened."""
    found = sheet(nb).locator(f".milepost-section[data-part='{title}']")
    found.evaluate("part => { part.open = true; }")
    return found


def choose(nb: NotebookPage, task: str) -> None:
    """Open the sheet of a task."""
    node(nb, task).click()
    expect(sheet(nb).locator("h4")).to_have_text(task)


def do(nb: NotebookPage, action: str) -> None:
    """Click an action of the sheet."""
    sheet(nb).get_by_role("button", name=action, exact=True).click()


def write(lab: LabServer, name: str) -> Path:
    folder = lab.root / name
    folder.mkdir()
    cells = [
        "%load_ext milepost",
        "%tasks",
        f"%%task load\n{counting('load')}\nraw = list(range(100))\nprint('loaded', len(raw))",
        f"%%task use\n{counting('use')}\ntotal = sum(raw)\nprint('the total is', total)",
        "%%task fail --in total\ndef check(n):\n    raise ValueError('no rows')\ncheck(total)",
        "%%task slow --bg\nimport os, time\nopen('begun.milepost', 'w').close()\n"
        "while not os.path.exists('never'): time.sleep(0.01)",
        "%tasks status --json",
    ]
    notebook(folder / "sheet.ipynb", cells)
    return folder


def test_what_the_sheet_says_and_does(nb: NotebookPage, lab: LabServer, tmp_path: Path) -> None:
    folder = write(lab, "sheet")
    nb.open("sheet/sheet.ipynb")
    nb.run_all()
    choose(nb, "use")
    expect(section(nb, "Code")).to_contain_text("total = sum(raw)")
    expect(section(nb, "Inputs")).to_contain_text(re.compile(r"raw\s*from load"))
    expect(section(nb, "Outputs")).to_contain_text(re.compile(r"total\s*4950"))
    expect(section(nb, "What its cell showed")).to_contain_text("the total is 4950")
    expect(section(nb, "History").locator("dt")).to_have_count(1)
    expect(sheet(nb)).to_contain_text("Saved")
    choose(nb, "load")
    expect(section(nb, "Outputs")).to_contain_text("list of 100: [0, 1, 2")
    choose(nb, "fail")
    expect(section(nb, "Error")).to_contain_text("in check")
    expect(section(nb, "Error")).to_contain_text("ValueError: no rows")
    for theme in ("light", "dark"):
        nb.theme(theme)
        nb.screenshot(tmp_path / f"sheet-{theme}.png")

    choose(nb, "use")
    do(nb, "Run again")
    expect(section(nb, "What the run showed")).to_contain_text("the total is 4950")
    nb.page.wait_for_function("() => document.querySelector('.milepost-run')?.disabled === false")
    assert runs(folder) == {"load": 1, "use": 2}
    expect(section(nb, "History").locator("dt")).to_have_count(2)

    do(nb, "Forget")
    expect(node(nb, "use")).to_have_count(0)
    expect(nb.outputs(1).locator(".milepost-news")).to_have_text("forgotten: use")
    nb.run_cell(USE)
    assert runs(folder) == {"load": 1, "use": 3}

    nb.run_cell(SLOW)
    choose(nb, "slow")
    do(nb, "Cancel this task")
    expect(node(nb, "slow")).to_contain_text("cancelled")
    assert not nb.errors


def test_run_with_all_it_needs_while_a_cell_runs_and_run_all(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "needs")
    nb.open("needs/sheet.ipynb")
    for cell in (0, 1, LOAD, USE):
        nb.run_cell(cell)
    choose(nb, "load")
    do(nb, "Forget")
    expect(node(nb, "load")).to_have_count(0)
    nb.edit(USE, f"%%task use --in raw\n{counting('use')}\ntotal = sum(raw) + 1")
    nb.save()
    nb.edit(STATUS, "import os, time\nwhile not os.path.exists('go.milepost'): time.sleep(0.01)")
    nb.run_cell(STATUS, wait=False)
    choose(nb, "use")
    do(nb, "Run again")
    expect(nb.outputs(1).locator(".milepost-run")).to_be_disabled()
    assert runs(folder) == {"load": 1, "use": 1}, "it waits for the cell that runs"
    (folder / "go.milepost").touch()
    wait_for_runs(nb)
    assert runs(folder) == {"load": 1, "use": 2}, nb.outputs(1).locator(".milepost-news").inner_text()
    nb.run_cell(LOAD)
    nb.run_cell(USE)
    before = runs(folder)
    count = prompt(nb, USE)
    nb.edit(LOAD, f"%%task load\n{counting('load')}\nraw = list(range(101))")
    nb.save()
    do(nb, "Run with all it needs")
    wait_for_runs(nb)
    assert runs(folder) == {task: count + 1 for task, count in before.items()}
    assert "the total is" not in nb.text(USE)
    assert prompt(nb, USE) > count, "the cell itself ran"
    nb.outputs(1).locator(".milepost-run").click()
    wait_for_runs(nb)
    nb.edit(STATUS, "print(total)")
    nb.run_cell(STATUS)
    assert nb.text(STATUS) == "5051", "the cell counts as it stands in the saved notebook"
    assert not nb.errors


def test_what_was_clicked_is_done_once_the_kernel_answers(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "held")
    nb.open("held/sheet.ipynb")
    for cell in (0, 1, LOAD):
        nb.run_cell(cell)
    nb.edit(STATUS, "import os; print(os.getpid())")
    nb.run_cell(STATUS)
    kernel = int(nb.text(STATUS))
    choose(nb, "load")
    expect(sheet(nb).get_by_role("button", name="Run again", exact=True)).to_be_visible()
    news = nb.outputs(1).locator(".milepost-news")
    os.kill(kernel, signal.SIGSTOP)  # as where C code holds Python's lock
    try:
        do(nb, "Run again")
        expect(news).to_contain_text("does not answer yet", timeout=10_000)
    finally:
        os.kill(kernel, signal.SIGCONT)
    expect(section(nb, "What the run showed")).to_contain_text("loaded 100")
    assert runs(folder) == {"load": 2}
    expect(news).not_to_contain_text("gone")


def prompt(nb: NotebookPage, cell: int) -> int:
    """The number of a cell's last run."""
    return int(re.sub(r"\D", "", nb.cells.nth(cell).locator(".jp-InputPrompt").inner_text()))


def wait_for_runs(nb: NotebookPage) -> None:
    """Wait until what was asked for has run."""
    nb.page.wait_for_function("() => document.querySelector('.milepost-run')?.disabled === false")
    nb.idle()


def test_trust(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "trust")
    nb.open("trust/sheet.ipynb")
    for cell in (0, 1, LOAD):
        nb.run_cell(cell)
    nb.restart()
    key = next(lab.home.rglob("*milepost*/*key*"))
    key.unlink()  # from now on, this is another user
    for cell in (0, 1):
        nb.run_cell(cell)
    expect(node(nb, "load")).to_contain_text("untrusted")
    choose(nb, "load")
    do(nb, "Trust")
    expect(node(nb, "load")).to_contain_text("saved")
    nb.run_cell(LOAD)
    assert runs(folder) == {"load": 1}
    assert json.dumps(nb.text(LOAD))
    wait_for(folder / "sheet.milepost")


def test_a_person_decides_what_is_in_doubt(nb: NotebookPage, lab: LabServer) -> None:
    folder = lab.root / "doubt"
    folder.mkdir()
    charge = f"%%task charge --once\n{counting('charge')}\nraise TimeoutError('no answer')"
    notebook(folder / "sheet.ipynb", ["%load_ext milepost", "%tasks", charge])
    nb.open("doubt/sheet.ipynb")
    for cell in (0, 1, 2):
        nb.run_cell(cell)
    expect(node(nb, "charge")).to_contain_text("in doubt")
    choose(nb, "charge")
    expect(sheet(nb)).to_contain_text("%tasks resolve charge done [VALUE]")
    for action in ("Run", "Forget"):
        expect(sheet(nb).get_by_role("button", name=action, exact=True)).to_be_hidden()
    do(nb, "It may run again")
    expect(nb.outputs(1).locator(".milepost-news")).to_contain_text("charge: it runs again when its cell runs")
    nb.run_cell(2)
    assert runs(folder) == {"charge": 2}
    expect(node(nb, "charge")).to_contain_text("in doubt")
    do(nb, "It is done")
    expect(nb.outputs(1).locator(".milepost-news")).to_contain_text("charge: done")
    nb.run_cell(2)
    expect(node(nb, "charge")).to_contain_text("restored")
    assert runs(folder) == {"charge": 2}
    assert not nb.errors


_RUN = """code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code }).done"""
_RENEWED = """() => {
  const { outputs } = window.jupyterapp.shell.currentWidget.content.widgets[1].model;
  return String(outputs.get(0)?.data['text/plain']).includes('more');
}"""
_FOCUSED = "() => document.activeElement.getAttribute('aria-label')?.startsWith('load: success')"


def test_the_keyboard_stays_where_it_is_when_the_pictures_are_renewed(nb: NotebookPage, lab: LabServer) -> None:
    write(lab, "focus")
    nb.open("focus/sheet.ipynb")
    for cell in (0, 1, LOAD):
        nb.run_cell(cell)
    expect(node(nb, "load")).to_contain_text("success")
    node(nb, "load").focus()
    nb.page.wait_for_function(_FOCUSED)
    nb.page.evaluate(_RUN, "%%task more\nmore = 1")
    nb.page.wait_for_function(_RENEWED)
    expect(node(nb, "more")).to_contain_text("success")
    nb.page.wait_for_function(_FOCUSED)
