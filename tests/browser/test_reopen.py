"""What is saved, before any kernel runs and after one is gone; one click that gives it back."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook
from .test_main_job import counting, runs
from .test_panel import node

pytestmark = pytest.mark.browser

SETUP, PLAIN, LOAD, TOTAL, NEVER, SHOW, AFTER = range(7)
CELLS = [
    "%load_ext milepost",
    "import math",
    f"%%task load\nimport time; time.sleep(0.3)\n{counting('load')}\nraw = [math.sqrt(4), 1]",
    f"%%task total\n{counting('total')}\nresult = sum(raw)",
    f"%%task never --save never\n{counting('never')}\nx = 1",
    "print('the result is', result)",
    f"{counting('after')}",
]


def computed(nb: NotebookPage, lab: LabServer, name: str) -> Path:
    """A folder with a notebook that was computed, saved and closed, kernel and all."""
    folder = lab.root / name
    folder.mkdir()
    notebook(folder / "work.ipynb", CELLS)
    nb.open(f"{name}/work.ipynb")
    nb.run_all()
    nb.save()
    expect(nb.badge(TOTAL)).to_contain_text("success")
    nb.command("kernelmenu:shutdown")
    expect(nb.badge(TOTAL)).to_contain_text("saved")
    return folder


def offer(nb: NotebookPage) -> Locator:
    return nb.panel.locator(".milepost-offer")


def pid_of_kernel(nb: NotebookPage) -> int:
    nb.insert_below(AFTER, "import os; print(os.getpid())")
    nb.run_cell(AFTER + 1)
    return int(nb.text(AFTER + 1))


def test_what_is_saved_is_shown_before_a_kernel_runs(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "shown")
    kernels = len(lab.get("api/kernels"))
    nb.page.route("**/api/sessions*", lambda route: None if route.request.method == "POST" else route.continue_())
    nb.page.goto(lab.url("shown/work.ipynb"))
    expect(nb.badge(LOAD)).to_contain_text("saved", timeout=20_000)
    expect(nb.badge(NEVER)).to_have_attribute("title", "never: not run in this kernel")
    expect(nb.page.locator(".milepost-status")).to_have_text("2 saved; 1 not run")
    expect(offer(nb)).to_contain_text("Restore 2 tasks (saves")
    nb.command("milepost:show-panel")
    expect(node(nb, "total")).to_contain_text("saved")
    nb.edit(TOTAL, CELLS[TOTAL] + " + 1")
    expect(nb.badge(TOTAL)).to_contain_text("stale")
    expect(offer(nb)).to_contain_text("Restore 1 task (saves")
    assert len(lab.get("api/kernels")) == kernels
    assert runs(folder) == {"load": 1, "total": 1, "never": 1, "after": 1}


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_reopen_and_restore(nb: NotebookPage, lab: LabServer, app: str) -> None:
    folder = computed(nb, lab, f"reopen-{app}")
    nb.open(f"reopen-{app}/work.ipynb", app)
    expect(nb.badge(LOAD)).to_contain_text("saved")
    expect(offer(nb)).to_contain_text("is saved")
    offer(nb).locator(".milepost-restore").click()
    for cell in (LOAD, TOTAL):
        expect(nb.badge(cell)).to_contain_text("restored", timeout=20_000)
    expect(offer(nb)).to_be_hidden()
    nb.idle()
    assert runs(folder) == {"load": 1, "total": 1, "never": 1, "after": 1}
    nb.run_cell(SHOW)
    assert nb.text(SHOW) == "the result is 3.0"
    assert not nb.errors


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_looks(nb: NotebookPage, lab: LabServer, theme: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    computed(nb, lab, f"offer-{theme}")
    nb.page.set_viewport_size({"width": 1500, "height": 900})
    nb.open(f"offer-{theme}/work.ipynb")
    nb.theme(theme)
    nb.command("milepost:show-panel")
    expect(offer(nb)).to_be_visible()
    nb.edit(TOTAL, CELLS[TOTAL] + " + 1")
    nb.badge(LOAD).click()
    nb.screenshot(tmp_path_factory.getbasetemp() / f"offer-{theme}.png")


def test_restarted_and_dismissed(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "restarted")
    nb.open("restarted/work.ipynb")
    nb.run_all()
    expect(offer(nb)).to_be_hidden()
    nb.restart()
    expect(offer(nb)).to_contain_text("The kernel was restarted")
    expect(nb.badge(LOAD)).to_contain_text("saved")
    offer(nb).locator(".milepost-dismiss").click()
    expect(offer(nb)).to_be_hidden()
    nb.run_cell(SETUP)
    expect(offer(nb)).to_be_hidden()
    nb.restart()
    nb.run_cell(SETUP)
    expect(offer(nb)).to_contain_text("Restore 2 tasks")
    offer(nb).locator(".milepost-restore").click()
    for cell in (LOAD, TOTAL):
        expect(nb.badge(cell)).to_contain_text("restored")
    assert runs(folder)["load"] == 1
    assert not nb.errors


def test_died(nb: NotebookPage, lab: LabServer) -> None:
    folder = computed(nb, lab, "died")
    nb.open("died/work.ipynb")
    nb.run_all()
    pid = pid_of_kernel(nb)
    nb.page.evaluate(_WHEN_SAID)
    start = time.time()
    os.kill(pid, signal.SIGKILL)
    expect(offer(nb)).to_contain_text("The kernel died", timeout=10_000)
    took = nb.page.evaluate("window.milepostSaid") / 1000 - start
    print(f"\nthe death of the kernel was said after {took:.2f} s")  # the aim: within one
    nb.page.locator(".jp-Dialog button.jp-mod-accept").click()
    nb.idle()
    offer(nb).locator(".milepost-restore").click()
    for cell in (LOAD, TOTAL):
        expect(nb.badge(cell)).to_contain_text("restored", timeout=20_000)
    assert runs(folder)["load"] == 1


_WHEN_SAID = """() => {
  const look = () => {
    const said = /kernel (died|was restarted)/.test(document.querySelector('.milepost-offer')?.textContent);
    if (said) { window.milepostSaid = Date.now(); } else { setTimeout(look, 5); }
  };
  look();
}"""


@contextmanager
def settings(lab: LabServer, **values: object) -> Iterator[None]:
    path = lab.home / "config" / "lab" / "user-settings" / "milepost" / "plugin.jupyterlab-settings"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))
    try:
        yield
    finally:
        path.unlink()


def test_nothing_runs_by_itself_unless_the_setting_says_so(nb: NotebookPage, lab: LabServer) -> None:
    computed(nb, lab, "auto")
    nb.open("auto/work.ipynb")
    expect(offer(nb)).to_be_visible()
    nb.command("kernelmenu:shutdown")
    with settings(lab, restoreOnOpen=True):
        nb.open("auto/work.ipynb")
        for cell in (LOAD, TOTAL):
            expect(nb.badge(cell)).to_contain_text("restored", timeout=20_000)
        nb.idle()
        assert nb.cells.nth(AFTER).locator(".jp-InputArea-prompt").inner_text() != "[*]:"
        nb.edit(TOTAL, CELLS[TOTAL] + " + 1")
        nb.save()
        nb.reload()
        expect(nb.badge(LOAD)).to_contain_text("restored", timeout=20_000)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"tasks": [1, {"name": 5}, {"name": "load", "seconds": "x"}], "graph": {"nodes": 7}}']
)
def test_a_summary_that_is_none(nb: NotebookPage, lab: LabServer, text: str) -> None:
    folder = lab.root / f"broken{len(text)}"
    (folder / "work.milepost").mkdir(parents=True)
    (folder / "work.milepost" / "summary.json").write_text(text)
    notebook(folder / "work.ipynb", CELLS)
    nb.open(f"{folder.name}/work.ipynb")
    expect(nb.badge(TOTAL)).to_have_attribute("title", re.compile("not run in this kernel"))
    nb.run_all()
    expect(nb.badge(TOTAL)).to_contain_text("success")
    assert not nb.errors


LOOP = """%%task train
import os, time
for item in track(range(60), every=0):
    print("item", item, flush=True)
    while item == 5 and not os.path.exists("go"): time.sleep(0.01)"""


def test_what_ended_within_a_loop_and_a_pause_are_shown_before_a_kernel_runs(nb: NotebookPage, lab: LabServer) -> None:
    folder = lab.root / "within"
    folder.mkdir()
    notebook(
        folder / "work.ipynb", ["%load_ext milepost\nfrom milepost import track", LOOP, "import os; print(os.getpid())"]
    )
    nb.open("within/work.ipynb")
    nb.run_cell(0)
    nb.run_cell(2)
    pid = int(nb.text(2))
    nb.run_cell(1, wait=False)
    expect(nb.outputs(1)).to_contain_text("item 5")
    nb.command("milepost:pause")
    (folder / "go").touch()
    expect(nb.badge(1)).to_contain_text("paused")
    summary = folder / "work.milepost" / "summary.json"
    while not summary.exists() or '"paused"' not in summary.read_text():
        nb.page.wait_for_timeout(20)
    os.kill(pid, signal.SIGKILL)
    expect(offer(nb)).to_contain_text("The kernel died", timeout=10_000)
    expect(offer(nb)).to_contain_text("Ended in the middle, and goes on when run: train (6/60). The run is paused.")
    expect(nb.badge(1)).to_contain_text("paused")
    nb.page.locator(".jp-Dialog button.jp-mod-accept").click()
    nb.command("kernelmenu:shutdown")

    nb.page.route("**/api/sessions*", lambda route: None if route.request.method == "POST" else route.continue_())
    nb.page.goto(lab.url("within/work.ipynb"))
    expect(nb.badge(1)).to_contain_text("paused", timeout=20_000)
    expect(nb.badge(1)).to_have_attribute("title", re.compile("goes on after item 6 of 60"))
    expect(offer(nb)).to_have_text(
        re.compile("^Ended in the middle, and goes on when run: train \\(6/60\\). The run is paused.")
    )
