"""The graph in a real page: moved, zoomed, searched, walked with the keyboard, and readable for everybody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook
from .test_face import SETUP

pytestmark = pytest.mark.browser

CELLS = [SETUP, "session.widget.show()", "#md after"]


@pytest.fixture
def out(nb: NotebookPage, lab: LabServer, request: pytest.FixtureRequest) -> Locator:
    """The output with the widget over fake tasks."""
    name = re.sub(r"\W", "_", request.node.name)
    notebook(lab.root / f"graph-{name}.ipynb", CELLS)
    nb.open(f"graph-{name}.ipynb").run_cell(0)
    shown = nb.run_cell(1)
    expect(shown.locator(".milepost-node").first).to_be_visible()
    return shown


def node(out: Locator, name: str) -> Locator:
    """One task's box."""
    return out.locator(".milepost-node").filter(has=out.page.locator(f"text='{name}'")).first


def place(out: Locator, name: str = "load") -> dict[str, float]:
    """Where a task's box is on the screen."""
    found: Any = node(out, name).locator(".milepost-frame").bounding_box()
    return dict(found)


def settled(out: Locator) -> None:
    """Wait until nothing moves."""
    out.page.wait_for_function("() => document.getAnimations().every(a => a.playState !== 'running')")


def test_pan_zoom_and_fit(nb: NotebookPage, out: Locator) -> None:
    before, window = place(out), out.locator(".milepost-graph")
    out.get_by_role("button", name="Zoom in").click()
    assert place(out)["width"] == pytest.approx(before["width"] * 1.25, rel=0.01)
    out.get_by_role("button", name="Zoom out").click()
    assert place(out)["width"] == pytest.approx(before["width"], rel=0.01)

    box: Any = window.bounding_box()
    x, y = box["x"] + 5, box["y"] + box["height"] - 5
    nb.page.mouse.move(x, y)
    nb.page.mouse.down()
    nb.page.mouse.move(x + 30, y - 40, steps=4)
    nb.page.mouse.up()
    assert place(out)["x"] == pytest.approx(before["x"] + 30, abs=1)
    assert place(out)["y"] == pytest.approx(before["y"] - 40, abs=1)

    start = place(out)
    nb.page.mouse.move(start["x"] + 5, start["y"] + 5)
    nb.page.mouse.down()
    nb.page.mouse.move(start["x"] + 25, start["y"] + 5, steps=4)
    nb.page.mouse.up()
    expect(out.locator(".milepost-details")).to_be_hidden()  # a drag that began on a task chooses nothing

    out.get_by_role("button", name="Fit").click()
    settled(out)
    box = window.bounding_box()
    for each in out.locator(".milepost-frame").all():
        shown: Any = each.bounding_box()
        assert shown["x"] >= box["x"]
        assert shown["y"] >= box["y"]
        assert shown["x"] + shown["width"] <= box["x"] + box["width"] + 1
        assert shown["y"] + shown["height"] <= box["y"] + box["height"] + 1


def test_the_wheel_scrolls_the_page_until_the_graph_has_the_focus(nb: NotebookPage, out: Locator) -> None:
    window = out.locator(".milepost-graph")
    window.scroll_into_view_if_needed()
    window.hover()
    before = float(window.get_attribute("data-scale") or 0)
    nb.page.keyboard.down("Control")
    nb.page.mouse.wheel(0, -100)
    nb.page.keyboard.up("Control")
    nb.page.wait_for_function("([w, s]) => Number(w.dataset.scale) > s", arg=[window.element_handle(), before])
    scale = window.get_attribute("data-scale")
    nb.page.mouse.wheel(0, -40)
    nb.page.mouse.wheel(0, 40)
    assert window.get_attribute("data-scale") == scale
    out.get_by_role("button", name="Fit").click()
    scale = window.get_attribute("data-scale")
    node(out, "load").click()
    window.hover()
    nb.page.mouse.wheel(0, -60)
    nb.page.wait_for_function("([w, s]) => w.dataset.scale > s", arg=[window.element_handle(), scale])


def test_a_view_goes_on_from_the_one_before(nb: NotebookPage, out: Locator) -> None:
    out.get_by_role("button", name="Zoom in").click()
    out.get_by_role("searchbox").fill("plot")
    scale = out.locator(".milepost-graph").get_attribute("data-scale")
    old = out.locator(".milepost").element_handle()
    nb.edit(0, "session.widget.refresh()")
    nb.run_cell(0)
    nb.page.wait_for_function("old => !old.isConnected", arg=old)
    expect(out.locator(".milepost-match")).to_have_count(1)
    expect(out.locator(".milepost-graph")).to_have_attribute("data-scale", str(scale))


def test_search(nb: NotebookPage, out: Locator) -> None:
    field = out.get_by_role("searchbox")
    field.click()
    nb.page.keyboard.type("dd")  # in JupyterLab's command mode this deletes a cell
    expect(nb.cells).to_have_count(3)
    expect(out.locator(".milepost-found")).to_have_text("none")
    nb.page.keyboard.press("Escape")
    expect(field).to_have_value("")
    nb.page.keyboard.type("la")
    expect(out.locator(".milepost-match")).to_have_count(1)
    expect(node(out, "later")).to_have_class(re.compile("milepost-match"))
    field.fill("pending")
    expect(out.locator(".milepost-match")).to_have_count(3)
    nb.page.keyboard.press("Enter")
    expect(out.locator(".milepost-found")).to_have_text("1 of 3")
    expect(node(out, "evaluate")).to_have_class(re.compile("milepost-current"))
    settled(out)
    expect(node(out, "evaluate").locator(".milepost-frame")).to_be_in_viewport()
    nb.page.keyboard.press("Enter")
    expect(out.locator(".milepost-found")).to_have_text("2 of 3")
    nb.page.keyboard.press("Shift+Enter")
    expect(out.locator(".milepost-found")).to_have_text("1 of 3")
    nb.page.keyboard.press("Escape")
    expect(out.locator(".milepost-match")).to_have_count(0)
    assert "milepost-searching" not in (out.locator(".milepost-graph svg").get_attribute("class") or "")


def focused(nb: NotebookPage) -> str:
    """What a screen reader would say of what has the focus."""
    return str(nb.page.evaluate("() => document.activeElement.getAttribute('aria-label') ?? ''"))


def test_the_keyboard_alone(nb: NotebookPage, out: Locator) -> None:
    out.locator(".milepost-pause").focus()
    seen = [focused(nb)]
    for _ in range(7):
        nb.page.keyboard.press("Tab")
        seen.append(focused(nb))
    order = ["Pause", "Cancel", "Find a task", "Zoom out", "Zoom in", "Fit", "load: restored"]
    assert [word for word in order if any(said.startswith(word) for said in seen)] == order
    assert sorted(order, key=lambda word: next(i for i, said in enumerate(seen) if said.startswith(word))) == order
    while not focused(nb).startswith("load"):
        nb.page.keyboard.press("Shift+Tab")
    nb.page.keyboard.press("ArrowDown")
    assert focused(nb).split(":")[0] in {"clean", "charge", "evaluate"}
    nb.page.keyboard.press("ArrowUp")
    assert focused(nb).startswith("load: restored")
    nb.page.keyboard.press("Enter")
    expect(out.locator(".milepost-details")).to_contain_text("nothing it reads has changed")
    expect(node(out, "load")).to_have_attribute("aria-pressed", "true")
    nb.page.keyboard.press("Escape")
    expect(out.locator(".milepost-details")).to_be_hidden()
    assert focused(nb).startswith("load: restored")
    assert nb.page.evaluate("() => !document.querySelector('.jp-Notebook').classList.contains('jp-mod-editMode')")
    nb.page.keyboard.press("End")
    assert not focused(nb).startswith("load")
    assert not nb.errors


_CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = colour => {
    const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    const node = element.closest('.milepost-node');
    if (node) { return rgba(getComputedStyle(node.querySelector('.milepost-frame')).fill); }
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] > 250) { return colour; }
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll('.milepost *')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (!own || !box.width || element.matches('button:disabled, title')) { continue; }
    const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) { bad.push(`${element.className.baseVal ?? element.className}: ${element.textContent} ${ratio}`); }
  }
  return bad;
}"""
"""Words of the widget whose contrast with what is behind them is less than WCAG's AA asks for."""


def test_every_state_has_a_word_a_symbol_and_contrast(nb: NotebookPage, out: Locator, tmp_path: Path) -> None:
    node(out, "plot").click()
    for theme in ("light", "dark"):
        nb.theme(theme)
        expect(out.locator(".milepost")).to_have_attribute("data-theme", theme)
        assert nb.page.evaluate(_CONTRAST) == []
        nb.screenshot(tmp_path / f"graph-{theme}.png")
    said = {}
    for each in out.locator(".milepost-node").all():
        word = each.locator(".milepost-state").inner_html().split(" · ")[0]
        said[word] = each.locator(".milepost-symbol").inner_html()
        assert word in (each.get_attribute("aria-label") or "")
    assert len(set(said.values())) == len(said) >= 12, said


def test_reduced_motion(nb: NotebookPage, out: Locator) -> None:
    nb.page.emulate_media(reduced_motion="reduce")
    nb.page.evaluate("() => { window.moved = 0; addEventListener('transitionrun', () => { window.moved += 1; }) }")
    out.get_by_role("button", name="Fit").click()
    assert nb.page.evaluate("() => document.querySelector('.milepost-scene').getAnimations().length") == 0
    assert nb.page.evaluate("() => window.moved") == 0


def middle(out: Locator, source: str, target: str) -> tuple[float, float]:
    """A place on the arrow between two tasks."""
    found: list[float] = out.page.evaluate(_MIDDLE, [source, target])
    return found[0], found[1]


_MIDDLE = """([source, target]) => {
  const box = name => [...document.querySelectorAll('.milepost-node')]
    .find(n => n.querySelector('.milepost-name').textContent === name).getBoundingClientRect();
  const near = (p, b) => p.x >= b.left - 6 && p.x <= b.right + 6 && p.y >= b.top - 6 && p.y <= b.bottom + 6;
  for (const path of document.querySelectorAll('.milepost-edge-wide')) {
    const matrix = path.getScreenCTM(), length = path.getTotalLength();
    const at = share => path.getPointAtLength(length * share).matrixTransform(matrix);
    if (near(at(0), box(source)) && near(at(1), box(target))) { return [at(0.5).x, at(0.5).y]; }
  }
}"""


def test_what_a_node_and_an_edge_say(nb: NotebookPage, out: Locator) -> None:
    expect(node(out, "load")).to_contain_text("restored · saved 38 min")
    expect(node(out, "load")).to_contain_text("1.2 GB")
    expect(node(out, "load")).to_contain_text("nothing it reads has changed")
    expect(node(out, "train")).to_contain_text(re.compile(r"running · 1 min \d+ s · 40 %"))
    bar: Any = node(out, "train").locator(".milepost-bar").bounding_box()
    assert bar["width"] / place(out, "train")["width"] == pytest.approx(0.4, abs=0.05)
    expect(node(out, "broken")).to_contain_text("ValueError: no rows")
    expect(out.locator(".milepost-totals")).to_contain_text(
        re.compile(r"1 restored, saved 38 min; 1 done; 1 running; .* 6 left, more than 2 min")
    )
    tip = out.locator(".milepost-tooltip")
    for source, target, words in (
        ("clean", "train", "clean → train: rows (38 MB in all)"),
        ("fetch", "broken", "fetch → broken: nothing: only the order (5.0 kB in all)"),
    ):
        nb.page.mouse.move(*middle(out, source, target))
        expect(tip).to_have_text(words)
    box: Any = out.locator(".milepost-graph").bounding_box()
    nb.page.mouse.move(box["x"] + 3, box["y"] + box["height"] - 3)
    expect(tip).to_be_hidden()


def test_a_page_that_missed_news_asks_for_all(nb: NotebookPage, out: Locator) -> None:
    expect(node(out, "train")).to_contain_text("running")
    lost = "session.widget._deltas.take(session.tasks[:1], session.run())"
    nb.edit(0, f"{lost}\nsession.tasks[2] = session.tasks[1]; session.tasks.pop(5)\nsession.widget.wake()")
    nb.run_cell(0)
    session = "session.widget.update(session.tasks, session.run())\nprint(session.actions)"
    nb.edit(0, f"{lost}\n{session}")
    nb.run_cell(0)
    expect(node(out, "tune")).to_have_count(0)
    nb.edit(0, "print(session.actions)")
    nb.run_cell(0)
    assert "'state'" in nb.text(0)
