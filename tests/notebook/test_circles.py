"""Cells that read what later ones bind: run again, they are neither refused nor run for nothing."""

from __future__ import annotations

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow

ONE = "%%task one --save always\nfirst = []\nfor epoch in range(3): first.append(epoch)\nprint('until', epoch)"
TWO = "%%task two --save always\nsecond = []\nfor epoch in range(5): second.append(epoch)\nprint('until', epoch)"
LAST = "%%task last --save always\nseen = []\nfor epoch in items: seen.append(epoch)\nlast = epoch"


def restored(kernel: Kernel, *cells: str) -> list[bool]:
    return [any("restored: saved" in stamp for stamp in kernel.run_ok(cell).stamps) for cell in cells]


def test_two_loops_with_the_same_variable(start: Start) -> None:
    first = start()
    assert restored(first, ONE, TWO) == [False, False]
    assert restored(first, ONE, TWO) == [False, True], "what the second left could have been read by the first"
    assert restored(first, ONE, TWO) == [True, True]
    first.kill()
    for _ in range(2):
        kernel = start()
        replies = [kernel.run_ok(cell) for cell in (ONE, TWO)]
        assert [reply.stdout for reply in replies] == ["until 2\n", "until 4\n"]
        assert [len(reply.stamps) for reply in replies] == [1, 1], "nothing else was restored for them"
        kernel.kill()


def test_a_loop_without_items_leaves_what_was_bound_before(start: Start) -> None:
    kernel = start()
    kernel.run_ok("items = [1, 2]")
    kernel.run_ok(LAST)
    for value in (8, 9, 9):
        kernel.run_ok(f"items, epoch = [], {value}")
        kernel.run_ok(LAST)
        assert kernel.value("last") == value
    kernel.run_ok("items = [1, 2]")
    kernel.run_ok(LAST)
    assert kernel.value("last") == 2


def test_what_decides_by_itself_whether_a_name_is_bound(start: Start) -> None:
    cell = "%%task asks --save always\nif 'e' not in dir():\n    e = 'new'\nfound = e"
    first = start()
    first.run_ok(cell)
    first.run_ok("e = 5")
    first.run_ok(cell)
    assert first.value("found") == 5
    first.kill()
    second = start()
    assert restored(second, cell) == [True]
    assert second.value("found") == "new"


def test_what_another_task_gives_is_given_where_nothing_is_saved_without_it(start: Start) -> None:
    cell = "%%task uses --save always\nif retrain: model = 'trained'\nfound = model"
    first = start()
    first.run_ok("retrain = True")
    first.run_ok(cell)
    first.run_ok("%%task load --save always\nmodel = 'loaded'")
    first.kill()
    second = start()
    second.run_ok("retrain = False")
    second.run_ok(cell)
    assert second.value("found") == "loaded"


def test_cells_that_count_on(start: Start) -> None:
    kernel = start()
    kernel.run_ok("%%task begin\nn = 0")
    for value, name in enumerate(("one", "two", "one", "two", "one"), 1):
        kernel.run_ok(f"%%task {name}\nn += 1")
        assert kernel.value("n") == value
    assert kernel.status()["two"]["after"] == ["one"]


def test_a_kept_loop_goes_on_beside_another_cell_with_its_variable(start: Start) -> None:
    loop = (
        "%%task loop\nfrom milepost import track\nfound = []\nfor i in track(range(4), every=0):\n"
        "    found.append(i)\n    if stop and i == 2: raise SystemExit\nprint(i)"
    )
    first = start()
    first.run_ok("stop = True")
    first.run(loop)
    first.run_ok("%%task other --save always\nfor i in range(100, 103): pass\nother = i")
    first.kill()
    second = start()
    second.run_ok("stop = True")
    reply = second.run(loop)
    assert any("goes on" in stamp for stamp in reply.stamps), reply.stamps
