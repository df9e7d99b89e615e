"""Badges over a real kernel: stale as one types, not saved, why, and the menu."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import WebSocketRoute, expect

from .lab import LabServer, NotebookPage, notebook
from .test_main_job import counting, runs

pytestmark = pytest.mark.browser

SETUP, LOAD, TOTAL, LOST, NEVER = range(5)
CELLS = [
    "%load_ext milepost",
    f"%%task load\n{counting('load')}\nraw = [1, 2]  # two",
    f"%%task --in raw\n{counting('total')}\ntotal = sum(raw)",
    "%%task lost\nnumbers = (i for i in range(3))",
    "%%task never --save never\nx = 1",
]


def opened(nb: NotebookPage, lab: LabServer, name: str, app: str = "lab") -> Path:
    folder = lab.root / name
    folder.mkdir()
    notebook(folder / "badges.ipynb", CELLS)
    nb.open(f"{name}/badges.ipynb", app)
    nb.run_all()
    return folder


def pick(nb: NotebookPage, cell: int, label: str) -> None:
    nb.badge(cell).click()
    nb.page.locator(".lm-Menu-itemLabel", has_text=label).click()


def test_stale_as_one_types(nb: NotebookPage, lab: LabServer) -> None:
    opened(nb, lab, "typing")
    expect(nb.badge(LOAD)).to_contain_text("success")
    for harmless in ("raw = [1,2]", "\n\nraw  =  [1, 2] # another comment"):
        nb.edit(LOAD, f"%%task load --retries 2\n{counting('load')}\n{harmless}")
        expect(nb.badge(LOAD)).to_contain_text("success")
    for change in ("raw = [1, 3]", "raw = [12]", "raw = [1, 2]; '#'"):
        nb.edit(LOAD, f"%%task load\n{counting('load')}\n{change}")
        expect(nb.badge(LOAD)).to_contain_text("stale")
        expect(nb.page.locator(".milepost-status")).to_contain_text("1 stale")
    assert "was edited since" in (nb.badge(LOAD).get_attribute("title") or "")
    nb.edit(LOAD, CELLS[LOAD])
    expect(nb.badge(LOAD)).to_contain_text("success")
    nb.edit(TOTAL, CELLS[TOTAL].replace("sum", "max"))
    expect(nb.badge(TOTAL)).to_contain_text("stale")
    nb.restart()
    nb.run_cell(SETUP)
    expect(nb.badge(LOAD)).to_contain_text("saved")
    expect(nb.badge(TOTAL)).to_contain_text("stale")
    nb.edit(LOAD, CELLS[LOAD].replace("1", "7"))
    expect(nb.badge(LOAD)).to_contain_text("stale")
    assert not nb.errors


def test_not_saved_says_so_and_why(nb: NotebookPage, lab: LabServer) -> None:
    opened(nb, lab, "unsaved")
    expect(nb.badge(LOST)).to_contain_text("partly saved")
    expect(nb.badge(NEVER)).to_contain_text("not saved")
    assert "generator" in (nb.badge(LOST).get_attribute("title") or "")
    expect(nb.badge(LOAD)).not_to_contain_text("not saved")


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_the_menu(nb: NotebookPage, lab: LabServer, app: str) -> None:
    folder = opened(nb, lab, f"menu-{app}", app)
    pick(nb, LOAD, "Explain Task")
    expect(nb.page.locator(".milepost-explanation")).to_contain_text("no result of it was saved before")
    nb.page.locator(".jp-Dialog button", has_text="Close").click()
    nb.run_cell(LOAD)
    expect(nb.badge(LOAD)).to_contain_text("restored")
    assert runs(folder)["load"] == 1

    pick(nb, LOAD, "Run Task Again")
    expect(nb.badge(LOAD)).to_contain_text("success")
    nb.idle()
    assert runs(folder) == {"load": 2, "total": 1}
    nb.run_cell(LOAD)
    expect(nb.badge(LOAD)).to_contain_text("restored")
    assert runs(folder)["load"] == 2

    pick(nb, LOAD, "Forget Task")
    expect(nb.page.locator(".jp-Dialog")).to_contain_text("Forget load?")
    nb.confirm()
    expect(nb.badge(LOAD)).to_have_attribute("title", "load: not run in this kernel")
    nb.run_cell(LOAD)
    assert runs(folder)["load"] == 3
    assert not nb.errors


def test_the_menu_with_the_keyboard(nb: NotebookPage, lab: LabServer) -> None:
    opened(nb, lab, "keys")
    nb.badge(LOAD).focus()
    nb.page.keyboard.press("Enter")
    expect(nb.page.locator(".lm-Menu")).to_be_visible()
    nb.page.keyboard.press("ArrowDown")
    nb.page.keyboard.press("Enter")
    expect(nb.page.locator(".milepost-explanation")).to_be_visible()


def test_hostile_names_are_text(nb: NotebookPage, lab: LabServer) -> None:
    name = "<img src=x onerror='window.hacked=1'>"
    notebook(lab.root / "hostile.ipynb", ["%load_ext milepost", f'%%task "{name}"\nx = 1'])
    nb.open("hostile.ipynb")
    nb.run_all()
    expect(nb.badge(1)).to_contain_text("success")
    nb.command("milepost:show-panel")
    expect(nb.page.locator("#milepost-panel .milepost-node").first).to_contain_text("<img")
    pick(nb, 1, "Explain Task")
    expect(nb.page.locator(".milepost-explanation")).to_contain_text(name)
    nb.page.locator(".jp-Dialog button", has_text="Close").click()
    pick(nb, 1, "Forget Task")
    expect(nb.page.locator(".jp-Dialog")).to_contain_text(name)
    nb.confirm()
    expect(nb.badge(1)).to_contain_text("task")
    assert not nb.page.evaluate("window.hacked")
    assert not nb.errors


def test_a_page_that_missed_news_asks_for_all(nb: NotebookPage, lab: LabServer) -> None:
    missed: list[bytes] = []
    missing = False

    def between(page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            data = frame if isinstance(frame, bytes) else frame.encode()
            if missing and b'"changed"' in data:
                missed.append(data)
            else:
                page.send(frame)

        server.on_message(pass_on)

    nb.page.route_web_socket(re.compile("/api/kernels/"), between)
    folder = lab.root / "missed"
    folder.mkdir()
    notebook(folder / "badges.ipynb", CELLS)
    nb.open("missed/badges.ipynb")
    nb.run_cell(SETUP)
    missing = True
    nb.run_cell(LOAD)
    while not any(b'"success"' in frame for frame in missed):
        nb.page.wait_for_timeout(20)
    missing = False
    nb.run_cell(NEVER)
    expect(nb.badge(NEVER)).to_contain_text("success")
    expect(nb.badge(LOAD)).to_contain_text("success")
