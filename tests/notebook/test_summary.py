"""The file in the store that says to pages what is saved, and what pages ask of the kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .conftest import Start
from .kernel import Kernel

LOAD = "%%task load\nraw = [1]"
TOTAL = "%%task total\nresult = sum(raw)"


def end(kernel: Kernel) -> None:
    """Shut it down as a server does."""
    kernel.manager.shutdown_kernel(now=False)
    kernel.close()


def summary(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "nb.milepost" / "summary.json").read_text())
    return found


def test_it_tells_what_is_saved_once_the_kernel_has_ended(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD, "a")
    kernel.run_ok(TOTAL, "b")
    kernel.run_ok("%%task lost --save never\nx = 1")
    end(kernel)
    found = summary(tmp_path)
    assert [(row["name"], row["state"], row["saved"], row["cell_id"]) for row in found["tasks"]] == [
        ("load", "success", True, "a"),
        ("total", "success", True, "b"),
    ]
    assert [node["name"] for node in found["graph"]["nodes"]] == ["load", "total"]
    assert found["sources"] == {"load": f"{LOAD}\n", "total": f"{TOTAL}\n"}


LOOP = """%%task train
for item in track(range(9), every=0):
    print("item", item, flush=True)
    while item == 5 and not os.path.exists("go.milepost"): time.sleep(0.01)
"""


def test_it_tells_of_a_loop_that_has_not_ended_and_of_a_pause(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    kernel.run_ok("import os, time\nfrom milepost import track\nimport milepost.notebook.midway.budget as budget")
    kernel.run_ok("budget.SHARE = float('inf')")
    kernel.request("ping")
    cell = kernel.send(LOOP)
    kernel.finish(cell, until="item 5\n")
    kernel.request("pause")
    (tmp_path / "go.milepost").touch()
    while not (path := tmp_path / "nb.milepost" / "summary.json").exists() or '"paused"' not in path.read_text():
        kernel.request("state")
    kernel.kill()
    found = summary(tmp_path)
    row = found["tasks"][1]
    assert (row["name"], row["progress"], row["saved"]) == ("train", "6/9", False)
    assert "goes on after item 6 of 9" in row["why"]["text"]
    assert found["paused_since"]
    again = start()
    again.run_ok("%tasks resume")
    end(again)
    found = summary(tmp_path)
    assert ([row["state"] for row in found["tasks"]], found["paused_since"]) == (["success", "pending"], "")


def test_it_follows_what_is_forgotten(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    kernel.run_ok(TOTAL)
    end(kernel)
    again = start()
    again.run_ok("%tasks forget total")
    end(again)
    assert [row["name"] for row in summary(tmp_path)["tasks"]] == ["load"]


def test_who_only_looks_writes_none(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    end(kernel)
    (tmp_path / "nb.milepost" / "summary.json").unlink()
    again = start()
    again.run_ok(LOAD)
    end(again)
    assert not (tmp_path / "nb.milepost" / "summary.json").exists()


def test_it_is_never_believed(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    end(kernel)
    path = tmp_path / "nb.milepost" / "summary.json"
    found = summary(tmp_path)
    found["tasks"][0] |= {"name": "other", "outputs": ["secret"]}
    path.write_text(json.dumps(found))
    again = start()
    assert list(again.status()) == ["load"]
    end(again)
    assert [row["name"] for row in summary(tmp_path)["tasks"]] == ["load"]


def test_a_page_forgets_a_task(start: Start) -> None:
    kernel = start()
    kernel.run_ok(LOAD)
    assert kernel.request("forget", task="load")["status"] == "ok"
    assert kernel.status() == {}
    for wrong in ({"task": "load"}, {"task": 7}, {}):
        assert kernel.request("forget", **wrong)["status"] == "error"
