"""Groups of large graphs: whole, few, and without cycles."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.groups import MOST_GROUPS, MOST_NODES, group
from milepost.widget.html import to_html
from milepost.widget.layout import layout
from milepost.widget.svg import to_svg

N = 5000
SHAPES = {
    "map": ([f"fetch[{i}]" for i in range(N)] + ["all"], [(f"fetch[{i}]", "all") for i in range(N)]),
    "chain": ([f"t{i}" for i in range(N)], [(f"t{i}", f"t{i + 1}") for i in range(N - 1)]),
    "names": ([f"{'abcdefghij'[i % 10] * (1 + i // 10)}" for i in range(N)], []),
    "layers": ([f"t_{i}" for i in range(N)], [(f"t_{i}", f"t_{i + 50}") for i in range(N - 50)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_groups_are_whole_few_and_without_cycles(shape: str) -> None:
    names, edges = SHAPES[shape]
    groups, arrows = group(names, edges)
    assert sorted(name for each in groups for name in each.members) == sorted(names)
    assert len(groups) <= MOST_GROUPS + 1
    sorter = TopologicalSorter[str]()
    for before, after in arrows:
        sorter.add(after, before)
    sorter.prepare()


def test_a_layout_has_groups_only_above_a_thousand() -> None:
    small = layout([f"t[{i}]" for i in range(MOST_NODES)], [])
    assert len(small.nodes) == MOST_NODES
    large = layout(*SHAPES["map"])
    assert [(node.label, len(node.members)) for node in large.nodes] == [("fetch … (5,000 tasks)", N), ("all", 0)]
    assert len(large.edges) == 1


def test_pictures_of_large_graphs_stay_small() -> None:
    views = [TaskView(name=f"fetch[{i}]", state=TaskState.SUCCESS) for i in range(N)]
    assert "5000 done" in to_svg(views)
    assert len(to_svg(views)) < 20_000
    assert "and 4,800 more" in to_html(views)
    assert len(to_html(views)) < 100_000
