"""Two kernels on one notebook, and a kernel beside the command line: each sees what others saved, and loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.keys import signing_key
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow

ARRAY = "%%task {0}\nimport numpy as np\nprint('computing')\n{0} = np.full(20_000, {1})"
CLEAN = "get_ipython()._milepost_extension.session.store.space.clean(grace=-1.0).problems"


@pytest.fixture
def two(start: Start, tmp_path: Path) -> tuple[Kernel, Kernel]:
    """Two kernels of one notebook with one key."""
    key = {"MILEPOST_KEY_FILE": signing_key(tmp_path / "key")}
    return start(**key), start(**key)


def milepost(folder: Path, *arguments: str) -> str:
    """What the command line says, with the kernels' key."""
    known = {**os.environ, "MILEPOST_KEY_FILE": signing_key(folder / "key")}
    command = [sys.executable, "-m", "milepost.cli", arguments[0], "nb.milepost", *arguments[1:]]
    return subprocess.run(command, cwd=folder, env=known, capture_output=True, text=True, check=True, timeout=60).stdout


def listed(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(milepost(folder, "ls", "--json"))}


def computed(kernel: Kernel, name: str, number: int) -> bool:
    """Whether the task ran (else it was restored); what it gives is right in both cases."""
    reply = kernel.run_ok(ARRAY.format(name, number))
    assert kernel.value(f"({name}.shape, float({name}.sum()))") == [[20_000], 20_000.0 * number]
    return "computing" in reply.stdout and not reply.stamps


def test_each_gives_back_what_the_other_has_saved(two: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    one, other = two
    assert computed(one, "a", 1)
    assert computed(other, "b", 2)
    assert not computed(one, "b", 2)
    assert not computed(other, "a", 1)
    assert computed(one, "a", 3)
    assert not computed(other, "a", 3)
    assert not computed(other, "a", 1)
    assert {name: row["versions"] for name, row in listed(tmp_path).items()} == {"a": 2, "b": 1}
    assert "no problem" in milepost(tmp_path, "verify")


def test_a_clean_up_between_saves_loses_nothing(two: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    one, other = two
    for number in range(4):
        assert computed(one, f"a{number}", number)
        assert one.value(CLEAN) == []
        assert computed(other, f"b{number}", number)
        milepost(tmp_path, "gc")
    assert other.value(CLEAN) == []
    for number in range(4):
        assert not computed(other, f"a{number}", number)
        assert not computed(one, f"b{number}", number)
    assert len(listed(tmp_path)) == 8
    assert "no problem" in milepost(tmp_path, "verify")


def test_what_the_command_line_forgets_is_computed_again(two: tuple[Kernel, Kernel], tmp_path: Path) -> None:
    one, other = two
    assert computed(one, "a", 1)
    milepost(tmp_path, "forget", "a")
    milepost(tmp_path, "gc")
    assert computed(other, "a", 1)
    one.kill()
    assert list(listed(tmp_path)) == ["a"]
    assert "no problem" in milepost(tmp_path, "verify")
    # The other goes on, and what one had saved last is there.
    assert not computed(other, "a", 1)
