"""`f.map(items)` in a notebook: each item is saved, restored and run by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

from milepost.notebook.options import parse_command

pytestmark = pytest.mark.slow

SETUP = """
import threading, time
from pathlib import Path
from milepost import task

def note(word):
    with open("ran.milepost", "a") as log:
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
    path = folder / "ran.milepost"
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


RENDEZVOUS = """
import os
@task(on={on!r})
def meet(role):
    with open("meeting", "wb" if role == "writer" else "rb"):  # opens once both are there
        return role
meet.map(["writer", "reader"]).results()
"""


@pytest.mark.parametrize("on", ["threads", "processes"])
def test_items_run_side_by_side(on: str, start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meeting")
    begin(start, RENDEZVOUS.format(on=on))


SQUARE = """
power = 2
@task(on={on!r})
def square(x):
    note(x)
    print("square of", x)
    return x ** power
"""


@pytest.mark.parametrize("on", ["main", "processes"])
def test_one_more_item_in_the_middle(on: str, start: Start, tmp_path: Path) -> None:
    first = begin(start, SQUARE.format(on=on))
    reply = first.run_ok("squares = square.map([1, 3])\nprint(squares.results())")
    assert {"square of 1", "square of 3", "[1, 9]"} <= set(reply.stdout.splitlines())
    assert first.run_ok("squares = square.map([1, 2, 3])\nprint(squares.results())").stdout == (
        "square of 2\n[1, 4, 9]\n"
    ), "what this session has at hand is not shown again"
    first.run_ok("squares = square.map([2, 3])\nsquares.results()")
    assert ran(tmp_path) == ["1", "2", "3"]
    rows = first.status()
    assert rows["square[1]"]["why"]["kind"] == "saved", "the session knows it no longer, the store does"
    first.kill()

    second = begin(start, SQUARE.format(on=on))
    reply = second.run_ok("print(square.map([3, 2, 1]).results())")
    assert reply.stdout == "square of 3\nsquare of 2\nsquare of 1\n[9, 4, 1]\n" if on == "main" else reply.stdout
    assert reply.stdout.splitlines()[-1] == "[9, 4, 1]"
    assert ran(tmp_path) == ["1", "2", "3"]


def test_what_items_depend_on(start: Start, tmp_path: Path) -> None:
    kernel = begin(start, SQUARE.format(on="threads"))
    kernel.run_ok("squares = square.map([1, 2])\nsquares.results()")
    kernel.run_ok("power = 3")
    assert kernel.value("squares.results()") == [1, 8]
    assert ran(tmp_path) == ["1", "1", "2", "2"]
    assert "'power' changed" in kernel.status()["square[2]"]["why"]["text"]
    kernel.run_ok("power = 2")
    assert kernel.value("squares.results()") == [1, 4]
    assert ran(tmp_path) == ["1", "1", "2", "2"], "the earlier results are still saved"
    kernel.run_ok(SQUARE.format(on="threads").replace("x ** power", "x ** power + 1"))
    assert kernel.value("square.map([1, 2]).results()") == [2, 5]
    assert kernel.status()["square[2]"]["why"]["kind"] == "code-changed"


def test_upstream_tasks_and_outputs_of_cells(start: Start, tmp_path: Path) -> None:
    cells = (
        "%%task base\nnote('base')\nbase = 10",
        "@task\ndef extra():\n    note('extra')\n    return 1",
        "@task(on='threads')\ndef shifted(x, base, extra):\n    note(x)\n    return x + base + extra",
    )
    first = begin(start, *cells)
    assert first.value("shifted.map([1, 2]).results()") == [12, 13]
    assert first.status()["shifted[1]"]["after"] == ["base", "extra"]
    first.kill()
    second = begin(start, *cells[1:])
    assert second.value("shifted.map([1, 2]).results()") == [12, 13]
    assert ran(tmp_path) == ["1", "2", "base", "extra"]
    second.run_ok("%%task base\nnote('base')\nbase = 20")
    assert second.value("shifted.map([1, 2]).results()") == [22, 23]
    assert ran(tmp_path) == ["1", "1", "2", "2", "base", "base", "extra"]


ODD = """
from milepost import RetryPolicy
@task(on="threads", retry=RetryPolicy(2))
def part(x):
    note(x)
    if x % 2 and not Path("mended").exists():
        raise ValueError(f"{x} is odd")
    return x * 10
@task(on="threads")
def text(part):
    note("text")
    return str(part)
"""


def test_partial_failure_and_reductions(start: Start, tmp_path: Path) -> None:
    kernel = begin(start, ODD, "parts = part.map(range(4))\ntexts = text.map(parts)")
    reply = kernel.run("parts.results()")
    assert reply.ename == "ItemsFailed"
    assert reply.evalue.splitlines()[0] == "2 of 4 items of 'part' did not succeed:"
    assert "part[1]: ValueError: 1 is odd" in reply.evalue
    assert ran(tmp_path) == ["0", "1", "1", "2", "3", "3"], "options hold for each item"
    assert kernel.value("[str(o.status) for o in texts.outcomes()]") == ["success", "skipped"] * 2
    kernel.run_ok("kept = texts.reduce(''.join, 'kept', skip_failed=True)\nall_of = texts.reduce(list, 'all_of')")
    assert kernel.value("kept.result()") == "020"
    assert kernel.run("all_of.result()").ename == "TaskFailed"
    kernel.run_ok("@task\ndef report(kept):\n    return f'<{kept}>'")
    assert kernel.value("report.result()") == "<020>"
    assert kernel.status()["report"]["after"] == ["kept"]
    (tmp_path / "ran.milepost").unlink()

    (tmp_path / "mended").touch()
    assert kernel.value("all_of.result()") == ["0", "10", "20", "30"]
    assert ran(tmp_path) == ["1", "3", "text", "text"], "only what had failed or was skipped runs"
    assert kernel.value("[kept.result(), report.result()]") == ["0102030", "<0102030>"]


def test_reductions_are_restored(start: Start, tmp_path: Path) -> None:
    cells = (
        SQUARE.format(on="threads"),
        "@task\ndef total(values, offset=0):\n    note('total')\n    return sum(values) + offset",
        "squares = square.map([1, 2, 3])\nprint(squares.reduce(total).result(), squares.reduce(max).result())",
    )
    for _ in range(2):
        kernel = start()
        kernel.run_ok(SETUP)
        assert [kernel.run_ok(cell).stdout for cell in cells][-1].splitlines()[-1] == "14 9"
        kernel.kill()
    assert ran(tmp_path) == ["1", "2", "3", "total"]
    kernel = begin(start, *cells)
    kernel.run_ok("squares = square.map([-1, 2, 3])\nprint(squares.reduce(total).result())")
    assert ran(tmp_path) == ["-1", "1", "2", "3", "total"], "the same results, so the reduction stands"


def test_a_cell_that_reads_a_map(start: Start, tmp_path: Path) -> None:
    read = "%%task rows\nnote('rows')\nrows = [r + 1 for r in squares.results()]"
    first = begin(start, SQUARE.format(on="threads"), "squares = square.map([1, 2])", read)
    assert first.value("rows") == [2, 5]
    first.kill()
    second = begin(start, SQUARE.format(on="threads"), "squares = square.map([1, 2])", read)
    assert ran(tmp_path) == ["1", "2", "rows"]
    second.run_ok("squares = square.map([1, 3])")
    second.run_ok(read)
    assert second.value("rows") == [2, 10]
    second.run_ok("%%task inner\nother = square.map([1, 4], 'inner').results()")
    assert second.value("other") == [1, 16]
    row = second.run_ok("%%task holder\nheld = square.map([5], 'held')")
    assert any("'held'" in stamp and "belongs to this session" in stamp for stamp in row.stamps)


CHANGES = """
log, cache = [], {}
@task(on="threads")
def logs(x):
    note(x)
    log.append(x)
    return x
@task
def own(x):
    note(x)
    x.append(0)
    return len(x)
@task
def binds(x):
    global last
    last = x
    return x
"""


def test_an_item_that_changes_what_others_see_is_not_saved(start: Start, tmp_path: Path) -> None:
    kernel = begin(start, CHANGES)
    reply = kernel.run_ok("print(logs.map([1, 2]).results(concurrency=1))")
    assert reply.stdout == "[1, 2]\n"
    assert any("logs[1]: not saved: 'log' changed meanwhile" in stamp for stamp in reply.stamps)
    assert any("'x'; have it return" in s for s in kernel.run_ok("own.map([[1], [2]]).results()").stamps)
    assert any("'last' changed" in stamp for stamp in kernel.run_ok("binds.map([1]).results()").stamps)
    saved = {name: row["saved"] for name, row in kernel.status().items()}
    assert not any(saved.values())


def test_interrupted_and_cancelled_items(start: Start, tmp_path: Path) -> None:
    (tmp_path / "stop-at-c").touch()
    kernel = begin(start, FETCH.format(on="main"))
    code = "pages = fetch.map(['a', 'b', 'c', 'd'])\npages.results()"
    message = kernel.send(code)
    kernel.finish(message, until="at c")
    kernel.interrupt()
    assert kernel.finish(message).status == "error"
    states = {name: row["state"] for name, row in kernel.status().items()}
    assert list(states.values()) == ["success", "success", "cancelled", "cancelled"]

    message = kernel.send(code)
    kernel.finish(message, until="at c")
    kernel.request("cancel")
    reply = kernel.finish(message)
    assert reply.ename == "ItemsFailed"
    assert "2 of 4 items" in reply.evalue
    (tmp_path / "stop-at-c").unlink()
    kernel.run_ok(code)
    assert ran(tmp_path) == ["a", "b", "c", "c", "c", "d"]


def test_where_a_map_cannot_be_registered(start: Start) -> None:
    kernel = begin(start, SQUARE.format(on="main"), "%%task total\ntotal = 1", "squares = square.map([1])")
    reply = kernel.run("squares.reduce(list, 'total')")
    assert (reply.ename, "there is a task 'total' already" in reply.evalue) == ("UsageError", True)
    reply = kernel.run("%%task early --on threads\nearly = squares.results()")
    assert "has no result yet" in reply.evalue
    kernel.run_ok("squares.results()")
    kernel.run_ok("%%task late --on threads\nlate = squares.results()")
    assert kernel.value("late") == [1]
    reply = kernel.run("%%task inside --on threads\ninside = square.map([2])")
    assert "a task in the background cannot register a map" in reply.evalue
    reply = kernel.run("%%task worker --on processes\nworker = square.map([2])")
    assert "cannot be mapped in here" in reply.evalue
    assert "missing" in kernel.run("@task\ndef needs(row, missing): ...\nneeds.map([1], to='row').results()").evalue


def test_random_draws_of_items(start: Start, tmp_path: Path) -> None:
    cells = (
        "import random\nrandom.seed(3)",
        "@task\ndef draw(x):\n    note(x)\n    return random.random()",
        "print(draw.map([1, 2]).results(), random.random())",
    )
    shown = []
    for _ in range(2):
        kernel = start()
        kernel.run_ok(SETUP)
        shown.append([kernel.run_ok(cell).stdout for cell in cells][-1])
        kernel.kill()
    assert shown[0] == shown[1]
    assert ran(tmp_path) == ["1", "2"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("why fetch['a']", ["fetch['a']"]),
        ("forget fetch['a b'] other fetch[3]", ["fetch['a b']", "other", "fetch[3]"]),
        ("why \"fetch['a']\" --json", ["fetch['a']"]),
        ("why fetch['a' #2]", ["fetch['a' #2]"]),
        ("why 'two words' x[", ["two words", "x["]),
    ],
)
def test_items_are_named_in_commands(line: str, names: list[str]) -> None:
    assert list(parse_command(line).names) == names


def test_other_kinds_of_functions(start: Start, tmp_path: Path) -> None:
    kernel = begin(start, "@task\nasync def later(x, signal):\n    note(x)\n    return [x + 1, signal.cancelled]")
    kernel.run_ok("mapped = later.map([1, 2])")
    assert kernel.value("mapped.results()") == [[2, False], [3, False]]
    assert kernel.value("[item.result() for item in mapped]") == [[2, False], [3, False]]
    assert kernel.value("task('size', on='processes')(len).map([[1], [1, 2]]).results()") == [1, 2]
    assert ran(tmp_path) == ["1", "2"]
    assert "mapped over items" in kernel.run("later.result()").evalue


def test_a_forgotten_item_runs_again(start: Start, tmp_path: Path) -> None:
    kernel = begin(start, SQUARE.format(on="threads"), "squares = square.map([1, 2])\nsquares.results()")
    kernel.run_ok("%tasks forget square[1]")
    assert kernel.value("squares.results()") == [1, 4]
    assert ran(tmp_path) == ["1", "1", "2"]


def test_a_thousand_items(start: Start) -> None:
    cells = ("@task(on='threads')\ndef double(x):\n    return x * 2",)
    code = (
        "begin = time.perf_counter()\nresults = double.map(range(1000)).results()\nspent = time.perf_counter() - begin"
    )
    first = begin(start, *cells, code)
    assert first.value("results == list(range(0, 2000, 2))")
    assert first.value("spent") < 30
    first.kill()
    second = begin(start, *cells)
    reply = second.run_ok(code)
    assert len(reply.stamps) == 1
    assert "restored 1000 of 'double'" in reply.stamps[0]
    assert second.value("spent") < 15
