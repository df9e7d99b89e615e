"""Two processes start the same tasks at the same moment: each task runs in one of them, and both have its result.

A hundred tasks here; MILEPOST_TEST_RACES=1000 does as many.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from . import racing

pytestmark = pytest.mark.torture

RACES = int(os.environ.get("MILEPOST_TEST_RACES", "100"))


def test_each_task_runs_in_one_of_them(tmp_path: Path) -> None:
    command = [sys.executable, racing.__file__, str(tmp_path), str(RACES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    one, other = json.loads(done.stdout)
    ran = [line.split() for line in (tmp_path / "ran").read_text().splitlines()]
    assert len(ran) == RACES
    assert [data for data, _ in one] == [data for data, _ in other] == [[key, int(pid)] for key, pid in ran]
    assert all(mine != theirs for (_, mine), (_, theirs) in zip(one, other, strict=True)), "one of both is restored"
    winners = Counter(pid for _, pid in ran)
    assert len(winners) == 2, f"only one of them ever won: {winners}"
