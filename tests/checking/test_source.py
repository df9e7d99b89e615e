"""What of a notebook is not checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from milepost.checking.source import read_source
from milepost.model.errors import UsageError

CELLS = [
    "%%task charge --retries 2 --once\npay()",
    "x = 1\n@task(\n    once=True)\ndef f(): ...",
    "@m.task(once = True)\ndef f(): ...",
]


@pytest.mark.parametrize("cell", CELLS)
def test_what_happens_once_is_not_checked(tmp_path: Path, cell: str) -> None:
    with pytest.raises(UsageError, match=r"cell 1 of .* happens once, and a check would run it many times"):
        read_source(written(tmp_path, cell))


def test_the_word_alone_is_nothing(tmp_path: Path) -> None:
    assert read_source(written(tmp_path, "%%task once --after a\nonce = True  # --once")).cells


def written(folder: Path, cell: str) -> Path:
    path = folder / "nb.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": cell}], "metadata": {}}))
    return path
