"""A notebook's code cells, as far as running them needs them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milepost.model.errors import UsageError

MAY_FAIL = "raises-exception"
"""The tag by which Jupyter's own tools let a cell fail."""

_PREPARED = re.compile(r"^\s*(%load_ext\s+milepost|%%task\b|(from|import)\s+milepost\b)", re.MULTILINE)
_ONCE = re.compile(r"^\s*(%%task\b.*\s--once\b|@.*\btask\([^)]*\bonce\s*=\s*True)", re.MULTILINE)
_OURS = re.compile(r"^\s*%(load_ext\s+milepost|tasks)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell; `number` counts code cells from 1, `cell_id` is what a front end would send."""

    number: int
    source: str
    cell_id: str
    may_fail: bool = False

    @property
    def ours(self) -> bool:
        """Whether what it shows is Milepost's own talk, which is another after a resume on purpose."""
        return bool(_OURS.search(self.source))


@dataclass(frozen=True, slots=True)
class Source:
    """A notebook: where it is, its cells, the kernel that its metadata name ("" where they name none)."""

    path: Path
    cells: tuple[Cell, ...]
    kernel: str

    @property
    def prepared(self) -> bool:
        """Whether it uses Milepost by itself, and so cannot run without."""
        return any(_PREPARED.search(cell.source) for cell in self.cells)


def read_source(path: Path) -> Source:
    """Read a notebook file.

    Raises
    ------
    UsageError
        Where it is none, has no code, or does what must happen only once: a check runs cells many times.
    """
    data = _load(path)
    cells = [cell for cell in data["cells"] if isinstance(cell, dict) and cell.get("cell_type") == "code"]
    written = [cell for cell in cells if _text(cell).strip()]
    if not written:
        raise UsageError(f"{path} has no code cells: there is nothing to check")
    if once := [number for number, cell in enumerate(written, 1) if _ONCE.search(_text(cell))]:
        words = f"cell {once[0]} of {path} happens once, and a check would run it many times"
        raise UsageError(f"{words}: check a copy of the notebook without it")
    metadata = data.get("metadata")
    spec = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    kernel = str(spec.get("name") or "") if isinstance(spec, dict) else ""
    return Source(path, tuple(_cell(number, cell) for number, cell in enumerate(written, 1)), kernel)


def _load(path: Path) -> dict[str, Any]:
    if path.suffix != ".ipynb" or not path.is_file():
        what = "is no notebook" if path.exists() else "does not exist"
        raise UsageError(f"{path} {what}; name an .ipynb file")
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a notebook: {error}") from None
    if isinstance(data, dict) and "worksheets" in data:
        raise UsageError(f"{path} has the old notebook format {data.get('nbformat')}: open and save it in JupyterLab")
    if not isinstance(data, dict) or not isinstance(data.get("cells"), list):
        raise UsageError(f"{path} is JSON, but no notebook: it has no list of cells")
    return data


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    identity = str(cell.get("id") or f"cell-{number}")
    return Cell(number, _text(cell), identity, isinstance(tags, list) and MAY_FAIL in tags)


def _text(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
