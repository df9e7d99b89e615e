"""Loops in tasks that end in their middle and go on in another kernel come to what plain loops come to.

Each row is a cell of its own task. All of them end at their sixth item in one kernel, which is killed; another one runs
them to their end, and beside each the same cell with a plain loop.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Start
from .kernel import Kernel, Reply
from .track_rows import GO_ON, SETUP
from .track_rows_anew import ANEW
from .track_rows_hidden import HIDDEN
from .track_rows_lent import LENT

pytestmark = pytest.mark.slow

ROWS = [*GO_ON, *ANEW, *HIDDEN, *LENT]
PLAIN = "\ndef track(items, **options): return items\n"


def test_loops_go_on_as_if_nothing_had_happened(bare: Start, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in "abcdefgh":
        (tmp_path / "d" / name).touch()
    (tmp_path / "data").write_text("old")
    (tmp_path / "helper.py").write_text("rate, MISSING = 1.0, object()")
    (tmp_path / "notes.py").write_text("log = []")
    (tmp_path / "kept.py").write_text("things = []")
    (tmp_path / "stop.milepost").touch()
    first = run_all(bare(), tmp_path)
    (tmp_path / "stop.milepost").unlink()
    (tmp_path / "data").write_text("new")
    kernel = bare()
    second = run_all(kernel, tmp_path)
    outcomes = kernel.value("outcomes")
    wrong = {}
    for each in ROWS:
        notes, warned = "\n".join(second[each.name].stamps), "\n".join(first[each.name].stamps)
        right = (
            outcomes[each.name][0] == outcomes[each.name][1],
            ("goes on after item" in notes) is each.goes_on,
            each.says in notes,
            each.warns in warned,
        )
        if not all(right):
            wrong[each.name] = (*right, outcomes[each.name], notes, warned)
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())
    assert re.search(r"goes on after item 5 of 10, saved", "\n".join(second["list"].stamps))
    assert second["printed"].stdout == "before\n" + "".join(f"item {n}\n" for n in range(8))
    assert not list((tmp_path / "nb.milepost" / "partial").iterdir()), "what has ended needs nothing of it any more"


def run_all(kernel: Kernel, folder: Path) -> dict[str, Reply]:
    """Each row as a task, then as a plain cell; in the first kernel the tasks end early."""
    replies, setup = {}, "i = n = t = None\n"
    stops = (folder / "stop.milepost").exists()
    kernel.run_ok(f"{SETUP}\noutcomes, tracked = {{}}, track")
    for number, each in enumerate(ROWS):
        kernel.run_ok(setup + each.setup)
        replies[each.name] = reply = kernel.run(f"%%task {f'task_{number} {each.options}'.strip()}\n{each.cell}")
        assert reply.ename == ("SystemError" if stops else ""), f"{each.name}: {reply.evalue}\n{reply.traceback}"
        plain = f"{PLAIN}\n{each.cell.replace('async for', 'for')}"
        keep = f"outcomes[{each.name!r}] = [found, {each.gives}]\ntrack = tracked"
        if not stops:
            kernel.run_ok(f"found = {each.gives}\n{setup}{each.setup}\n{plain}\n{keep}")
    if stops:
        kernel.kill()
    return replies


STUCK = {
    "half a state": (
        "class Half(Model):\n"
        "  def __setstate__(self, state): self.__dict__.update(state)\n"
        "def fit(n):\n"
        "  m = Half()\n"
        "  for i in track(range(n), state=m): stop(i); m.w += i; m.steps.append(i)\n"
        "  return m.w, m.steps\n"
        "fitted = fit(8)",
        "not all of its state could be put back",
    ),
    "refusing": (
        "class Picky(Model):\n"
        "  def __setstate__(self, state): self.__dict__.update(state)\n"
        "  def load_state_dict(self, state): raise ValueError('size mismatch')\n"
        "def fit(n):\n"
        "  m = Picky()\n"
        "  for i in track(range(n), state=m): stop(i); m.w += i\n"
        "  return m.w\n"
        "fitted = fit(8)",
        "ValueError: size mismatch",
    ),
    "endless": (
        "def feed():\n  while True: yield np.array([coin()])\n"
        "t = []\nfor x in track(feed()):\n  stop(len(t)); t.append(1)\n  if len(t) == 8: break\nfitted = t",
        "what it goes through gives others now",
    ),
}


def test_what_cannot_be_put_back_whole_is_an_error_and_stays_kept(bare: Start, tmp_path: Path) -> None:
    stop = tmp_path / "stop.milepost"
    stop.touch()
    kernel = bare()
    setup = f"{SETUP}\nimport milepost.tracking.iterables as iterables\niterables.MOST_SKIPPED = 0"
    kernel.run_ok(setup)
    for number, (cell, _) in enumerate(STUCK.values()):
        assert kernel.run(f"%%task task_{number}\n{cell}").ename == "SystemError"
    kernel.kill()
    stop.unlink()
    kernel = bare()
    kernel.run_ok(setup)
    for number, (cell, says) in enumerate(STUCK.values()):
        for _ in range(2):
            reply = kernel.run(f"%%task task_{number}\n{cell}")
            assert (reply.ename, says in reply.evalue) == ("LoopNotResumed", True), reply
            assert f"%tasks forget task_{number}" in reply.evalue
        kernel.run_ok(f"%tasks forget task_{number}")
        kernel.run_ok(f"%%task task_{number}\n{cell}")


HALF = """class Half(Model):
  def __setstate__(self, state): self.__dict__.update(state)
class Stop(BaseException): pass
def end(item):
  if item == 5 and Path('stop.milepost').exists(): raise Stop
m = Half()"""
SWALLOWS = """%%task caught
def fit(n):
  own = Half()
  try:
    for i in track(range(n), state=own): end(i); own.w += i; own.steps.append(i)
  except Exception: pass
  return own.w, own.steps
fitted = fit(8)"""
OF_NOTEBOOK = """%%task theirs
def fit(m, n):
  for i in track(range(n), state=m): end(i); m.w += i; m.steps.append(i)
  return m.w, list(m.steps)
fitted = fit(m, 8)"""


def test_what_was_put_back_half_is_no_result_even_where_the_body_catches_that(bare: Start, tmp_path: Path) -> None:
    stop = tmp_path / "stop.milepost"
    stop.touch()
    kernel = bare()
    kernel.run_ok(f"{SETUP}\n{HALF}")
    for cell in (SWALLOWS, OF_NOTEBOOK):
        assert kernel.run(cell).ename == "Stop"
    kernel.kill()
    stop.unlink()
    kernel = bare()
    kernel.run_ok(f"{SETUP}\n{HALF}")
    for cell in (SWALLOWS, OF_NOTEBOOK):
        for _ in range(2):
            assert kernel.run(cell).ename == "LoopNotResumed"
    assert kernel.value("[m.w, m.steps]") == [0.0, [0]], "it is as it was"


VAIN = {
    "it has drawn random numbers for that": """%%task vain
random.seed(1)
t = []
for x in track(random.random() for _ in range(8)):
  t.append((x, random.random())); stop(len(t))""",
    "it has gone on with what it gave": """%%task vain
def fill():
  held = [0]
  for k in range(8): held[0] = (k, k > 2 and coin()); yield held
t = []
for x in track(fill()):
  t.append(x[0][0]); stop(len(t))""",
}


@pytest.mark.parametrize("why", VAIN)
def test_what_gave_items_in_vain_begins_anew_the_next_time(why: str, bare: Start, tmp_path: Path) -> None:
    stop, cell = tmp_path / "stop.milepost", VAIN[why]
    stop.touch()
    kernel = bare()
    kernel.run_ok(SETUP)
    assert kernel.run(cell).ename == "SystemError"
    kernel.kill()
    stop.unlink()
    kernel = bare()
    kernel.run_ok(SETUP)
    reply = kernel.run(cell)
    assert (reply.ename, f"{why}: run it again" in reply.evalue) == ("LoopNotResumed", True), reply
    kernel.run_ok(cell)
    kernel.run_ok(f"found = t\n{PLAIN}\n" + cell.partition("\n")[2])
    assert kernel.value("found == t")


def test_an_asynchronous_source_is_gone_through_and_not_kept(bare: Start) -> None:
    kernel = bare()
    kernel.run_ok(SETUP)
    source = "async def numbers():\n  for k in range(3): yield k\n"
    reply = kernel.run_ok(f"%%task later\n{source}t = []\nasync for k in track(numbers()): t.append(k)")
    assert "what it goes through is asynchronous" in "".join(reply.stamps)
    assert kernel.value("t") == [0, 1, 2]
