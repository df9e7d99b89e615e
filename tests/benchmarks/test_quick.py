"""The benchmark works; how fast anything is, is for `make bench` to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("engine.py")


@pytest.mark.slow
def test_the_benchmark_runs() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for title in ("Microseconds a task", "Peak bytes a task", "A snapshot of 300 tasks", "Processes", "Bars"):
        assert title in done.stdout
