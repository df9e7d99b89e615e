"""Pages without the extension, without a control channel, and no pages at all: all of it is said plainly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import BrowserContext, expect

from .lab import LabServer, NotebookPage, notebook, opened, running_lab
from .test_main_job import wait_for
from .test_midrun import node

pytestmark = pytest.mark.browser

SHOW, LOAD, WAIT, LAST = range(1, 5)
CELLS = [
    "%load_ext milepost",
    "%tasks",
    "%%task load\nraw = [1, 2]",
    "%%task long --in raw\nimport os, time\nopen('begun', 'w').close()\n"
    "while not os.path.exists('go'): time.sleep(0.01)",
    "%%task last --in raw\nlast = 1",
]
ORDINARY = (
    "from milepost.widget.model import TaskWidget\n"
    "TaskWidget._esm = TaskWidget._esm.replace('widget_manager', 'no_manager')  # as in VS Code and Colab\n"
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A JupyterLab in which the extension is disabled."""
    home = tmp_path_factory.mktemp("bare")
    chosen = home / "home" / "config" / "labconfig" / "page_config.json"
    chosen.parent.mkdir(parents=True)
    chosen.write_text(json.dumps({"disabledExtensions": {"milepost": True}}))
    with running_lab(home / "notebooks", home / "home") as server:
        yield server


@pytest.fixture
def plain(browser: BrowserContext, bare: LabServer) -> Iterator[NotebookPage]:
    """A page without the extension."""
    with opened(browser, bare) as page:
        yield page


def write(lab: LabServer, name: str, setup: str = "") -> Path:
    folder = lab.root / name
    folder.mkdir()
    notebook(folder / "run.ipynb", [setup + CELLS[0], *CELLS[1:]])
    return folder


def text_of_page(folder: Path) -> str:
    """The notebook as nbconvert writes it."""
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--stdout", str(folder / "run.ipynb")]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_widget_alone(plain: NotebookPage, bare: LabServer) -> None:
    folder = write(bare, "alone")
    plain.open("alone/run.ipynb")
    plain.run_all(wait=False)
    wait_for(folder / "begun")
    expect(node(plain, "long")).to_have_attribute("data-state", "running")
    expect(plain.badge(LOAD)).to_have_count(0)
    plain.outputs(SHOW).locator(".milepost-pause").click()
    expect(plain.outputs(SHOW).locator(".milepost-pause")).to_have_text("Pausing…")
    plain.outputs(SHOW).locator(".milepost-resume").click()
    (folder / "go").touch()
    expect(plain.outputs(SHOW).locator("table")).to_contain_text("last")  # a finished run is its picture
    (saved,) = plain.save()["cells"][SHOW]["outputs"]
    assert "application/vnd.jupyter.widget-view+json" not in saved["data"]
    assert "success" in "".join(saved["data"]["text/html"])
    ElementTree.fromstring("".join(saved["data"]["image/svg+xml"]))
    page = text_of_page(folder)
    assert "success" in page
    assert "last" in page
    plain.command("kernelmenu:shutdown")
    plain.page.route("**/api/sessions*", lambda route: None if route.request.method == "POST" else route.continue_())
    plain.page.goto(bare.url("alone/run.ipynb"))
    expect(plain.outputs(SHOW).locator("table")).to_contain_text("last", timeout=20_000)
    expect(plain.outputs(SHOW)).not_to_contain_text("odel not found")
    assert not plain.errors


def test_ordinary_comms_only(plain: NotebookPage, bare: LabServer) -> None:
    folder = write(bare, "ordinary", ORDINARY)
    plain.open("ordinary/run.ipynb")
    for cell in (0, LOAD, SHOW):
        plain.run_cell(cell)
    out, said = plain.outputs(SHOW), plain.outputs(SHOW).locator(".milepost-news")
    node(plain, "load").click()
    expect(out.locator(".milepost-section[data-part='Outputs']")).to_contain_text("raw", use_inner_text=False)
    out.get_by_role("button", name="Run again", exact=True).click()
    expect(said).to_have_text("this page cannot run cells: run them, or %tasks run NAME")
    plain.run_cell(WAIT, wait=False)
    wait_for(folder / "begun")
    expect(node(plain, "long")).to_have_attribute("data-state", "running")
    out.locator(".milepost-pause").click()
    expect(said).to_contain_text("only once the running cell has ended")
    (folder / "go").touch()
    plain.idle()
    plain.run_cell(LAST)
    assert "Run `%tasks resume`" in plain.text(LAST)
    plain.edit(SHOW, "%tasks resume")
    plain.run_cell(SHOW)
    plain.run_cell(LAST)
    assert not plain.errors


def test_a_plain_console(tmp_path: Path) -> None:
    script = tmp_path / "session.ipy"
    script.write_text(
        "%load_ext milepost\nget_ipython().run_cell('%%task load\\nraw = [1, 2]')\n%tasks\n%tasks status\n"
    )
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", str(script)]
    env = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.stdout.count("load") >= 2, done.stdout + done.stderr
    assert "success" in done.stdout
    assert "<" not in done.stdout
