"""A simple layered layout for where there is no Graphviz: longest-path layers, barycentre order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Point = tuple[float, float]
Pair = tuple[int, int]

GAP_X = 24.0
GAP_Y = 40.0
BEND_WIDTH = 16.0
SWEEPS = 4
BEND_LIMIT = 20_000
"""Above so many bends long edges go straight."""


class _Grid:
    """Nodes plus one bend for each layer that a long edge crosses."""

    def __init__(self, sizes: Sequence[Point], pairs: Sequence[Pair]) -> None:
        self.widths = [w for w, _ in sizes]
        self.height = max((h for _, h in sizes), default=0.0)
        self.layer = layers(len(sizes), pairs)
        bends = sum(abs(self.layer[a] - self.layer[b]) for a, b in pairs)
        self.chains = [[a, b] if bends > BEND_LIMIT else self._chain(a, b) for a, b in pairs]
        self.above: list[list[int]] = [[] for _ in self.widths]
        self.below: list[list[int]] = [[] for _ in self.widths]
        for chain in self.chains:
            for a, b in itertools.pairwise(chain):
                upper, lower = (a, b) if self.layer[a] < self.layer[b] else (b, a)
                self.below[upper].append(lower)
                self.above[lower].append(upper)
        self.rows: list[list[int]] = [[] for _ in range(max(self.layer, default=-1) + 1)]
        for node, row in enumerate(self.layer):
            self.rows[row].append(node)

    def _chain(self, a: int, b: int) -> list[int]:
        step = 1 if self.layer[b] > self.layer[a] else -1
        bends = range(self.layer[a] + step, self.layer[b], step)
        start = len(self.widths)
        self.widths += [BEND_WIDTH] * len(bends)
        self.layer += list(bends)
        return [a, *range(start, start + len(bends)), b]

    def order(self) -> None:
        """Sort the rows by the mean place of their neighbours, down and up a few times."""
        place: dict[int, float] = {}
        for row in self.rows:
            place |= _places(row)
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            for row in self.rows if down else self.rows[::-1]:
                means = {node: _mean([place[n] for n in neighbours[node]], place[node]) for node in row}
                row.sort(key=means.__getitem__)
                place |= _places(row)

    def positions(self) -> list[float]:
        """The x of every node and bend: near its neighbours, in the row's order, without overlap."""
        xs = [0.0] * len(self.widths)
        for row in self.rows:
            self._spread(row, [0.0] * len(row), xs)
        for sweep in range(2 * SWEEPS):
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            for row in self.rows if down else self.rows[::-1]:
                self._spread(row, [_mean([xs[n] for n in neighbours[v]], xs[v]) for v in row], xs)
        return xs

    def _spread(self, row: list[int], wanted: list[float], xs: list[float]) -> None:
        left, right = list(wanted), list(wanted)
        for i in range(1, len(row)):
            left[i] = max(left[i], left[i - 1] + self._apart(row[i - 1], row[i]))
        for i in range(len(row) - 2, -1, -1):
            right[i] = min(right[i], right[i + 1] - self._apart(row[i], row[i + 1]))
        for node, low, high in zip(row, left, right, strict=True):
            xs[node] = (low + high) / 2

    def _apart(self, a: int, b: int) -> float:
        return (self.widths[a] + self.widths[b]) / 2 + GAP_X


def place(sizes: Sequence[Point], pairs: Sequence[Pair]) -> tuple[list[Point], list[list[Point]]]:
    """Centres of the nodes and cubic control points of the edges; a cycle's closing edge points upwards."""
    grid = _Grid(sizes, pairs)
    grid.order()
    xs = grid.positions()
    step = grid.height + GAP_Y
    points = [(x, row * step) for x, row in zip(xs, grid.layer, strict=True)]
    return points[: len(sizes)], [_curve([points[n] for n in chain], grid.height / 2) for chain in grid.chains]


def _curve(stops: list[Point], half: float) -> list[Point]:
    """From below the first stop, straight through the bends, to above the last (or the other way up)."""
    sign = 1 if stops[-1][1] > stops[0][1] else -1
    curve = [(stops[0][0], stops[0][1] + sign * half)]
    for (ax, ay), (bx, by) in itertools.pairwise(stops):
        top, bottom = ay + sign * half, by - sign * half
        middle = (top + bottom) / 2
        curve += _line(curve[-1], (ax, top))
        curve += [(ax, middle), (bx, middle), (bx, bottom)]
    return curve


def _line(a: Point, b: Point) -> list[Point]:
    return [] if a == b else [a, b, b]


def _places(row: list[int]) -> dict[int, float]:
    return {node: i / max(1, len(row) - 1) for i, node in enumerate(row)}


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def layers(count: int, pairs: Sequence[Pair]) -> list[int]:
    """The longest path from a root to each node; nodes of a cycle are cut loose in the order given."""
    targets: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in pairs:
        targets[a].append(b)
        waiting[b] += 1
    layer = [0] * count
    done = [False] * count
    stack = [n for n in reversed(range(count)) if not waiting[n]]
    for rescue in range(count + 1):
        while stack:
            node = stack.pop()
            done[node] = True
            for target in targets[node]:
                if not done[target]:
                    layer[target] = max(layer[target], layer[node] + 1)
                    waiting[target] -= 1
                    if waiting[target] == 0:
                        stack.append(target)
        if rescue < count and not done[rescue]:
            stack.append(rescue)
    return layer
