"""Commands in the palette, menus, toolbar and under their shortcuts, over a real kernel."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from .lab import LabServer, NotebookPage, notebook

pytestmark = pytest.mark.browser

SETUP, PLAIN, LOAD, LONG, LAST, RUNS, AFTER = range(7)
CELLS = [
    "%load_ext milepost",
    "start = 1",
    "%%task load\nprint('x', end='', file=open('load.ran', 'a'))\nraw = [start]",
    "%%task long\nimport os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\ntotal = sum(raw)",
    "%%task last\nprint('x', end='', file=open('last.ran', 'a'))\nanswer = total + 1",
    "print(answer, len(open('load.ran').read()), len(open('last.ran').read()))",
    "after = 1",
]


def opened(nb: NotebookPage, lab: LabServer, name: str, *, go: bool = True, app: str = "lab") -> NotebookPage:
    folder = lab.root / name
    folder.mkdir()
    if go:
        (folder / "go").touch()
    notebook(folder / "work.ipynb", CELLS)
    return nb.open(f"{name}/work.ipynb", app)


def enabled(nb: NotebookPage, command: str) -> bool:
    return bool(nb.page.evaluate("c => window.jupyterapp.commands.isEnabled(c)", command))


def choose(nb: NotebookPage, label: str) -> None:
    """Find a command in the palette by typing, and run it."""
    nb.command("apputils:activate-command-palette")
    nb.page.locator(".lm-CommandPalette-input:visible").fill(label)
    nb.page.locator(".lm-CommandPalette-item", has_text=label).first.click()


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_run_stale_then_restart_and_resume(nb: NotebookPage, lab: LabServer, app: str) -> None:
    opened(nb, lab, f"commands-{app}", app=app)
    button = nb.panel.locator(".jp-Toolbar [data-command='milepost:run-stale']")
    expect(button).to_be_visible()
    button.click()
    for cell in (LOAD, LONG, LAST):
        expect(nb.badge(cell)).to_contain_text("success", timeout=20_000)
    nb.idle()
    expect(nb.cells.nth(AFTER).locator(".jp-InputArea-prompt")).to_have_text("[ ]:")
    nb.page.wait_for_function("!window.jupyterapp.commands.isEnabled('milepost:run-stale')")

    nb.edit(LAST, CELLS[LAST].replace("+ 1", "+ 2"))
    nb.run_cell(PLAIN)
    nb.menu("Kernel", "Restart Kernel and Resume Tasks…")
    nb.confirm()
    for cell, state in ((LOAD, "restored"), (LONG, "restored"), (LAST, "success")):
        expect(nb.badge(cell)).to_contain_text(state, timeout=20_000)
    nb.run_cell(RUNS)
    assert nb.text(RUNS) == "3 1 2"
    assert not nb.errors


def test_pause_resume_cancel(nb: NotebookPage, lab: LabServer) -> None:
    opened(nb, lab, "steering", go=False)
    for command in ("pause", "resume", "cancel"):
        assert not enabled(nb, f"milepost:{command}")
    nb.run_all(wait=False)
    expect(nb.badge(LONG)).to_contain_text("running", timeout=20_000)
    choose(nb, "Pause Tasks")
    nb.page.wait_for_function("window.jupyterapp.commands.isEnabled('milepost:resume')")
    (lab.root / "steering" / "go").touch()
    expect(nb.badge(LAST)).to_contain_text("paused")
    nb.select(LAST)
    nb.page.keyboard.press("t")
    nb.page.keyboard.press("r")
    expect(nb.badge(LAST)).to_contain_text("success")
    nb.idle()
    (lab.root / "steering" / "go").unlink()
    nb.edit(LONG, CELLS[LONG] + " + 0")
    nb.run_cell(LONG, wait=False)
    expect(nb.badge(LONG)).to_contain_text("running")
    nb.menu("Run", "Cancel Tasks")
    expect(nb.badge(LONG)).to_contain_text("cancelled")
    assert not nb.errors


def test_nothing_is_offered_where_there_are_no_tasks(nb: NotebookPage, lab: LabServer) -> None:
    notebook(lab.root / "plain.ipynb", ["1 + 1"])
    nb.open("plain.ipynb")
    expect(nb.panel.locator(".jp-Toolbar [data-command='notebook:restart-run-all']")).to_be_visible()
    expect(nb.panel.locator(".jp-Toolbar [data-command='milepost:run-stale']")).to_be_hidden()
    for command in ("run-stale", "restart-and-resume", "pause"):
        assert not enabled(nb, f"milepost:{command}")
    nb.edit(0, "%%task one\nx = 1")
    expect(nb.panel.locator(".jp-Toolbar [data-command='milepost:run-stale']")).to_be_visible()


def test_badges_can_be_switched_off(nb: NotebookPage, lab: LabServer) -> None:
    opened(nb, lab, "settings")
    expect(nb.badge(LOAD)).to_be_visible()
    settings = lab.home / "config" / "lab" / "user-settings" / "milepost" / "plugin.jupyterlab-settings"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps({"showBadges": False}))
    try:
        nb.reload()
        nb.run_cell(SETUP)
        expect(nb.badge(LOAD)).to_have_count(0)
        assert enabled(nb, "milepost:run-stale")
    finally:
        settings.unlink()
