"""A notebook whose disk is full: values stay in memory, a warning says so, and what was saved before is good."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.checkpoint.small_disk import fill, small_disk
from tests.notebook.conftest import Start

pytestmark = pytest.mark.slow

FIRST = "%%task first\nprint('computing')\nfirst = 1"
LARGE = "%%task large --save always\nlarge = bytes(range(256)) * 4000 + bytes(100)"


def test_a_full_disk_costs_only_what_cannot_be_saved(start: Start, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        kernel = start(MILEPOST_STORE=str(disk))
        kernel.run_ok(FIRST)
        fill(disk)
        reply = kernel.run_ok(LARGE)
        assert any("not saved" in stamp and "No space left" in stamp for stamp in reply.stamps)
        assert kernel.value("len(large)") == 1_024_100
        row = kernel.status()["large"]
        assert (row["state"], row["saved"]) == ("success", False)
        kernel.kill()
        again = start(MILEPOST_STORE=str(disk))
        assert "restored" in again.run_ok(FIRST).stamps[0]
        (disk / "filler").unlink()
        assert again.run_ok(LARGE).stamps == []
        assert again.status()["large"]["saved"]
