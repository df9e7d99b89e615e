"""Finding the circles in a directed graph, without recursion."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

Edges = Mapping[str, Sequence[str]]
"""For each node the nodes that its arrows lead to, all of them keys as well."""


def find_cycles(edges: Edges) -> list[list[str]]:
    """One shortest circle for each knot of nodes that all lead to each other; the first node comes again last.

    Takes time in proportion to nodes and arrows. Nodes that only lead into a circle, or out of one, are in none.
    """
    cycles = (_cycle(edges, knot) for knot in _knots(edges))
    return [cycle for cycle in cycles if cycle]


def _knots(edges: Edges) -> list[set[str]]:
    """The strongly connected components (Kosaraju's way)."""
    backwards = _reversed(edges)
    knots: list[set[str]] = []
    seen: set[str] = set()
    for root in reversed(_finish_order(edges)):
        if root not in seen:
            knots.append(_reach(root, backwards, seen))
    return knots


def _reversed(edges: Edges) -> dict[str, list[str]]:
    backwards: dict[str, list[str]] = {node: [] for node in edges}
    for node, following in edges.items():
        for other in following:
            backwards[other].append(node)
    return backwards


def _finish_order(edges: Edges) -> list[str]:
    """Every node after all that a walk from it sees for the first time."""
    order: list[str] = []
    seen: set[str] = set()
    for root in edges:
        if root not in seen:
            _walk(root, edges, seen, order)
    return order


def _walk(root: str, edges: Edges, seen: set[str], order: list[str]) -> None:
    """Depth first; a node goes to the end of `order` once all it leads to has been seen."""
    seen.add(root)
    stack = [(root, iter(edges[root]))]
    while stack:
        following = stack[-1][1]
        step = next((other for other in following if other not in seen), None)
        if step is None:
            order.append(stack.pop()[0])
        else:
            seen.add(step)
            stack.append((step, iter(edges[step])))


def _reach(root: str, edges: Edges, seen: set[str]) -> set[str]:
    reached, waiting = {root}, [root]
    seen.add(root)
    while waiting:
        new = [node for node in dict.fromkeys(edges[waiting.pop()]) if node not in seen]
        seen.update(new)
        reached.update(new)
        waiting.extend(new)
    return reached


def _cycle(edges: Edges, knot: set[str]) -> list[str]:
    """A shortest way from the knot's first node (in the order of its name) back to it; nothing when there is none."""
    start = min(knot)
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting and start not in came_from:
        node = waiting.popleft()
        for other in edges[node]:
            if other in knot and other not in came_from:
                came_from[other] = node
                waiting.append(other)
    return _way_back(start, came_from) if start in came_from else []


def _way_back(start: str, came_from: Mapping[str, str]) -> list[str]:
    path = [start, came_from[start]]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
