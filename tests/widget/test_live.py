"""`runner.show()` and `to_svg()`: the tasks as they are, in a script; a picture that follows them in a kernel."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from milepost import Snapshot, Task, TaskResult, TaskRunner, TaskRunnerBuilder, TaskStatus
from milepost.widget import live

WAIT = 30
NAMES = ["load", "1. clean <b>", "no", "never"]


def fails() -> None:
    raise ValueError("disk full")


def tasks() -> list[Task]:
    return [
        Task("load", lambda: 1),
        Task("1. clean <b>", fails, ("load",)),
        Task("no", int, ("1. clean <b>",)),
        Task("never", int, condition=lambda context: False),
    ]


@pytest.fixture
def runner() -> Iterator[TaskRunner]:
    with TaskRunnerBuilder().build() as made:
        yield made


def states(runner: TaskRunner, of: Any = None) -> dict[str, str]:
    return {view.name: str(view.state) for view in runner.views(of)}


def test_views_tell_of_each_task_where_it_is(runner: TaskRunner) -> None:
    for task in tasks():
        runner.add(task)
    assert states(runner) == dict.fromkeys(NAMES, "pending")
    runner.run()
    assert states(runner) == dict(zip(NAMES, ["success", "failure", "skipped", "skipped"], strict=True))
    clean, no = runner.views()[1:3]
    assert (clean.error, clean.after) == ("ValueError: disk full", ("load",))
    assert no.error == "skipped, since '1. clean <b>' failed"
    assert states(runner, [Task("other", int)]) == {"other": "pending"}


def test_views_of_a_run_under_way_and_of_what_it_left(runner: TaskRunner) -> None:
    begun, go_on = threading.Event(), threading.Event()
    waits = Task("waits", lambda: begun.set() or go_on.wait(WAIT))
    handle = runner.start([waits, Task("after", int, ("waits",))])
    assert begun.wait(WAIT)
    assert states(runner) == {"waits": "running", "after": "pending"}
    go_on.set()
    handle.wait(WAIT)
    assert states(runner) == {"waits": "success", "after": "success"}


def test_a_result_of_a_snapshot_is_restored() -> None:
    snapshot = Snapshot({"a": TaskResult(TaskStatus.SUCCESS)})
    (view,) = TaskRunnerBuilder().with_snapshot(snapshot).build().views()
    assert view.restored


def test_a_drawing_has_every_task_with_its_state(runner: TaskRunner) -> None:
    assert "pending" in runner.to_svg(tasks())
    runner.run(tasks())
    svg = ElementTree.fromstring(runner.to_svg(tasks()))
    words = " ".join(svg.itertext())
    assert all(name in words for name in NAMES)
    assert "disk full" in words
    assert len([path for path in svg.iter() if path.get("marker-end")]) == 2


def test_in_a_script_a_table_is_printed_and_no_notebook_is_loaded(tmp_path: Path) -> None:
    code = """
import sys
from milepost import Task, TaskRunnerBuilder
runner = TaskRunnerBuilder().build()
runner.add(Task("load", lambda: 1))
runner.run()
runner.show()
print(sorted({"IPython", "anywidget", "ipywidgets"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    heading, row, loaded = done.stdout.splitlines()
    assert heading.split() == ["task", "state", "time", "size", "why"]
    assert row.split()[:3] == ["load", "✓", "success"]
    assert loaded == "[]"


class Page:
    """What a kernel displays: the newest picture of each display."""

    def __init__(self) -> None:
        self.pictures: dict[str, str] = {}
        self.changed = threading.Condition()

    def publish(self, data: dict[str, str], transient: dict[str, str], update: bool) -> None:
        with self.changed:
            assert (transient["display_id"] in self.pictures) is update
            assert set(data) == {"image/svg+xml", "text/html", "text/plain"}
            self.pictures[transient["display_id"]] = data["text/plain"]
            self.changed.notify_all()

    def wait_for(self, holds: Callable[[list[str]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: holds(list(self.pictures.values())), WAIT), self.pictures


def test_in_a_kernel_the_newest_picture_follows_the_runs(runner: TaskRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    monkeypatch.setattr(live, "_publisher", lambda: page.publish)
    monkeypatch.setattr(live, "EVERY", 0)
    begun, go_on = threading.Event(), threading.Event()
    runner.add(Task("waits", lambda: begun.set() or go_on.wait(WAIT)))
    runner.show()
    runner.show()
    handle = runner.start()
    page.wait_for(lambda shown: "running" in shown[1])
    go_on.set()
    handle.wait(WAIT)
    page.wait_for(lambda shown: "success" in shown[1])
    assert "pending" in next(iter(page.pictures.values())), "earlier pictures stay as they are"


def test_a_picture_does_not_keep_its_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page()
    monkeypatch.setattr(live, "_publisher", lambda: page.publish)
    runner = TaskRunnerBuilder().build()
    runner.show()
    gone = weakref.ref(runner)
    del runner
    gc.collect()
    assert gone() is None
