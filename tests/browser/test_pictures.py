"""What people see, as pictures, light and dark: MILEPOST_PICTURES names the folder where they go, to be looked at.

What a program can check is that no text leaves its box.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .lab import LabServer, NotebookPage, notebook
from .test_face import SETUP as EACH_STATE
from .test_main_job import wait_for
from .test_midrun import node

pytestmark = pytest.mark.browser

STUDY = '''"""Models that take a while, and wait for a file."""

import os
import time


def load():
    time.sleep(0.7)
    return [number % 17 / 16 for number in range(200_000)], [number % 10 for number in range(2_000)]


def fit(images, labels, kind, seconds=0.0):
    """Fit a model; some never get anywhere."""
    open(f"{kind}.begun", "w").close()
    time.sleep(seconds)
    while kind == "network" and not os.path.exists("network.go"):
        time.sleep(0.01)
    if os.path.exists(f"{kind}.fails"):
        raise ValueError(f"the {kind} is no better than chance after 60 rounds")
    return {"kind": kind, "accuracy": 0.9 + len(kind) / 100}
'''
TREES, NETWORK, SCORES = 4, 6, 7
CELLS = [
    "%load_ext milepost",
    "%tasks",
    "from study import fit, load",
    "%%task digits\nimages, labels = load()",
    '%%task trees\ntrees = fit(images, labels, "trees", 2.3)',
    '%%task vectors\nvectors = fit(images, labels, "vectors", 1.6)',
    '%%task network\nnetwork = fit(images, labels, "network")',
    '%%task scores\nscores = sorted([trees, vectors, network], key=lambda model: -model["accuracy"])\nscores[0]',
    '%%task picture\npicture = [model["accuracy"] for model in scores]',
]
SHOP = [
    "%load_ext milepost",
    "%tasks",
    'import os, time\nopen("pid", "w").write(str(os.getpid()))',
    '%%task order\norder = {"item": "bicycle", "price": 420}',
    '%%task charge --once\nprint("charging", order["price"])\nwhile True: time.sleep(0.01)',
    "%%task receipt\nreceipt = (order, charge)",
]
MANY = f"""import sys; sys.path.insert(0, {str(Path(__file__).parents[1] / "benchmarks")!r})
from face_tasks import Tasks
tasks = Tasks(200, 20); tasks.change(150); tasks.widget.show()"""

_OUTSIDE = """() => [...document.querySelectorAll('.milepost-node')].flatMap(node => {
  const frame = node.querySelector('.milepost-frame').getBoundingClientRect();
  const texts = [...node.querySelectorAll('text')].filter(text => text.textContent && text.getBBox().width > 0);
  const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
  const out = boxes.filter(([, box]) => box.right > frame.right + 1 || box.left < frame.left - 1);
  const meet = (a, b) => a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 4 && b.bottom > a.top + 4;
  const over = boxes.filter(([, one], i) => boxes.slice(i + 1).some(([, other]) => meet(one, other)));
  return [...out, ...over].map(([text]) => text);
})"""
"""Texts that leave their box, or lie over one another."""


class Album:
    """Takes pictures of one page in one theme."""

    def __init__(self, nb: NotebookPage, theme: str, notebooks: Path, pictures: Path) -> None:
        self.nb, self.theme, self.notebooks, self.pictures = nb, theme, notebooks, pictures

    def widen_panel(self, by: float) -> None:
        """As a person does, so that it shows the graph as a whole."""
        page, handle = self.nb.page, self.nb.page.locator("#jp-main-split-panel > .lm-SplitPanel-handle:visible").last
        box = handle.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - by, y, steps=5)
        page.mouse.up()

    def take(self, name: str) -> None:
        self.nb.page.mouse.move(0, 0)
        self.nb.page.wait_for_function("() => document.getAnimations().every(a => a.playState !== 'running')")
        self.nb.screenshot(self.pictures / f"{name}-{self.theme}.png")
        assert self.nb.page.evaluate(_OUTSIDE) == []


@pytest.fixture(params=["light", "dark"])
def album(nb: NotebookPage, lab: LabServer, request: pytest.FixtureRequest, tmp_path: Path) -> Album:
    """A page with a notebook that has not run yet."""
    folder = lab.root / f"pictures-{len(list(lab.root.iterdir()))}"
    folder.mkdir()
    (folder / "study.py").write_text(STUDY)
    notebook(folder / "digits.ipynb", CELLS)
    notebook(folder / "states.ipynb", [EACH_STATE, "session.widget.show()", MANY])
    nb.page.set_viewport_size({"width": 1440, "height": 900})
    nb.open(f"{folder.name}/digits.ipynb")
    nb.theme(request.param)
    nb.command("application:toggle-left-area")
    return Album(nb, request.param, folder, Path(os.environ.get("MILEPOST_PICTURES") or tmp_path))


def test_pictures(album: Album) -> None:
    nb, folder = album.nb, album.notebooks
    nb.run_cell(0)
    nb.run_cell(1)
    nb.command("milepost:show-panel")
    album.widen_panel(250)
    album.take("empty")

    nb.restart()
    nb.run_all(wait=False)
    wait_for(folder / "network.begun")
    expect(node(nb, "network")).to_have_attribute("data-state", "running")
    expect(node(nb, "vectors")).to_have_attribute("data-state", "success")
    nb.select(0)
    album.take("running")

    (folder / "network.fails").touch()
    (folder / "network.go").touch()
    nb.idle()
    nb.save()
    node(nb, "network").click()
    nb.outputs(1).locator(".milepost-section[data-part='Error']").wait_for()
    nb.select(0)
    album.take("failed")

    for name in ("network.fails", "network.go", "network.begun"):
        (folder / name).unlink()
    node(nb, "network").click()
    nb.restart()
    expect(nb.panel.locator(".milepost-restore")).to_be_visible()
    nb.select(0)
    album.take("offered")
    nb.run_all(wait=False)
    wait_for(folder / "network.begun")
    expect(node(nb, "network")).to_have_attribute("data-state", "running")
    nb.outputs(1).locator(".milepost-fit").click()
    nb.select(0)
    album.take("resumed")
    (folder / "network.go").touch()
    nb.idle()
    nb.save()
    nb.restart()
    nb.run_all()
    expect(node(nb, "network")).to_have_attribute("data-state", "restored")
    nb.select(0)
    album.take("restored")
    assert not nb.errors


def test_pictures_of_what_is_in_doubt(album: Album) -> None:
    nb, folder = album.nb, album.notebooks
    notebook(folder / "shop.ipynb", SHOP)
    nb.open(f"{folder.name}/shop.ipynb")
    for cell in (0, 2, 3):
        nb.run_cell(cell)
    nb.run_cell(4, wait=False)
    expect(nb.outputs(4)).to_contain_text("charging")
    nb.save()
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
    nb.page.locator(".jp-Dialog button.jp-mod-accept").click()
    nb.idle()
    for cell in (0, 1, 2, 3):
        nb.run_cell(cell)
    node(nb, "charge").click()
    nb.outputs(1).get_by_role("button", name="It is done").wait_for()
    nb.select(0)
    album.take("in-doubt")


def test_pictures_of_each_state_and_of_many(album: Album) -> None:
    """Tasks in each state there is; and 200 tasks."""
    nb = album.nb
    nb.open(f"{album.notebooks.name}/states.ipynb")
    nb.command("application:toggle-left-area")
    nb.run_cell(0)
    nb.run_cell(1)
    nb.select(0)
    album.take("states")
    nb.run_cell(2)
    nb.outputs(2).locator(".milepost-fit").click()
    nb.outputs(2).scroll_into_view_if_needed()
    album.take("many")
