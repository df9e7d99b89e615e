"""Loops in tasks that end in their middle and go on in another kernel come to what plain loops come to.

Each row is a cell of its own task. All of them end at their sixth item in one kernel, which is killed; another one runs
them to their end, and beside each the same cell with a plain loop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Start
from .kernel import Kernel, Reply

pytestmark = pytest.mark.slow

SETUP = """
%load_ext milepost
import asyncio, functools, itertools, random, sys
from collections import deque
from pathlib import Path
import numpy as np
from milepost import progress, task, track
import milepost.notebook.midway.budget as budget
budget.SHARE = float('inf')  # each item is kept, whatever that takes
track = functools.partial(track, every=0)

def stop(item, at=5):
    if item == at and Path('stop.milepost').exists():
        raise SystemError('ends here')

class Net:
    def __init__(self): self.w = [0.0, 1.0]
    def step(self, x): self.w = [self.w[0] + x, self.w[1] * 1.5]
"""
PLAIN = "\ndef track(items, **options): return items\n"


@dataclass(frozen=True)
class Row:
    """A cell, an expression for what it comes to, and whether it goes on; `says` is in a note of its second run."""

    name: str
    cell: str
    gives: str
    goes_on: bool = True
    says: str = ""
    setup: str = ""
    options: str = ""


def row(name: str, cell: str, gives: str, goes_on: bool = True, says: str = "", **more: str) -> Row:
    return Row(name, cell.strip(), gives, goes_on, says, **more)


ROWS = [
    row("list", "xs = []\nfor i in track(list('abcdefghij')):\n  stop(len(xs)); xs.append(i)\nn = len(xs)", "[xs, n]"),
    row("range", "t = 0\nfor i in track(range(3, 30, 3)):\n  stop(i, 18); t += i", "[t, i]"),
    row("mapping", "seen = {}\nfor k in track({c: 1 for c in 'abcdefgh'}):\n  stop(len(seen)); seen[k] = 1", "seen"),
    row(
        "generator",
        "def numbers(n):\n  for i in range(n): yield i * i\n"
        "t = []\nfor i in track(numbers(9)):\n  stop(i, 25); t.append(i)",
        "t",
        says="its generator was run again for the 5 items before",
    ),
    row(
        "seekable",
        "class Feed:\n"
        "  def __init__(self): self.n = 0; self.given = 0\n"
        "  def seek(self, n): self.n = n\n"
        "  def __iter__(self): return self\n"
        "  def __next__(self):\n"
        "    if self.n >= 9: raise StopIteration\n"
        "    self.n += 1; return self.n - 1\n"
        "t = []\nfor i in track(Feed()):\n  stop(i); t.append(i)",
        "t",
    ),
    row(
        "loader",
        "class Loader:\n"
        "  def __init__(self): self.dataset = list(range(40)); self.batch_size = 4\n"
        "  def __len__(self): return 10\n"
        "  def __iter__(self):\n"
        "    order = random.sample(self.dataset, 40)\n"
        "    for n in range(10): yield order[4 * n : 4 * n + 4]\n"
        "random.seed(7)\nseen = []\nfor batch in track(Loader()):\n"
        "  stop(len(seen)); seen.append(batch + [random.random()])",
        "seen",
    ),
    row("files", "n = []\nfor p in track(Path('d').glob('*')):\n  stop(len(n)); n.append(p.name)", "sorted(n)"),
    row("random", "random.seed(1)\nxs = []\nfor i in track(range(8)):\n  stop(i); xs.append(random.random())", "xs"),
    row(
        "numpy",
        "np.random.seed(4)\nrng = np.random.default_rng(2)\nw = np.zeros(3)\nfor i in track(range(8)):\n  stop(i)\n"
        "  w += np.random.normal(size=3) + rng.normal(size=3)",
        "w.tolist()",
    ),
    row(
        "alias",
        "w = np.zeros(2)\nparts = [w, w]\nfor i in track(range(8)):\n  stop(i); w += i",
        "[len(parts), parts[1].tolist()]",
    ),
    row(
        "shared",
        "w = np.zeros(2)\nsame = w\nfor i in track(range(8)):\n  stop(i); w += i\nsame[0] = -1",
        "[w.tolist(), same.tolist()]",
    ),
    row("input", "for i in track(range(8)):\n  stop(i); given.append(i)", "given", setup="given = []"),
    row("method", "net = Net()\nstep = net.step\nfor i in track(range(8)):\n  stop(i); step(i)", "net.w"),
    row("deleted", "gone = 1\nfor i in track(range(8)):\n  stop(i)\n  if i == 2: del gone", "'gone' in globals()"),
    row("late", "for i in track(range(8)):\n  stop(i)\n  if i == 1: best = i\n  last = i", "[best, last]"),
    row("todo", "todo = [8, 3]\nfor n in track(todo):\n  stop(len(todo), 6)\n  if n: todo.append(n - 1)", "todo"),
    row(
        "items",
        "nets = [Net() for _ in range(8)]\nfor n, net in zip(itertools.count(), []): pass\nfor net in track(nets):\n  "
        "stop(sum(n.w[0] for n in nets)); net.step(1)",
        "[n.w for n in nets]",
    ),
    row(
        "nested",
        "log = []\nfor a in track(range(3)):\n  log.append(-a)\n"
        "  for b in track(range(6)):\n    stop(len(log), 11); log.append(b)",
        "log",
    ),
    row(
        "in a row",
        "log = []\nfor a in track(range(4)): log.append(a)\n"
        "log.append('then')\nfor b in track(range(9)):\n  stop(b); log.append(b)",
        "log",
    ),
    row(
        "plain around",
        "log = []\nfor fold in range(3):\n  score = fold\n"
        "  for b in track(range(6)):\n    stop(len(log), 9); score += b; log.append(score)",
        "[log, fold, score]",
    ),
    row("break", "for i in track(range(20)):\n  stop(i)\n  if i == 7: break", "i"),
    row("else", "n = 0\nfor i in track(range(8)):\n  stop(i); n += i\nelse:\n  n = -n", "n"),
    row("named", "w = 1\nfor i in track(range(8), state=['w']):\n  stop(i); w *= 2", "w"),
    row("held", "held = {'w': 1}\nfor i in track(range(8), state=held):\n  stop(i); held['w'] *= 2", "held"),
    row("coroutine", "t = []\nfor i in track(range(8)):\n  stop(i); await asyncio.sleep(0); t.append(i)", "t"),
    row("async for", "t = []\nasync for i in track(range(8)):\n  stop(i); t.append(i)", "t"),
    row("printed", "print('before')\nfor i in track(range(8)):\n  stop(i); print('item', i)\nt = i", "t"),
    row("background", "t = []\nfor i in track(range(8)):\n  stop(i); t.append(i)", "t", options="--on threads"),
    row(
        "function",
        "def fit(n):\n"
        "  net, w, log = Net(), np.zeros(2), deque()\n"
        "  held = w\n"
        "  for i in track(range(n), state={'net': net, 'w': w, 'log': log}):\n"
        "    stop(i); net.step(i); w += i; log.append(i); loss = w.sum()\n"
        "  return net.w, held.tolist(), list(log), float(loss)\n"
        "fitted = fit(8)",
        "fitted",
    ),
    row(
        "another best",
        "def fit(n):\n"
        "  w = np.zeros(2)\n"
        "  state = {'best': w, 'w': w}\n"
        "  for i in track(range(n), state=state):\n"
        "    stop(i); w += i\n"
        "    if i == 2: state['best'] = w.copy()\n"
        "  return w.tolist(), state['w'].tolist(), state['best'].tolist()\n"
        "fitted = fit(8)",
        "fitted",
    ),
    # Those that must not go on, and say why.
    row("comprehension", "xs = [stop(i) or i for i in track(range(8))]", "xs", False),
    row("counted", "xs = []\nfor n, i in enumerate(track(range(8))):\n  stop(i); xs.append(n)", "xs", False),
    row(
        "unsaveable",
        "import threading\nn = 0\nheld = 0\nfor i in track(range(8)):\n"
        "  held = threading.Lock() if not held else held\n"
        "  stop(i); n += i",
        "n",
        False,
    ),
    row(
        "used up",
        "feed = (i * i for i in range(9))\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(next(feed))",
        "t",
        False,
    ),
    row(
        "by iterator",
        "nets = [Net() for _ in range(8)]\nfor i, net in track(enumerate(nets)):\n  stop(i); net.step(i)",
        "[n.w for n in nets]",
        False,
    ),
    row(
        "forgotten",
        "def fit(n):\n"
        "  w, best = np.zeros(2), 0\n"
        "  for i in track(range(n), state=w):\n"
        "    stop(i); w += i; best = max(best, i)\n"
        "  return best\n"
        "best = fit(8)",
        "best",
        False,
    ),
    row(
        "also changed",
        "def fit(n):\n"
        "  w, log = np.zeros(2), []\n"
        "  for i in track(range(n), state=w):\n"
        "    stop(i); w += i; log.append(i)\n"
        "  return log\n"
        "log = fit(8)",
        "log",
        False,
    ),
    row(
        "of the caller",
        "def step(w, log, n):\n  for i in track(range(n), state=w):\n    stop(i); w += i; log()\n"
        "def fit(n):\n  w, log = np.zeros(2), []\n  step(w, lambda: log.append(1), n)\n  return len(log), w.tolist()\n"
        "fitted = fit(8)",
        "fitted",
        False,
    ),
    row(
        "at once",
        "seen = []\nasync def part(n):\n  for i in track(range(8), state=seen):\n    await asyncio.sleep(0)\n"
        "    stop(len(seen), 9); seen.append(n)\nawait asyncio.gather(part(1), part(2))",
        "sorted(seen)",
        False,
    ),
    row(
        "another start",
        "noise = [random.SystemRandom().random()]\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(noise[0])",
        "len(set(t))",
        False,
        "the code before it made another 'noise' than then",
    ),
    row(
        "file read",
        "t = []\nfor i in track(range(8)):\n  stop(i); t.append(Path('data').read_text())",
        "t",
        False,
        "'data', which it read, is another one now",
    ),
]
WARNED = {
    "comprehension": "is not a `for` statement",
    "counted": "is not a `for` statement",
    "unsaveable": "'held' cannot be saved",
    "used up": "the loop uses 'feed'",
    "by iterator": "changes what it goes through",
    "forgotten": "gives its variable 'best' another value",
    "also changed": "the loop changes 'log'",
    "at once": "at the same time",
    "of the caller": "the loop changes 'log'",
}


def test_loops_go_on_as_if_nothing_had_happened(bare: Start, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for name in "abcdefgh":
        (tmp_path / "d" / name).touch()
    (tmp_path / "data").write_text("old")
    (tmp_path / "stop.milepost").touch()
    first = run_all(bare(), tmp_path)
    (tmp_path / "stop.milepost").unlink()
    (tmp_path / "data").write_text("new")
    kernel = bare()
    second = run_all(kernel, tmp_path)
    outcomes = kernel.value("outcomes")
    for each in ROWS:
        assert outcomes[each.name][0] == outcomes[each.name][1], each.name
        notes = "\n".join(second[each.name].stamps)
        assert ("goes on after item" in notes) is each.goes_on, f"{each.name}: {notes}"
        assert each.says in notes, each.name
        assert WARNED.get(each.name, "") in "\n".join(first[each.name].stamps), each.name
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
