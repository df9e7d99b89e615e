"""Processes that save beside one that cleans up: a small soak; `tests/benchmarks/soak.py` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.torture

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "soak.py"
SAVES = os.environ.get("MILEPOST_SOAK", "600")


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_left_over(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(SCRIPT),
        "--saves",
        SAVES,
        "--grace",
        "0.1",
        "--kill-after",
        "1.5",
        "--folder",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"wrong": []' in done.stdout
