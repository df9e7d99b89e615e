"""A notebook that is renamed or moved in Jupyter takes its store along: with a kernel, and without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import LabServer, NotebookPage, notebook
from .test_main_job import counting, runs, wait_for

pytestmark = pytest.mark.browser

CELLS = ["%load_ext milepost", f"%%task load\n{counting('load')}\nraw = [1]", "%%task more\nmore = 1"]
LOAD, MORE = 1, 2


def computed(nb: NotebookPage, lab: LabServer, name: str, app: str = "lab") -> Path:
    folder = lab.root / name
    folder.mkdir()
    notebook(folder / "old.ipynb", CELLS)
    nb.open(f"{name}/old.ipynb", app)
    nb.run_all()
    nb.save()
    expect(nb.badge(MORE)).to_contain_text("success")
    wait_for(folder / "old.milepost" / "summary.json")
    return folder


def rename(nb: NotebookPage, path: str) -> None:
    """As the dialog of "Rename Notebook…" does it."""
    nb.page.evaluate("path => window.jupyterapp.shell.currentWidget.context.rename(path)", path)


def rename_elsewhere(nb: NotebookPage, was: str, now: str) -> None:
    """As the file browser does it."""
    nb.page.evaluate("([a, b]) => window.jupyterapp.serviceManager.contents.rename(a, b)", [was, now])


def restored(nb: NotebookPage, path: str, folder: Path, app: str = "lab") -> None:
    """Opened in a new kernel, nothing is computed again."""
    nb.open(path, app)
    nb.panel.locator(".milepost-restore").click()
    expect(nb.badge(LOAD)).to_contain_text("restored", timeout=20_000)
    assert runs(folder) == {"load": 1}


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_with_its_kernel(nb: NotebookPage, lab: LabServer, app: str) -> None:
    folder = computed(nb, lab, f"live-{app}", app)
    rename(nb, "new.ipynb")
    wait_for(folder / "new.milepost")
    assert not (folder / "old.milepost").exists()
    nb.edit(MORE, "%%task more\nmore = 2")
    nb.run_cell(MORE)
    nb.save()
    nb.restart()
    expect(nb.badge(MORE)).to_contain_text("saved")
    nb.run_all()
    for cell in (LOAD, MORE):
        expect(nb.badge(cell)).to_contain_text("restored")
    assert runs(folder) == {"load": 1}
    assert not (folder / "old.milepost").exists()
    assert not nb.errors


def test_without_a_kernel(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "dead")
    (folder / "sub").mkdir()
    nb.command("kernelmenu:shutdown")
    expect(nb.badge(LOAD)).to_contain_text("saved")
    rename(nb, "new.ipynb")
    wait_for(folder / "new.milepost")
    nb.command("application:close")
    rename_elsewhere(nb, "dead/new.ipynb", "dead/sub/newer.ipynb")
    wait_for(folder / "sub" / "newer.milepost")
    assert sorted(path.name for path in folder.glob("*.milepost") if path.is_dir()) == []
    (folder / "load.ran").rename(folder / "sub" / "load.ran")
    restored(nb, "dead/sub/newer.ipynb", folder / "sub")
    assert not nb.errors


def test_closed_with_its_kernel_running(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "closed")
    nb.command("application:close")
    rename_elsewhere(nb, "closed/old.ipynb", "closed/new.ipynb")
    wait_for(folder / "new.milepost")
    assert not (folder / "old.milepost").exists()
    (kernel,) = [one["kernel"]["id"] for one in lab.get("api/sessions") if "closed" in one["path"]]
    assert kernel


def test_a_kernel_without_milepost(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "without")
    nb.restart()
    rename(nb, "new.ipynb")
    wait_for(folder / "new.milepost")
    assert not (folder / "old.milepost").exists()


@pytest.mark.parametrize("kernel", [True, False])
def test_never_over_another_store(nb: NotebookPage, lab: LabServer, kernel: bool) -> None:
    folder = computed(nb, lab, f"taken-{kernel}")
    (folder / "*new*.milepost").mkdir()
    (folder / "*new*.milepost" / "precious").touch()
    if not kernel:
        nb.command("kernelmenu:shutdown")
    rename(nb, "*new*.ipynb")
    expect(nb.page.locator(".Toastify__toast", has_text="*new*.milepost already")).to_be_visible()
    assert (folder / "old.milepost" / "journal").is_dir()
    assert os.listdir(folder / "*new*.milepost") == ["precious"]


def test_its_folder_is_renamed(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "folder")
    rename_elsewhere(nb, "folder", "renamed")
    nb.page.wait_for_function("window.jupyterapp.shell.currentWidget.context.path === 'renamed/old.ipynb'")
    nb.edit(MORE, "%%task more\nmore = 2")
    nb.run_cell(MORE)
    expect(nb.badge(MORE)).to_contain_text("success")
    assert not folder.exists()
    nb.save()
    nb.command("kernelmenu:shutdown")  # a restart would be in the old folder: Jupyter's own limit
    nb.open("renamed/old.ipynb")
    nb.run_all()
    for cell in (LOAD, MORE):
        expect(nb.badge(cell)).to_contain_text("restored")
