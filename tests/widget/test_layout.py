"""Layouts: every engine gives boxes that do not overlap and arrows that point down."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest

from milepost.widget.layout import ENGINES, _wheel_dot, layout

NAMES = ["load", "clean", "train", "plot", "report"]
EDGES = [("load", "clean"), ("clean", "train"), ("clean", "plot"), ("train", "report"), ("load", "report")]


@pytest.fixture(autouse=True)
def a_dot_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's `dot`; where it has none, the wheel's under that name."""
    program = _wheel_dot()
    assert program, "the tests need graphviz-pure"
    if shutil.which("dot") is None:
        (tmp_path / "dot").symlink_to(program)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine(engine: str) -> None:
    placed = layout(NAMES, EDGES, engine)
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
    placed = layout(names, [("node", "<b>"), ("<b>", "node"), ("node", "node"), ("node", "nowhere")], engine)
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


@pytest.mark.parametrize("program", ["exit 1", "echo graph 1 1 1"])
def test_a_bad_dot_on_the_path_falls_back(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "dot").write_text(f"#!/bin/sh\ncat >/dev/null\n{program}\n")
    (bad / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(bad), prepend=os.pathsep)
    assert layout(NAMES, EDGES).engine == "graphviz-pure"
    assert capfd.readouterr() == ("", "")
