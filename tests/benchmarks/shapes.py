"""The graphs that are measured: trivial tasks, three shapes, the same for every rival."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from milepost import Task

WIDTH = 100
"""Tasks in each layer of the layered shape."""


def body() -> int:
    """A trivial task."""
    return 1


def dask_body(*parents: int) -> int:
    """The same for dask, where the parents' data are the edges."""
    return 1


@dataclass(frozen=True, slots=True)
class Shape:
    """Names with the names that each depends on."""

    name: str
    edges: tuple[tuple[str, tuple[str, ...]], ...]

    def tasks(self, run: Callable[..., Any] = body) -> list[Task]:
        """For Milepost."""
        return [Task(name, run, parents) for name, parents in self.edges]

    def dask(self) -> tuple[dict[str, tuple[Any, ...]], list[str]]:
        """For dask, in its documented form: the graph, and the keys to ask for, so that every task runs."""
        graph = {name: (dask_body, *parents) for name, parents in self.edges}
        needed = {parent for _, parents in self.edges for parent in parents}
        return graph, [name for name in graph if name not in needed]


def _independent(size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((f"t{number}", ()) for number in range(size))


def _layered(size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each with two parents in the layer before."""
    for number in range(size):
        layer, place = divmod(number, WIDTH)
        above = (layer - 1) * WIDTH
        yield f"t{number}", (f"t{above + place}", f"t{above + (place + 1) % WIDTH}") if layer else ()


def _chain(size: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((f"t{number}", (f"t{number - 1}",) if number else ()) for number in range(size))


SHAPES = {"independent": _independent, "layered": _layered, "chain": _chain}


def make(name: str, size: int) -> Shape:
    """The shape of that name with so many tasks."""
    return Shape(name, tuple(SHAPES[name](size)))
