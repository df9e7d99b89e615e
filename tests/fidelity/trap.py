"""A row of the table: a small notebook, what happens to it between two kernels, and what has to be the same.

`Trap.sessions` are the kernels that are killed, `Trap.resumed` the one that goes on, and `Trap.plain` the notebook as
it is now, run whole without any store: what the resumed one computes and shows has to be what that one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Write:
    """Between two cells of one kernel, a file is written (or removed, where the text is None)."""

    path: str
    text: str | None


Cell = str | Write


@dataclass(frozen=True, kw_only=True)
class Trap:
    """One row; made by `trap`, whose docstring has the fields."""

    name: str
    cells: tuple[Cell, ...]
    now: tuple[Cell, ...]
    order: tuple[int, ...]
    stops: tuple[int, ...]
    only: tuple[int, ...] | None
    same: tuple[str, ...]
    reruns: Mapping[str, str]
    files: Mapping[str, str]
    files_now: Mapping[str, str | None]
    ignore: tuple[str, ...]
    sabotage: str
    env: Mapping[str, str]
    env_now: Mapping[str, str]
    needs: tuple[str, ...]
    python: tuple[int, int]
    raises: bool
    xfail: str
    marked: str
    numpy2: str
    sessions: tuple[tuple[Cell, ...], ...] = field(init=False)
    resumed: tuple[Cell, ...] = field(init=False)

    def __post_init__(self) -> None:
        first = [self.cells[place] for place in self.order]
        resumed = self.now if self.only is None else [self.now[place] for place in self.only]
        object.__setattr__(self, "sessions", tuple(tuple(first[:stop]) for stop in self.stops))
        object.__setattr__(self, "resumed", tuple(resumed))

    @property
    def plain(self) -> tuple[Cell, ...]:
        """The notebook as it is now, without marks: each `%%task` line is a comment."""
        return unmarked(self.now)


def trap(
    name: str,
    *cells: Cell,
    edit: tuple[str, str] | None = None,
    now: Sequence[Cell] | None = None,
    order: Sequence[int] | None = None,
    stops: Sequence[int] | None = None,
    only: Sequence[int] | None = None,
    same: str | Sequence[str] = (),
    reruns: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    files_now: Mapping[str, str | None] | None = None,
    ignore: Sequence[str] = (),
    sabotage: str = "",
    env: Mapping[str, str] | None = None,
    env_now: Mapping[str, str] | None = None,
    needs: Sequence[str] = (),
    python: tuple[int, int] = (3, 11),
    raises: bool = False,
    xfail: str = "",
    marked: str = "",
    numpy2: str = "",
) -> Trap:
    """A row.

    Parameters
    ----------
    cells
        The notebook as it was first.
    edit, now
        How it is now: a text replaced by another in all cells, or all cells; else as it was.
    order
        Which cells the first kernel runs, in that order; else all.
    stops
        After how many of those each kernel before the last is killed; else one, after all.
    only
        Which cells of `now` the last kernel runs; else all.
    same
        Expressions that have to come to the same, besides all variables of the notebook.
    reruns
        Which tasks have to run again, each with a text that `why` has to hold; all others have to be restored.
    files, files_now
        Files beside the notebook, at first and (where that differs; None is gone) now.
    ignore
        Variables whose values need not be the same.
    sabotage
        Python run in the first kernels before the notebook, outside of its namespace.
    env, env_now
        Environment variables, at first and now.
    needs, python
        Modules, and the oldest Python, without which the row is skipped.
    raises
        Whether a cell raises: else that is a mistake in the row.
    xfail
        Why the row fails for now.
    marked
        Why the row cannot be asked of a notebook without marks.
    numpy2
        Why the row is asked of NumPy 2, and a pandas of those days, only.
    """
    if edit is not None:
        assert any(edit[0] in cell for cell in cells if isinstance(cell, str)), f"{name}: nothing to edit"
        now = [cell.replace(*edit) if isinstance(cell, str) else cell for cell in cells]
    order = tuple(order if order is not None else range(len(cells)))
    return Trap(
        name=name,
        cells=cells,
        now=tuple(now if now is not None else cells),
        order=order,
        stops=tuple(stops or (len(order),)),
        only=None if only is None else tuple(only),
        same=(same,) if isinstance(same, str) else tuple(same),
        reruns=dict(reruns or {}),
        files=dict(files or {}),
        files_now={**(files or {}), **(files_now or {})},
        ignore=tuple(ignore),
        sabotage=sabotage,
        env=dict(env or {}),
        env_now=dict(env_now if env_now is not None else env or {}),
        needs=tuple(needs),
        python=python,
        raises=raises,
        xfail=xfail,
        marked=marked,
        numpy2=numpy2,
    )


def unmarked(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Cells without marks."""
    return tuple(_unmarked(cell) for cell in cells)


def _unmarked(cell: Cell) -> Cell:
    return "#\n" + cell.partition("\n")[2] if isinstance(cell, str) and cell.startswith("%%task") else cell


def as_order(cells: Sequence[Cell]) -> list[Any]:
    """Cells as JSON."""
    return [cell if isinstance(cell, str) else [cell.path, cell.text] for cell in cells]
