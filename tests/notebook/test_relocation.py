"""A notebook that is renamed or moved while its kernel lives takes its store along."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .conftest import Start
from .kernel import Kernel

LOAD = "%%task load\nprint('x', end='', file=open('ran.milepost', 'a'))\nraw = list(range(100_000))"
SLOW = "%%task slow\nimport os, time\nopen('started.milepost', 'w').close()\n" + (
    "while not os.path.exists('go.milepost'): time.sleep(0.01)\ny = 2"
)


def stores(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.milepost") if path.is_dir())


def settle(kernel: Kernel) -> None:
    """What was asked for between two cells is done before the next one."""
    kernel.run_ok("1")


def test_renamed(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    assert kernel.request("move", was="nb.ipynb", now="other.ipynb") == {"status": "ok", "message": ""}
    settle(kernel)
    assert stores(tmp_path) == ["other.milepost"]
    kernel.run_ok("%%task more\nx = 1")
    assert kernel.status()["load"]["saved"]
    kernel.kill()
    again = start("other.ipynb")
    for cell in (LOAD, "%%task more\nx = 1"):
        assert "restored" in again.run_ok(cell).stamps[0]
    assert (tmp_path / "ran.milepost").stat().st_size == 1


def test_moved_to_another_folder(start: Start, tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    kernel = start()
    kernel.run_ok(LOAD)
    kernel.request("move", was="a/b/nb.ipynb", now="a/b/deep/er/new.ipynb")
    settle(kernel)
    assert (stores(tmp_path), stores(tmp_path / "deep" / "er")) == ([], ["new.milepost"])
    kernel.request("move", was="a/b/deep/er/new.ipynb", now="a/b/back.ipynb")
    settle(kernel)
    assert (stores(tmp_path), stores(tmp_path / "deep" / "er")) == (["back.milepost"], [])


def test_while_a_cell_runs(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    running = kernel.send(SLOW)
    deadline = time.monotonic() + 20
    while not (tmp_path / "started.milepost").exists():
        assert time.monotonic() < deadline
    assert kernel.request("move", was="nb.ipynb", now="other.ipynb")["message"]
    assert stores(tmp_path) == ["nb.milepost"]
    (tmp_path / "go.milepost").touch()
    kernel.finish(running).ok()
    settle(kernel)
    assert stores(tmp_path) == ["other.milepost"]
    assert kernel.status()["slow"]["saved"]


def test_while_a_job_runs(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(SLOW.replace("slow", "slow --bg"))
    assert kernel.request("move", was="nb.ipynb", now="other.ipynb")["message"]
    settle(kernel)
    assert stores(tmp_path) == ["nb.milepost"]
    (tmp_path / "go.milepost").touch()
    assert kernel.value("y") == 2
    deadline = time.monotonic() + 20
    while stores(tmp_path) != ["other.milepost"]:
        assert time.monotonic() < deadline
        settle(kernel)
    assert kernel.status()["slow"]["saved"]


def test_never_over_another_store(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    (tmp_path / "other.milepost").mkdir()
    (tmp_path / "other.milepost" / "precious").touch()
    assert "already" in kernel.request("move", was="nb.ipynb", now="other.ipynb")["message"]
    settle(kernel)
    assert stores(tmp_path) == ["nb.milepost", "other.milepost"]
    assert os.listdir(tmp_path / "other.milepost") == ["precious"]
    assert kernel.status()["load"]["saved"]


def test_a_folder_that_went_along(start: Start, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    kernel = start("old/nb.ipynb")
    kernel.run_ok(LOAD)
    (tmp_path / "old").rename(tmp_path / "new")
    kernel.request("move", was="old/nb.ipynb", now="new/nb.ipynb")
    settle(kernel)
    kernel.run_ok("%%task more\nx = 1")
    assert (stores(tmp_path), stores(tmp_path / "new")) == ([], ["nb.milepost"])
    assert kernel.status()["load"]["saved"]


@pytest.mark.parametrize("now", [None, 5, "x.txt", "a\0.ipynb", "y" * 5000 + ".ipynb"])
def test_what_is_no_path(start: Start, now: object) -> None:
    assert start().request("move", was="nb.ipynb", now=now)["status"] == "error"
