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
    assert restored(first, ONE, TWO) == [True, True]
    first.kill()
    for _ in range(2):
        kernel = start()
        replies = [kernel.run_ok(cell) for cell in (ONE, TWO)]
        assert [reply.stdout for reply in replies] == ["until 2\n", "until 4\n"]
        assert [len(reply.stamps) for reply in replies] == [1, 1], "nothing else was restored for them"
        assert restored(kernel, ONE, TWO) == [True, True]
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
