"""Where the boxes and arrows of a task graph go, in pixels. The only input is structure: names and edges."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from graphviz.backend import dot_command, execute  # type: ignore[import-untyped]

from milepost.widget import layered
from milepost.widget.groups import MOST_NODES, Group, group
from milepost.widget.shorten import shorten

NODE_HEIGHT = 76.0
MARGIN = 12.0
LABEL_LENGTH = 28
ROW_OF_LOOSE = 6
"""So many boxes without arrows stand beside the others; more get rows of their own."""
DOT_TIMEOUT = 10.0
DOT_LIMIT = 3000
"""Above so many boxes and arrows `dot` takes seconds: our own layout is used."""


@dataclass(frozen=True, slots=True)
class NodeBox:
    """One task's box: its whole name, the label that fits, its upper left corner and size.

    A box that stands for several tasks has their names as `members`, and a name that no task has.
    """

    name: str
    label: str
    x: float
    y: float
    w: float
    h: float
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EdgePath:
    """One arrow: from, to, and its SVG path data."""

    source: str
    target: str
    path: str


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawn structure: size in pixels, boxes, arrows, and which engine placed them."""

    width: float
    height: float
    nodes: tuple[NodeBox, ...] = ()
    edges: tuple[EdgePath, ...] = ()
    engine: str = ""

    def to_json(self) -> dict[str, Any]:
        """The layout as plain JSON data (the widget's `graph` trait)."""
        return asdict(self)


Points = list[tuple[float, float]]
Placement = tuple[list[tuple[float, float]], list[Points]]
"""Centres of the nodes, and cubic Bézier control points of the edges, both in the order given, y downwards."""
Sizes = Sequence[tuple[float, float]]
Pairs = Sequence[tuple[int, int]]
Engine = Callable[[Sizes, Pairs], Placement]


def layout(names: Iterable[str], edges: Iterable[tuple[str, str]], engine: str | None = None) -> Layout:
    """Place `names` so that `edges` (from, to) point downwards.

    `engine` is `dot` (the system's), `graphviz-pure` (the wheel's), `layered` (ours) or None for the best there is.
    Names count once; edges to unknown names and from a task to itself are left out. Never fails for a `dot` that does.
    """
    unique = list(dict.fromkeys(names))
    if len(unique) > MOST_NODES:
        return _of_groups(*group(unique, edges), engine)
    index = {name: i for i, name in enumerate(unique)}
    pairs = list(dict.fromkeys((index[a], index[b]) for a, b in edges if a in index and b in index and a != b))
    labels = [shorten(name, LABEL_LENGTH) for name in unique]
    sizes = [(_width(label), NODE_HEIGHT) for label in labels]
    chosen, (centres, curves) = _with_loose_ones(sizes, pairs, engine)
    return _assemble(unique, labels, sizes, pairs, centres, curves, chosen)


def _with_loose_ones(sizes: Sizes, pairs: Pairs, engine: str | None) -> tuple[str, Placement]:
    """Boxes without arrows go into rows below the others: side by side they would make a drawing of one endless row."""
    tied = {place for pair in pairs for place in pair}
    loose = [place for place in range(len(sizes)) if place not in tied]
    if len(loose) <= ROW_OF_LOOSE:
        return _place(sizes, pairs, engine)
    kept = [place for place in range(len(sizes)) if place in tied]
    number = {place: n for n, place in enumerate(kept)}
    chosen, (found, curves) = _place([sizes[p] for p in kept], [(number[a], number[b]) for a, b in pairs], engine)
    centres = dict(zip(kept, found, strict=True)) | _rows(loose, sizes, found)
    return chosen, ([centres[place] for place in range(len(sizes))], curves)


def _rows(loose: list[int], sizes: Sizes, above: Points) -> dict[int, tuple[float, float]]:
    """The centres of boxes in rows, under what is above."""
    width = max(sizes[place][0] for place in loose) + layered.GAP_X
    left, right = min((x for x, _ in above), default=0.0), max((x for x, _ in above), default=0.0)
    columns = max(ROW_OF_LOOSE, round((right - left) / width) + 1, round((len(loose) / 2) ** 0.5))
    top = max((y for _, y in above), default=-NODE_HEIGHT) + NODE_HEIGHT + layered.GAP_Y
    step = NODE_HEIGHT + layered.GAP_X
    return {place: (left + n % columns * width, top + n // columns * step) for n, place in enumerate(loose)}


def _of_groups(groups: list[Group], edges: list[tuple[str, str]], engine: str | None) -> Layout:
    """The layout of groups; one of a single task is that task."""
    called = {g.name: g.members[0] if len(g.members) == 1 else g.name for g in groups}
    placed = layout((called[g.name] for g in groups), [(called[a], called[b]) for a, b in edges], engine)
    by_name = {called[g.name]: g for g in groups}
    nodes = tuple(
        replace(node, label=shorten(g.label, LABEL_LENGTH), members=g.members) if len(g.members) > 1 else node
        for node in placed.nodes
        for g in (by_name[node.name],)
    )
    return replace(placed, nodes=nodes)


def _width(label: str) -> float:
    return max(208.0, 8.6 * sum(2 if ord(c) > 0x2E80 else 1 for c in label) + 48)


def _place(sizes: Sizes, pairs: Pairs, engine: str | None) -> tuple[str, Placement]:
    names = [engine] if engine else _preferred(len(sizes) + len(pairs))
    for name in names:
        try:
            return name, ENGINES[name](sizes, pairs)
        except (OSError, execute.ExecutableNotFound, subprocess.SubprocessError, ValueError):
            if engine:
                raise
    return "layered", layered.place(sizes, pairs)


def _preferred(size: int) -> list[str]:
    return ["layered"] if size == 0 or size > DOT_LIMIT else ["dot", "graphviz-pure", "layered"]


def _assemble(
    names: list[str], labels: list[str], sizes: Sizes, pairs: Pairs, centres: Points, curves: list[Points], engine: str
) -> Layout:
    corners = [(x - w / 2, y - h / 2) for (x, y), (w, h) in zip(centres, sizes, strict=True)]
    reach = [*corners, *(point for curve in curves for point in curve)]
    left, top = min((p[0] for p in reach), default=0.0), min((p[1] for p in reach), default=0.0)
    dx, dy = MARGIN - left, MARGIN - top
    nodes = tuple(
        NodeBox(name, label, round(x + dx, 1), round(y + dy, 1), round(w, 1), round(h, 1))
        for name, label, (x, y), (w, h) in zip(names, labels, corners, sizes, strict=True)
    )
    arrows = tuple(
        EdgePath(names[a], names[b], _path(curve, dx, dy)) for (a, b), curve in zip(pairs, curves, strict=True)
    )
    right = max([n.x + n.w for n in nodes] + [x + dx for curve in curves for x, _ in curve], default=0.0)
    bottom = max([n.y + n.h for n in nodes] + [y + dy for curve in curves for _, y in curve], default=0.0)
    return Layout(round(right + MARGIN, 1), round(bottom + MARGIN, 1), nodes, arrows, engine)


def _path(curve: Points, dx: float, dy: float) -> str:
    points = [f"{x + dx:.1f} {y + dy:.1f}" for x, y in curve]
    return f"M{points[0]}C{' '.join(points[1:])}"


def _system_dot() -> str | None:
    return shutil.which("dot")


def _wheel_dot() -> str | None:
    beside = Path(sysconfig.get_path("scripts")) / "graphviz-pure"
    return str(beside) if beside.exists() else shutil.which("graphviz-pure")


def _dot_engine(find: Callable[[], str | None]) -> Engine:
    def place(sizes: Sizes, pairs: Pairs) -> Placement:
        executable = find()
        if executable is None:
            raise FileNotFoundError("no such Graphviz here")
        _, *options = dot_command.command("dot", "plain")
        done = execute.run_check(
            [executable, *options],
            input=_source(sizes, pairs),
            capture_output=True,
            encoding="utf-8",
            timeout=DOT_TIMEOUT,
            quiet=True,
        )
        return _parse_plain(done.stdout, len(sizes), pairs)

    return place


def _source(sizes: Sizes, pairs: Pairs) -> str:
    """DOT source. Nodes are numbers, so that no name ever needs quoting."""
    nodes = [f"{i}[width={w / 72:.4f},height={h / 72:.4f}]" for i, (w, h) in enumerate(sizes)]
    arrows = [f"{a}->{b}" for a, b in pairs]
    head = 'digraph{graph[nodesep=0.3,ranksep=0.45];node[shape=box,fixedsize=true,label=""];edge[dir=none]'
    return "\n".join([head, *nodes, *arrows, "}"])


def _parse_plain(text: str, count: int, pairs: Pairs) -> Placement:
    """Read `dot -Tplain`: inches, y upwards, lines may be continued by a backslash."""
    centres: dict[int, tuple[float, float]] = {}
    curves: dict[tuple[int, int], Points] = {}
    for line in text.replace("\\\n", "").splitlines():
        words = line.split()
        if words[:1] == ["node"]:
            centres[int(words[1])] = (float(words[2]) * 72, -float(words[3]) * 72)
        elif words[:1] == ["edge"]:
            numbers = [float(w) * 72 for w in words[4 : 4 + 2 * int(words[3])]]
            curves[int(words[1]), int(words[2])] = [(x, -y) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
    if len(centres) != count or any(pair not in curves for pair in pairs):
        raise ValueError("dot left something out")
    return [centres[i] for i in range(count)], [curves[pair] for pair in pairs]


ENGINES: dict[str, Engine] = {
    "dot": _dot_engine(_system_dot),
    "graphviz-pure": _dot_engine(_wheel_dot),
    "layered": layered.place,
}
