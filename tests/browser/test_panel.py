"""The panel and the status bar: the graph of the current notebook, linked with its cells both ways."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook
from .test_face import CELLS as FAKE
from .test_main_job import counting

pytestmark = pytest.mark.browser

FILLER = "#md " + "\n\n".join(f"paragraph {i}" for i in range(60))
FIRST = ["%load_ext milepost", "%%task load\nraw = [1]", FILLER, "%%task total\nresult = sum(raw)", "2 + 2"]
SECOND = ["%load_ext milepost", f"%%task other\n{counting('other')}\nx = 1\nraise ValueError('no')"]


def panel(nb: NotebookPage) -> Locator:
    return nb.page.locator("#milepost-panel")


def node(nb: NotebookPage, task: str) -> Locator:
    return panel(nb).locator(".milepost-node").filter(has_text=task).first


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_graph_and_the_cells_are_linked(nb: NotebookPage, lab: LabServer, app: str) -> None:
    notebook(lab.root / f"linked-{app}.ipynb", FIRST)
    nb.open(f"linked-{app}.ipynb", app)
    nb.run_all()
    nb.command("milepost:show-panel")
    expect(node(nb, "load")).to_contain_text("success")
    expect(panel(nb).locator(".milepost-panel-totals")).to_have_text("2 done")
    nb.select(1)
    expect(node(nb, "load")).to_have_attribute("aria-pressed", "true")
    expect(node(nb, "total")).to_have_attribute("aria-pressed", "false")
    expect(nb.cells.nth(3)).not_to_be_in_viewport()
    node(nb, "total").click()
    expect(nb.cells.nth(3)).to_be_in_viewport()
    assert nb.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 3
    expect(node(nb, "total")).to_have_attribute("aria-pressed", "true")
    nb.page.evaluate(
        "window.jupyterapp.shell.currentWidget.content.activeCellIndex = 4"
    )  # a click would meet the scroll
    expect(node(nb, "total")).to_have_attribute("aria-pressed", "false")
    assert not nb.errors


def test_it_follows_the_current_notebook(nb: NotebookPage, lab: LabServer) -> None:
    notebook(lab.root / "first.ipynb", FIRST)
    notebook(lab.root / "second.ipynb", SECOND)
    nb.open("first.ipynb")
    nb.run_all()
    nb.command("milepost:show-panel")
    status = nb.page.locator(".milepost-status")
    expect(status).to_have_text("2 done")
    nb.command("docmanager:open", path="second.ipynb")
    nb.ready()
    expect(status).to_have_text("1 not run")
    expect(panel(nb).locator(".milepost-node")).to_have_count(0)
    nb.run_all()
    expect(status).to_have_text("1 failed")
    expect(node(nb, "other")).to_contain_text("failure")
    nb.command("docmanager:open", path="first.ipynb")
    nb.ready()
    expect(status).to_have_text("2 done")
    expect(node(nb, "total")).to_contain_text("success")
    nb.save()
    nb.command("application:close")
    nb.ready()
    expect(status).to_have_text("1 failed")
    assert not nb.errors


def test_reload(nb: NotebookPage, lab: LabServer) -> None:
    notebook(lab.root / "again.ipynb", FIRST)
    nb.open("again.ipynb")
    nb.run_all()
    nb.save()
    nb.reload()
    nb.command("milepost:show-panel")
    expect(node(nb, "total")).to_contain_text("success")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_looks(nb: NotebookPage, lab: LabServer, theme: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    notebook(lab.root / f"panel-{theme}.ipynb", FAKE)
    nb.page.set_viewport_size({"width": 1500, "height": 950})
    nb.open(f"panel-{theme}.ipynb")
    nb.theme(theme)
    nb.run_cell(0)
    nb.command("milepost:show-panel")
    expect(panel(nb).locator(".milepost-explorer")).to_have_attribute("data-theme", theme)
    expect(node(nb, "load")).to_contain_text("restored")
    nb.select(1)
    nb.screenshot(tmp_path_factory.getbasetemp() / f"panel-{theme}.png")
    assert not nb.page.evaluate("window.hacked")
