"""Names for cells that have none: stable over restarts, and a label that people recognise.

A cell is known by its id, where the front end sends one or the notebook's file has the cell; else by its code.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from milepost.analysis.code import digest_text
from milepost.notebook.location import code_cells

PREFIX = "auto:"
"""How the names of such tasks begin."""

WIDTH = 40
"""Characters of a label."""


class Naming:
    """Names the cells of one session."""

    def __init__(self, notebook: Callable[[], Path | None]) -> None:
        self._notebook = notebook
        self._runs: dict[str, int] = {}
        self._tested: tuple[list[tuple[str, str]] | None, bool] = None, True
        """The cells that were tested, and what came of it."""
        self._seen: tuple[tuple[Path, int, int] | None, list[tuple[str, str]]] = None, []

    def cell_id(self, sent: str, source: str) -> str:
        """The cell's id: the one sent, else that of the cell in the file; "" where nothing tells."""
        if sent:
            return sent
        path, text = self._notebook(), source.strip()
        found = [identity for identity, cell in self._cells(path) if cell == text] if path else []
        if not found:
            return ""
        run = self._runs[text] = self._runs.get(text, -1) + 1
        return found[run % len(found)]

    def any_cell(self, test: Callable[[list[str]], bool]) -> bool:
        """What a test of the texts of the notebook's cells comes to; True where the notebook is not known."""
        path = self._notebook()
        if path is None:
            return True
        cells = [source for _, source in self._cells(path)]
        if self._tested[0] is not self._seen[1]:
            self._tested = self._seen[1], not cells or test(cells)
        return self._tested[1]

    def _cells(self, path: Path) -> list[tuple[str, str]]:
        """The cells of the notebook's file, read anew when it was written to."""
        try:
            found = path.stat()
        except OSError:
            return self._seen[1]
        mark = path, found.st_mtime_ns, found.st_size
        if mark != self._seen[0]:
            self._seen = mark, code_cells(path)
        return self._seen[1]


def task_name(cell_id: str, code: str) -> str:
    """The name under which a cell's results are kept."""
    return PREFIX + (cell_id or digest_text(code)[:16])


def label(source: str) -> str:
    """The first line of a cell that says what it does."""
    lines = [line.strip() for line in source.splitlines()]
    said = [line for line in lines if line and not line.startswith(("import ", "from ", "#", "%", "@"))]
    first = next(iter([*said, *filter(None, lines)]), "cell")
    return first if len(first) <= WIDTH else first[: WIDTH - 1] + "…"


def labels(said: Iterable[tuple[str, str]], taken: Iterable[str]) -> dict[str, str]:
    """By name of a task: what it says, with a number where another says the same, or has that name."""
    used, found = set(taken), {}
    for name, text in said:
        shown = next(words for words in _numbered(text) if words not in used)
        used.add(shown)
        found[name] = shown
    return found


def _numbered(text: str) -> Iterator[str]:
    yield text
    yield from (f"{text} #{number}" for number in itertools.count(2))
