"""The widget and the badges in a real page, over fake tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import LabServer, NotebookPage, notebook

pytestmark = pytest.mark.browser

SETUP = f"""import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from fake_session import Session, TaskState
session = Session(); session.install()"""
CELLS = [
    SETUP,
    "%%task\nraw = 1",
    "%%task clean --in raw\ny = 2",
    "%%task train\nimport time\nfor _ in range(60): time.sleep(0.1)",
    "session.widget.show()",
    "print(session.actions, session.heard)",
    "plain = 1",
]


def open_demo(nb: NotebookPage, lab: LabServer, name: str, app: str = "lab") -> NotebookPage:
    notebook(lab.root / name, CELLS)
    return nb.open(name, app)


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_badges_follow_the_kernel(nb: NotebookPage, lab: LabServer, app: str) -> None:
    open_demo(nb, lab, f"badges-{app}.ipynb", app)
    expect(nb.badge(1)).to_contain_text("task")
    expect(nb.badge(1)).to_have_attribute("title", "not run in this kernel")
    expect(nb.badge(6)).to_have_count(0)
    nb.run_cell(0)
    expect(nb.badge(1)).to_contain_text("restored · saved 38 min · 1.2 GB")
    expect(nb.badge(2)).to_contain_text("success")
    expect(nb.badge(3)).to_contain_text("running · 1 min")
    nb.run_cell(5)
    assert f"badges-{app}.ipynb" in nb.text(5)


def test_badges_follow_edits(nb: NotebookPage, lab: LabServer) -> None:
    open_demo(nb, lab, "edits.ipynb")
    nb.run_cell(0)
    nb.edit(6, "%%task evaluate\nz = 1")
    expect(nb.badge(6)).to_contain_text("pending")
    nb.edit(6, "z = 1")
    expect(nb.badge(6)).to_have_count(0)
    nb.insert_below(0, "%%task plot\n1")
    expect(nb.badge(1)).to_contain_text("stale")
    nb.command("notebook:move-cell-down")
    expect(nb.badge(2)).to_contain_text("stale")


def test_badges_after_reload_and_restart(nb: NotebookPage, lab: LabServer) -> None:
    open_demo(nb, lab, "reload.ipynb")
    nb.run_cell(0)
    nb.save()
    nb.run_cell(3, wait=False)
    nb.page.wait_for_timeout(500)
    nb.page.reload()
    expect(nb.badge(1)).to_contain_text("restored", timeout=20_000)
    nb.ready()
    nb.run_cell(0)
    nb.edit(5, "session.tasks = []; session.tell()")
    nb.run_cell(5)
    expect(nb.badge(1)).to_have_attribute("title", "not run in this kernel")
    nb.run_cell(0)
    expect(nb.badge(1)).to_contain_text("restored")
    nb.restart()
    expect(nb.badge(1)).to_contain_text("saved · 38 min")
    expect(nb.badge(3)).to_have_attribute("title", "train: not run in this kernel")


def test_buttons_while_a_cell_runs(nb: NotebookPage, lab: LabServer) -> None:
    open_demo(nb, lab, "buttons.ipynb")
    nb.run_cell(0)
    out = nb.run_cell(4)
    pause, resume, cancel = (out.locator(f".milepost-{name}") for name in ("pause", "resume", "cancel"))
    expect(pause).to_be_enabled()
    expect(resume).to_be_disabled()
    nb.run_cell(3, wait=False)
    pause.click()
    expect(pause).to_have_text("Paused", timeout=3000)
    expect(resume).to_be_enabled()
    resume.click()
    expect(pause).to_have_text("Pause", timeout=3000)
    cancel.click()
    expect(cancel).to_have_text("Cancelling…", timeout=3000)
    nb.idle()
    nb.run_cell(5)
    assert "'ping', 'pause', 'resume', 'cancel'" in nb.text(5)
    out.locator(".milepost-node").first.click()
    expect(out.locator(".milepost-details")).to_contain_text("nothing it reads has changed")
    nb.restart()
    expect(out.locator(".milepost-news")).to_contain_text("kernel is gone")
    expect(pause).to_be_disabled()
    assert not nb.page.evaluate("window.hacked")


def test_looks(nb: NotebookPage, lab: LabServer, tmp_path: Path) -> None:
    open_demo(nb, lab, "looks.ipynb")
    nb.run_cell(0)
    out = nb.run_cell(4)
    out.locator(".milepost-node").first.click()
    for theme in ("light", "dark"):
        nb.theme(theme)
        expect(out.locator(".milepost")).to_have_attribute("data-theme", theme)
        expect(nb.badge(1)).to_have_attribute("data-theme", theme)
        nb.screenshot(tmp_path / f"{theme}.png")


def test_a_saved_view_and_a_frozen_one(nb: NotebookPage, lab: LabServer) -> None:
    open_demo(nb, lab, "frozen.ipynb")
    nb.run_cell(0)
    nb.run_cell(4)
    live = nb.save()["cells"][4]["outputs"][0]["data"]
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "image/svg+xml", "text/plain"} <= set(live)
    nb.edit(5, "session.widget.freeze()")
    nb.run_cell(5)
    frozen = nb.save()["cells"][4]["outputs"][0]["data"]
    assert set(frozen) == {"text/html", "image/svg+xml", "text/plain"}
    expect(nb.outputs(4).locator("table")).to_contain_text("in doubt")
