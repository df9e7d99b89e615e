"""`f.map(items)` in a notebook: each item is saved, restored and run by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow

SETUP = """
import threading, time
from pathlib import Path
from milepost import task

def note(word):
    with open("ran.txt", "a") as log:
        log.write(str(word) + " ")
"""

FETCH = """
@task(on={on!r})
def fetch(url):
    note(url)
    if Path(f"stop-at-{{url}}").exists():
        print("at", url, flush=True)
        time.sleep(600)
    return url * 2
"""


def ran(folder: Path) -> list[str]:
    path = folder / "ran.txt"
    return sorted(path.read_text().split()) if path.exists() else []


def begin(start: Start, *cells: str) -> Kernel:
    kernel = start()
    for cell in (SETUP, *cells):
        kernel.run_ok(cell)
    return kernel


@pytest.mark.parametrize("on", ["main", "threads", "processes"])
def test_killed_in_the_middle_only_missing_items_run_again(on: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "stop-at-c").touch()
    first = begin(start, FETCH.format(on=on))
    code = "pages = fetch.map(['a', 'b', 'c', 'd'])\nprint(pages.results(concurrency=1))"
    first.finish(first.send(code), until="at c")
    first.kill()
    (tmp_path / "stop-at-c").unlink()
    assert ran(tmp_path) == ["a", "b", "c"]

    second = begin(start, FETCH.format(on=on))
    reply = second.run_ok(code)
    assert reply.stdout.splitlines()[-1] == "['aa', 'bb', 'cc', 'dd']"
    assert [stamp for stamp in reply.stamps if "restored 2 of 'fetch'" in stamp]
    assert ran(tmp_path) == ["a", "b", "c", "c", "d"]
    rows = second.status()
    assert {name: row["restored"] for name, row in rows.items() if name.startswith("fetch[")} == {
        "fetch['a']": True,
        "fetch['b']": True,
        "fetch['c']": False,
        "fetch['d']": False,
    }
