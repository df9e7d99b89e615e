"""Layouts: every engine gives boxes that do not overlap and arrows that point down."""

from __future__ import annotations

import itertools

import pytest

from milepost.widget.layout import ENGINES, Layout, layout

NAMES = ["load", "clean", "train", "plot", "report"]
EDGES = [("load", "clean"), ("clean", "train"), ("clean", "plot"), ("train", "report"), ("load", "report")]


def place(engine: str, names: list[str], edges: list[tuple[str, str]]) -> Layout:
    try:
        return layout(names, edges, engine)
    except FileNotFoundError:
        pytest.skip(f"no {engine} here")


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine(engine: str) -> None:
    placed = place(engine, NAMES, EDGES)
    boxes = {node.name: node for node in placed.nodes}
    assert list(boxes) == NAMES
    assert placed.engine == engine
    for a, b in itertools.combinations(placed.nodes, 2):
        assert a.x + a.w <= b.x or b.x + b.w <= a.x or a.y + a.h <= b.y or b.y + b.h <= a.y
    for edge in placed.edges:
        assert boxes[edge.source].y < boxes[edge.target].y
        assert edge.path.startswith("M")
    assert all(n.x >= 0 and n.x + n.w <= placed.width and n.y >= 0 and n.y + n.h <= placed.height for n in placed.nodes)


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_need_quoting_and_cycles(engine: str) -> None:
    names = ['a"]; x', "node", "<b>", "\\N", ""]
    placed = place(engine, names, [("node", "<b>"), ("<b>", "node"), ("node", "node"), ("node", "nowhere")])
    assert [node.name for node in placed.nodes] == names
    assert len(placed.edges) == 2


def test_empty_and_repeated() -> None:
    assert layout([], []).nodes == ()
    assert len(layout(["a", "a"], []).nodes) == 1


def test_a_failing_dot_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setitem(ENGINES, "dot", fail)
    monkeypatch.setitem(ENGINES, "graphviz-pure", fail)
    assert layout(NAMES, EDGES).engine == "layered"
