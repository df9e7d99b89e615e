"""The main job in a real page: pause, resume, cancel, restart, resume from what is saved."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from .lab import LabServer, NotebookPage, notebook, seconds_until

pytestmark = pytest.mark.browser

LOAD, LONG, NEXT, SLEEP, PLAIN, STATUS = range(2, 8)
DONE = {"load": 2, "long": 3, "after_long": 4}
"""The tasks that finish, and their cells."""


def counting(name: str) -> str:
    """A line that leaves one more byte in a file whenever it runs, and no name."""
    return f"print('x', end='', file=open('{name}.ran', 'a'))"


def write(lab: LabServer, name: str, until: str) -> Path:
    """A folder with the notebook; its long task ends once the file `until` is there."""
    folder = lab.root / name
    folder.mkdir()
    cells = [
        "%load_ext milepost",
        "%tasks",
        f"%%task load\n{counting('load')}\nraw = list(range(10))\nprint('loaded', len(raw))",
        "%%task long\nimport os, time\n"
        f"while not os.path.exists('{until}'):\n    print('.', end='', flush=True)\n    time.sleep(0.05)\n"
        f"{counting('long')}\ntotal = sum(raw)",
        f"%%task after_long\n{counting('after_long')}\nanswer = total + 1",
        "%%task sleep --in answer\nimport time\nopen('sleeping.milepost', 'w').close()\ntime.sleep(60)\nrested = True",
        "print('the answer is', answer)",
        "%tasks status --json",
    ]
    notebook(folder / "job.ipynb", cells)
    return folder


def wait_for(path: Path, seconds: float = 20) -> None:
    """Wait for a file."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.005)


def runs(folder: Path) -> dict[str, int]:
    """How often each task's body ran, as the files say."""
    return {path.stem: path.stat().st_size for path in folder.glob("*.ran")}


def node(nb: NotebookPage, task: str) -> Locator:
    """A task's box in the widget."""
    return nb.outputs(1).locator(".milepost-node").filter(has_text=task).first


def button(nb: NotebookPage, name: str) -> Locator:
    """A button of the widget."""
    return nb.outputs(1).locator(f"button.milepost-{name}")


def status(nb: NotebookPage) -> dict[str, dict[str, Any]]:
    """What `%tasks status --json` says, by task."""
    nb.run_cell(STATUS)
    return {row["name"]: row for row in json.loads(nb.text(STATUS))}


def test_pause_resume_cancel_restart_restore(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "main", "go.milepost")
    nb.open("main/job.ipynb")
    nb.run_all(wait=False)
    expect(node(nb, "long")).to_contain_text("running", timeout=20_000)
    expect(nb.badge(LONG)).to_contain_text("running")

    paused = seconds_until(nb, "button.milepost-pause", "Pausing", button(nb, "pause"))
    print(f"\nPause was acknowledged after {paused * 1000:.0f} ms")
    assert paused < 0.5
    (folder / "go.milepost").touch()
    expect(node(nb, "after_long")).to_contain_text("paused")
    expect(nb.badge(NEXT)).to_contain_text("paused")
    expect(button(nb, "pause")).to_have_text("Paused")
    assert runs(folder) == {"load": 1, "long": 1}

    button(nb, "resume").click()
    wait_for(folder / "sleeping.milepost")
    assert runs(folder)["after_long"] == 1
    expect(node(nb, "sleep")).to_contain_text("running")

    cancelled = seconds_until(nb, ".milepost-node[data-state='cancelled']", "cancelled", button(nb, "cancel"))
    print(f"Cancel stopped time.sleep(60) after {cancelled * 1000:.0f} ms")
    assert cancelled < 2
    expect(nb.badge(SLEEP)).to_contain_text("cancelled")
    expect(node(nb, "sleep")).to_contain_text("cancelled")
    nb.idle()
    assert status(nb)["sleep"]["state"] == "cancelled"
    assert not status(nb)["sleep"]["saved"]

    nb.restart()
    expect(nb.outputs(1).locator(".milepost-news")).to_contain_text("kernel is gone")
    expect(button(nb, "pause")).to_be_disabled()
    assert not nb.errors
    (folder / "sleeping.milepost").unlink()
    nb.run_all(wait=False)
    wait_for(folder / "sleeping.milepost")
    for task, cell in DONE.items():
        expect(node(nb, task)).to_contain_text("restored")
        expect(nb.badge(cell)).to_contain_text("restored")
    button(nb, "cancel").click()
    expect(nb.badge(SLEEP)).to_contain_text("cancelled")
    nb.idle()
    assert runs(folder) == {"load": 1, "long": 1, "after_long": 1}
    assert "loaded 10" in nb.text(LOAD)
    nb.run_cell(PLAIN)
    assert nb.text(PLAIN) == "the answer is 46"
    assert {name: status(nb)[name]["restored"] for name in DONE} == dict.fromkeys(DONE, True)


def test_saved_file_reload_and_reopen(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "kept", "go.milepost")
    (folder / "go.milepost").touch()
    nb.open("kept/job.ipynb")
    nb.edit(SLEEP, "%%task sleep --in answer\nrested = True")
    nb.run_all()
    expect(nb.badge(SLEEP)).to_contain_text("success")
    nb.page.wait_for_function(_STATIC_IS_NEW)
    expect(button(nb, "pause")).to_be_visible()
    shown = nb.save()["cells"][1]["outputs"]
    assert len(shown) == 1
    for mime in ("image/svg+xml", "text/html", "text/plain"):
        assert "after_long" in "".join(shown[0]["data"][mime]), mime
        assert "success" in "".join(shown[0]["data"][mime]), mime

    nb.reload()
    for cell in DONE.values():
        expect(nb.badge(cell)).to_contain_text("success", timeout=20_000)
    expect(node(nb, "after_long")).to_contain_text("success")

    nb.restart()
    nb.reload()
    expect(node(nb, "after_long")).to_contain_text("saved", timeout=20_000)
    expect(button(nb, "pause")).to_be_disabled()
    expect(nb.outputs(1)).not_to_contain_text("model not found")
    assert not nb.errors


_STATIC_IS_NEW = """() => {
  const outputs = window.jupyterapp.shell.currentWidget.content.widgets[1].model.outputs;
  return String(outputs.get(0)?.data['text/plain']).includes('after_long') &&
    !/running|pending/.test(String(outputs.get(0)?.data['text/plain']));
}"""


def test_notebook_7(nb: NotebookPage, lab: LabServer) -> None:
    folder = write(lab, "seven", "go.milepost")
    nb.open("seven/job.ipynb", "notebook")
    nb.run_all(wait=False)
    expect(nb.badge(LONG)).to_contain_text("running", timeout=20_000)
    paused = seconds_until(nb, "button.milepost-pause", "Pausing", button(nb, "pause"))
    print(f"\nNotebook 7: Pause was acknowledged after {paused * 1000:.0f} ms")
    assert paused < 0.5
    (folder / "go.milepost").touch()
    expect(nb.badge(NEXT)).to_contain_text("paused")
    button(nb, "resume").click()
    wait_for(folder / "sleeping.milepost")
    button(nb, "cancel").click()
    expect(nb.badge(SLEEP)).to_contain_text("cancelled")
