"""`%tasks auto on`: notebooks that nobody prepared run as ever, and go on after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel, Reply

SLOW = "import time, os\ndef slow(x):\n    time.sleep(0.06)\n    return x"
"""A notebook's own helper: what calls it is worth saving."""


def on(start: Start) -> Kernel:
    kernel = start()
    kernel.run_ok("%tasks auto on")
    return kernel


def run(kernel: Kernel, cells: Iterable[str]) -> list[Reply]:
    """Run All; each cell has the id of its place."""
    return [kernel.run_ok(cell, f"cell{place}") for place, cell in enumerate(cells)]


def again(start: Start, kernel: Kernel, cells: Iterable[str]) -> tuple[Kernel, list[Reply]]:
    """Kill the kernel, and Run All in a new one."""
    kernel.kill()
    kernel = on(start)
    return kernel, run(kernel, cells)


def restored(replies: list[Reply]) -> list[int]:
    return [place for place, reply in enumerate(replies) if any("restored" in stamp for stamp in reply.stamps)]


# the switch


def test_the_switch_tells_and_turns(start: Start) -> None:
    kernel = start()
    assert "auto is off" in kernel.run_ok("%tasks auto").stdout
    assert "auto is on" in kernel.run_ok("%tasks auto on").stdout
    assert "auto is on" in kernel.run_ok("%tasks auto").stdout
    kernel.run_ok(SLOW)
    assert kernel.run_ok("x = slow(1)").stamps
    assert "auto is off" in kernel.run_ok("%tasks auto off").stdout
    assert not kernel.run_ok("y = slow(2)").stamps


@pytest.mark.parametrize("words", ["of", "on off", "On", "--json"])
def test_other_words_are_refused(start: Start, words: str) -> None:
    reply = start().run(f"%tasks auto {words}")
    assert (reply.status, reply.ename) == ("error", "UsageError")
    assert "auto" in reply.evalue


# killed and run again


def test_costly_cells_are_restored_and_cheap_ones_run(start: Start) -> None:
    cells = [SLOW, "items = [1, 2]", "items.append(3)", "total = slow(sum(items))\ntotal", "items += [total]", "items"]
    first = on(start)
    before = run(first, cells)
    assert [place for place, reply in enumerate(before) if reply.stamps] == [3]
    second, after = again(start, first, cells)
    assert restored(after) == [3]
    assert [reply.shown for reply in after] == [reply.shown for reply in before]
    assert list(second.status()) == ["items.append(3)", "total = slow(sum(items))", "items += [total]", "items"]
    assert second.value("items") == [1, 2, 3, 6]


def test_an_edited_cell_and_what_reads_it_run_again(start: Start) -> None:
    cells = [SLOW, "a = slow(1)", "b = slow(2)", "c = slow(a + 1)"]
    first = on(start)
    run(first, cells)
    edited = [SLOW, "a = slow(5)", "b = slow(2)", "c = slow(a + 1)"]
    second, after = again(start, first, edited)
    assert restored(after) == [2]
    assert second.value("[a, b, c]") == [5, 2, 6]
    assert "its code changed" in second.status()["a = slow(5)"]["why"]["text"]
    assert "its code changed" in second.run_ok("%tasks why 'a = slow(5)'").stdout


def test_a_deleted_cell_leaves_nothing(start: Start) -> None:
    cells = [SLOW, "a = [slow(1)]", "a.append(slow(2))", "b = slow(len(a))"]
    first = on(start)
    run(first, cells)
    second, _ = again(start, first, [cells[0], cells[1], cells[3]])
    assert second.value("[a, b]") == [[1], 1]


def test_cells_may_depend_on_one_another_in_a_circle(start: Start) -> None:
    kernel = on(start)
    run(kernel, [SLOW, "y = 1", "x = slow(y) + 1", "y = slow(x) + 1"])
    assert not kernel.run_ok("x = slow(y) + 1", "cell2").stamps[0].startswith("↺")
    assert kernel.value("[x, y]") == [4, 3]


def test_without_ids_and_without_a_file_cells_are_known_by_their_code(start: Start) -> None:
    cells = [SLOW, "a = slow(1)", "b = slow(a)"]
    first = on(start)
    for cell in cells:
        first.run_ok(cell)
    first.kill()
    second = on(start)
    assert restored([second.run_ok(cell) for cell in cells]) == [1, 2]


def test_a_timed_cell_comes_back(start: Start) -> None:
    cells = [SLOW, "%%time\nx = slow(3)\nx", "%%time\ny = x + 1"]
    first = on(start)
    before = run(first, cells)
    second, after = again(start, first, cells)
    assert restored(after) == [1]
    assert after[1].shown[0] == before[1].shown[0]
    assert second.value("[x, y, _oh[4]]") == [3, 4, 3]


def test_cells_are_named_by_what_they_say(start: Start) -> None:
    kernel = on(start)
    run(
        kernel,
        [SLOW, "# first\nimport math\nx = slow(1)", "!echo one", "x  =  slow(1)", "%%task total\ntotal = slow(x)"],
    )
    assert list(kernel.status()) == ["x = slow(1)", "!echo one", "x  =  slow(1)", "total"]
    assert "x  =  slow(1): success" in kernel.run_ok("%tasks why 'x  =  slow(1)'").stdout
    assert "!echo one: success" in kernel.run_ok("%tasks why 5").stdout
    assert kernel.run("%tasks why nothing").ename == "UsageError"


def test_what_is_saved_of_a_cell_is_dropped_and_given_back_by_its_label(start: Start) -> None:
    cells = [SLOW, "x = slow([1])", "y = slow(2)"]
    first = on(start)
    run(first, cells)
    first.kill()
    second = on(start)
    second.run_ok("%tasks restore 'x = slow([1])'")
    assert second.value("x") == [1]
    second.run_ok("%tasks forget 'y = slow(2)'")
    assert restored(run(second, cells)) == [1]


def test_an_unseeded_draw_comes_back(start: Start) -> None:
    cells = [SLOW, "import random", "x = random.random()", "y = slow(x)", "z = random.random()"]
    first = on(start)
    run(first, cells)
    values = first.value("[x, y, z]")
    second, after = again(start, first, cells)
    assert restored(after) == [2, 3, 4]
    assert second.value("[x, y, z]") == values


def test_who_runs_a_draw_again_wants_another(start: Start) -> None:
    first = on(start)
    run(first, [SLOW, "import random"])
    drawn = []
    for _ in range(2):
        assert not restored([first.run_ok("x = slow(random.random())", "draw")])
        drawn.append(first.value("x"))
    assert drawn[0] != drawn[1]
    first.kill()
    second = on(start)
    run(second, [SLOW, "import random"])
    assert restored([second.run_ok("x = slow(random.random())", "draw")])
    assert second.value("x") == drawn[1]


def test_marked_cells_stand_beside_the_others(start: Start) -> None:
    cells = [SLOW, "a = [slow(1)]", "%%task t\nb = a + [slow(2)]", "c = slow(len(b))", "%%task u\nb.append(slow(c))"]
    first = on(start)
    run(first, cells)
    rows = first.status()
    assert (rows["t"]["after"], rows["c = slow(len(b))"]["after"]) == (["a = [slow(1)]"], ["t"])
    second, after = again(start, first, cells)
    assert restored(after) == [1, 2, 3, 4]
    assert second.value("[a, b, c]") == [[1], [1, 2, 2], 2]
    assert not restored([second.run_ok("1 / 1", "cell9"), second.run_ok("%%task v --after t\nd = slow(a)", "cell8")])


def test_a_cancel_ends_the_cell_that_runs(start: Start) -> None:
    kernel = on(start)
    kernel.run_ok("import time")
    asked = kernel.send("print('begun', flush=True)\ntime.sleep(100)", "long")
    kernel.finish(asked, until="begun")
    assert kernel.request("cancel", task="print('begun', flush=True)")["status"] == "ok"
    reply = kernel.finish(asked)
    assert (reply.status, reply.ename) == ("error", "KeyboardInterrupt")
    assert kernel.status()["print('begun', flush=True)"]["state"] == "cancelled"
    assert kernel.value("1 + 1") == 2


def test_a_value_that_was_shown_and_not_saved_is_missed_aloud(start: Start, tmp_path: Path) -> None:
    cells = [SLOW, "slow([0.5] * 300_000)", "x = 1 + 1"]
    made = [{"cell_type": "code", "id": f"cell{place}", "source": cell} for place, cell in enumerate(cells)]
    (tmp_path / "nb.ipynb").write_text(json.dumps({"cells": made}))
    first = on(start)
    run(first, cells)
    second, after = again(start, first, cells)
    assert restored(after) == [1]
    asked = second.run("y = _ + [2]")
    assert (asked.status, asked.ename) == ("error", "MilepostError")
    assert "give the value a name" in asked.evalue


def test_cells_that_cannot_be_followed_say_so(start: Start) -> None:
    kernel = on(start)
    run(kernel, [SLOW, "import getpass, subprocess, sys"])
    program = kernel.run_ok("subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.1)'])")
    assert "runs each time" in program.stamps[0]
    assert not kernel.run("input()").stamps
    thread = "import threading; slow(1); t = threading.Thread(target=lambda: time.sleep(60), daemon=True); t.start()"
    assert "it leaves 1 thread running" in kernel.run_ok(thread).stamps[0]
    assert "runs each time" in kernel.run_ok("slow(1)\n!true").stamps[0]


def test_a_stamp_does_not_clear_what_a_cell_shows(start: Start) -> None:
    kernel = on(start)
    run(kernel, [SLOW, "from IPython.display import clear_output"])
    reply = kernel.run_ok("print('hello'); slow(1); clear_output(wait=True)")
    assert [output["type"] for output in reply.outputs] == ["stream", "clear_output"]


# as a plain cell

PLAIN = [
    "1 + 1",
    "_ * 10",
    "slow('text')",
    "_",
    "Out",
    "x = 5; x",
    "x = 6; x;",
    "slow(7);",
    "print('a'); slow(1); print('b')",
    "import sys; slow(1); print('c', file=sys.stderr)",
    "from IPython.display import display, HTML; slow(1); display(HTML('<b>d</b>'))",
    "import asyncio; await asyncio.sleep(0.06); x",
    "%time slow(3);",
    "!echo from the shell",
    "files = !echo one",
    "files",
    "%%time\nt = slow(8)",
    "t",
    "%%capture caught\nprint('caught')",
    "caught.stdout",
    "%pwd",
    "for _i in range(3):\n    slow(_i)\n_i",
    "def deep():\n    raise ValueError('from deep')",
    "slow(1); deep()",
    "slow(1); undefined_name",
    "await asyncio.sleep(0.06); 1 / 0",
    "raise SystemExit",
    "x =",
    "?print",
    "from __future__ import annotations",
    "get_ipython().run_cell('inner = slow(3)'); inner",
    "class A:\n    def __repr__(self): return 'A!'\na = A(); slow(a)",
    "[_oh[4], _i5]",
]


def told(reply: Reply) -> object:
    """What a front end shows of a cell, without what differs from run to run."""
    shown = [{name: item for name, item in o.items() if name not in ("traceback", "metadata")} for o in reply.shown]
    return reply.status, reply.ename, reply.evalue, [o for o in shown if "Wall time" not in str(o)]


def test_all_that_plain_cells_do_is_done(bare: Start, start: Start) -> None:
    plain, auto = bare(), on(start)
    for cell in ("pass", "pass", SLOW):  # as many cells as the other has run
        plain.run_ok(cell)
    auto.run_ok(SLOW)
    for cell in PLAIN:
        one, two = plain.run(cell), auto.run(cell)
        assert told(one) == told(two), cell
        assert _frames(one) == _frames(two), cell


def _frames(reply: Reply) -> list[str]:
    """A traceback's lines, without the numbers of cells and the names of files."""
    lines = reply.traceback.splitlines()
    return [line for line in lines if "Cell" not in line and "File" not in line]
