"""The benchmarks work; how fast anything is, is for `make bench` to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TITLES = {
    "auto.py": ("Milliseconds a cheap cell", "Seconds of a costly cell", "Bars"),
    "engine.py": ("Microseconds a task", "Peak bytes a task", "A snapshot of 300 tasks", "Processes", "Bars"),
    "pausing.py": ("Milliseconds from the end of the item", "Bars"),
    "store.py": ("Saving a frame", "Restoring a frame", "small dicts", "One small result", "A cell with five", "Bars"),
    "track.py": ("Nanoseconds an item of an empty loop", "A training of 20 epochs", "Bars"),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", TITLES)
def test_the_benchmark_runs(script: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name(script)), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for title in TITLES[script]:
        assert title in done.stdout
