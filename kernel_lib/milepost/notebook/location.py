"""Where the notebook is, and so where its checkpoints go.

No front end tells a kernel its notebook for certain. In order: what was configured, what the lab extension told,
the name VS Code leaves in the namespace, `JPY_SESSION_NAME` (JupyterLab and Notebook), the one notebook in the
working folder that holds the cells run so far (headless runs: `jupyter execute`, nbconvert, papermill in place), and
at last a store in the working folder that no notebook's name is on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from milepost.checkpoint import layout

FALLBACK_NAME = "notebook.ipynb"


def notebook_path(
    namespace: Mapping[str, Any],
    told: str | None = None,
    sources: Sequence[str] = (),
    folder: Path | None = None,
) -> Path | None:
    """The notebook's absolute path as far as anything tells, or None.

    `told` is what the user configured or the front end said, `sources` are the texts of the cells run so far.
    """
    here = folder or Path.cwd()
    candidates: list[Callable[[], str | None]] = [
        lambda: told,
        lambda: namespace.get("__vsc_ipynb_file__"),
        lambda: os.environ.get("JPY_SESSION_NAME"),
    ]
    for candidate in candidates:
        name = candidate()
        if name and str(name).endswith(".ipynb"):
            return here / Path(name)
    return _holding(here, sources)


def store_path(notebook: Path | None, folder: Path | None = None) -> Path:
    """`<stem>.milepost` beside the notebook, or in the folder that `MILEPOST_STORE` names."""
    return layout.store_path(notebook or (folder or Path.cwd()) / FALLBACK_NAME)


def _holding(folder: Path, sources: Sequence[str]) -> Path | None:
    """The only notebook of a folder in which every given cell stands."""
    wanted = {source.strip() for source in sources if source.strip()}
    if not wanted:
        return None
    found = [path for path in sorted(folder.glob("*.ipynb")) if wanted <= set(cell_sources(path))]
    return found[0] if len(found) == 1 else None


def cell_sources(notebook: Path) -> list[str]:
    """The texts of a notebook file's code cells; none where the file cannot be read."""
    return [source for _, source in cells_with_ids(notebook)]


def cells_with_ids(notebook: Path) -> list[tuple[str, str]]:
    """The id ("" where the file's format has none) and the text of each code cell."""
    try:
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return [(str(cell.get("id") or ""), "".join(cell["source"]).strip()) for cell in code]
    except (OSError, ValueError, KeyError, TypeError):
        return []
