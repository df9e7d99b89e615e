"""The harness itself: what the other browser tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lab import LabServer, NotebookPage, notebook

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_gestures(nb: NotebookPage, lab: LabServer, app: str) -> None:
    name = f"harness-{app}.ipynb"
    notebook(lab.root / name, ["x = 1\nprint('x is', x)", "#md # Words", "print('x' in globals())"])
    nb.open(name, app)
    nb.run_all()
    assert "x is 1" in nb.text(0)
    assert nb.text(2) == "True"
    nb.restart()
    nb.run_cell(2)
    assert nb.text(2) == "False"
    nb.edit(2, "print('edited')")
    nb.insert_below(2, "print('new')")
    nb.run_cell(2)
    nb.run_cell(3)
    assert nb.text(2) == "edited"
    assert nb.text(3) == "new"
    assert nb.save()["cells"][3]["source"] == "print('new')"
    nb.reload()
    assert nb.text(3) == "new"
    assert app == "notebook" or not nb.errors  # Notebook 7 has two of its own


def test_theme(nb: NotebookPage, lab: LabServer, tmp_path: Path) -> None:
    notebook(lab.root / "theme.ipynb", ["1"])
    nb.open("theme.ipynb")
    nb.theme("dark")
    assert nb.screenshot(tmp_path / "dark.png").stat().st_size > 10_000
    nb.theme("light")
