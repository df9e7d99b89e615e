"""What shows a run goes away in the middle of it: the page, the server, the kernel; or the notebook is renamed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from playwright.sync_api import BrowserContext, Locator, expect

from .lab import LabServer, NotebookPage, isolated, notebook, opened, running_lab
from .test_main_job import counting, runs, wait_for
from .test_moves import rename

pytestmark = pytest.mark.browser

LOAD, TALK, LONG, LAST = range(2, 6)
CELLS = [
    "%load_ext milepost",
    "%tasks",
    f"%%task load\n{counting('load')}\nraw = [1]",
    "%%task talk --bg\nimport os, time as t\nprint('first words', flush=True)\n"
    "while not os.path.exists('go.milepost'): t.sleep(0.01)\nprint('last words')",
    "%%task long --in raw\nimport os, time\nopen('begun.milepost', 'w').close()\n"
    f"while not os.path.exists('go.milepost'): time.sleep(0.01)\n{counting('long')}\ntotal = sum(raw)",
    f"%%task last\nanswer = total + 1\n{counting('last')}",
]


def node(nb: NotebookPage, task: str) -> Locator:
    return nb.outputs(1).locator(f".milepost-node[aria-label^='{task}: ']")


def write(lab: LabServer, name: str, cells: Sequence[str] = CELLS) -> Path:
    folder = lab.root / name
    folder.mkdir()
    notebook(folder / "run.ipynb", cells)
    return folder


def begun(nb: NotebookPage, folder: Path) -> None:
    """In the middle of it, and saved."""
    nb.run_all(wait=False)
    wait_for(folder / "begun.milepost")
    expect(node(nb, "long")).to_have_attribute("data-state", "running")
    nb.save()


_WHEN = """states => new Promise((done, fail) => {
  setTimeout(() => { fail(new Error('the states never came')); }, 30000);
  let start = null;
  const look = () => {
    start ??= document.querySelector('.jp-NotebookPanel .jp-Cell') && performance.now();
    const boxes = [...document.querySelectorAll('.jp-OutputArea .milepost-node')];
    const named = boxes.map(box => [box.getAttribute('aria-label').split(':')[0], box.dataset.state]);
    const found = Object.fromEntries(named);
    const right = Object.entries(states).every(([task, state]) => found[task] === state);
    if (start !== null && right) { done((performance.now() - start) / 1000); } else { setTimeout(look, 10); }
  };
  look();
})"""


def comes_back(nb: NotebookPage, **states: str) -> None:
    """Load the page anew: soon after the notebook is shown (the aim: 2 s), its graph has these states."""
    nb.page.evaluate("window.before = true")
    nb.page.reload(wait_until="commit")
    nb.page.wait_for_function("!window.before")  # a new path in the address counts as a navigation, too
    took = float(nb.page.evaluate(_WHEN, states))
    print(f"\nafter {took:.2f} s the states were there")


def goes_on(nb: NotebookPage, folder: Path) -> None:
    """The run that was not disturbed ends well, and the page sees it."""
    node(nb, "talk").click()
    log = nb.outputs(1).locator(".milepost-log")
    expect(log).to_have_text("first words\n", use_inner_text=True)
    (folder / "go.milepost").touch()
    expect(log).to_have_text("first words\nlast words\n", use_inner_text=True)
    expect(node(nb, "long")).to_have_attribute("data-state", "success")
    expect(nb.badge(LONG)).to_contain_text("success")
    nb.ready()
    nb.edit(LAST, CELLS[LAST])
    nb.run_cell(LAST)  # restored, where the run that was begun has come to it already
    expect(node(nb, "last")).to_have_attribute("data-state", re.compile("success|restored"))
    assert runs(folder) == {"load": 1, "long": 1, "last": 1}
    assert not nb.errors


def saved_only(nb: NotebookPage, folder: Path) -> None:
    """The kernel is gone and the run with it: what was saved before is there, and is given back."""
    expect(nb.badge(LOAD)).to_contain_text("saved")
    expect(nb.badge(LONG)).to_contain_text("task")
    (folder / "go.milepost").touch()
    nb.ready()
    nb.run_all()
    expect(nb.badge(LOAD)).to_contain_text("restored")
    expect(node(nb, "last")).to_have_attribute("data-state", "success")
    assert runs(folder) == {"load": 1, "long": 1, "last": 1}
    assert not nb.errors


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_page_is_reloaded(nb: NotebookPage, lab: LabServer, app: str) -> None:
    folder = write(lab, f"reload-{app}")
    nb.open(f"{folder.name}/run.ipynb", app)
    begun(nb, folder)
    comes_back(nb, load="success", talk="running", long="running")
    goes_on(nb, folder)


def test_the_notebook_is_renamed(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "renamed-while")
    nb.open("renamed-while/run.ipynb")
    begun(nb, folder)
    rename(nb, "new.ipynb")
    nb.page.wait_for_function("location.href.includes('new.ipynb')")
    comes_back(nb, load="success", talk="running", long="running")
    goes_on(nb, folder)
    wait_for(folder / "new.milepost" / "summary.json")
    assert not (folder / "run.milepost").exists()
    nb.save()
    nb.restart()
    nb.run_all()
    assert runs(folder) == {"load": 1, "long": 1, "last": 1}


def test_the_kernel_is_restarted(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "kernel-while")
    nb.open("kernel-while/run.ipynb")
    begun(nb, folder)
    nb.menu("Kernel", "Restart Kernel…")
    nb.confirm()
    expect(nb.outputs(1).locator(".milepost-news")).to_contain_text("The kernel is gone")
    expect(node(nb, "load")).to_have_attribute("data-state", "saved")
    saved_only(nb, folder)


def test_the_server_is_restarted_and_its_kernel_dies(browser: BrowserContext, tmp_path: Path) -> None:
    root, home = tmp_path / "notebooks", tmp_path / "home"
    with running_lab(root, home) as first, opened(browser, first) as nb:
        folder = write(first, "dies")
        nb.open("dies/run.ipynb")
        begun(nb, folder)
        wait_for(folder / "run.milepost" / "summary.json")
        first.process.kill()  # its kernels see that it is gone
        first.process.wait()
        with running_lab(root, home, again=first):
            comes_back(nb, load="saved")
            nb.errors.clear()  # of the page while there was no server
            saved_only(nb, folder)


def test_the_server_is_restarted_and_the_kernel_goes_on(browser: BrowserContext, tmp_path: Path) -> None:
    """A kernel that no server owns: each finds it by its connection file. It has to be free then, as Jupyter asks it
    for its version before it lets a page connect; so what runs is in the background.
    """
    root, home, kernels = tmp_path / "notebooks", tmp_path / "home", tmp_path / "kernels"
    options = ("--ServerApp.allow_external_kernels=True", f"--ServerApp.external_connection_dir={kernels}")
    kernels.mkdir()
    with running_lab(root, home, options=options) as first, opened(browser, first) as nb:
        cells = [cell.replace("%%task long", "%%task long --bg") for cell in CELLS[:LAST]]
        folder = write(first, "lives", [*cells, ""])
        manager = KernelManager(connection_file=str(kernels / "kernel-own.json"))
        env = {**os.environ, **isolated(home), "JPY_SESSION_NAME": str(folder / "run.ipynb")}
        manager.start_kernel(cwd=str(folder), env=env, stderr=subprocess.DEVNULL)
        try:
            use(first, "lives/run.ipynb")
            nb.open("lives/run.ipynb")
            begun(nb, folder)
            first.process.kill()
            first.process.wait()
            with running_lab(root, home, options=options, again=first) as second:
                use(second, "lives/run.ipynb")
                comes_back(nb, load="success", talk="running", long="running")
                nb.errors.clear()  # of the page while there was no server
                goes_on(nb, folder)
        finally:
            manager.shutdown_kernel(now=True)


def use(server: LabServer, path: str) -> None:
    """Have a notebook use the kernel that the server found, as a person does in "Change Kernel…"."""
    (kernel,) = server.get("api/kernels")
    server.get("api/sessions", {"path": path, "type": "notebook", "name": path, "kernel": {"id": kernel["id"]}})
