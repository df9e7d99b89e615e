"""Loops in tasks: a cell each, which ends at its sixth item in one kernel and goes on in another."""

from __future__ import annotations

from dataclasses import dataclass

SETUP = """
%load_ext milepost
import asyncio, functools, itertools, random, subprocess, sys, threading
from collections import deque
from pathlib import Path
import numpy as np
from milepost import progress, task, track
import milepost.notebook.midway.budget as budget
budget.SHARE = float('inf')  # each item is kept, whatever that takes
track = functools.partial(track, every=0)

def coin():  # another number in each kernel
    return random.SystemRandom().random()

def second():  # whether this is the second kernel: what another program reads, nobody sees
    return subprocess.call(['test', '-e', 'stop.milepost'])

def stop(item, at=5):
    if item == at and Path('stop.milepost').exists():
        raise SystemError('ends here')

class Noted(dict): pass
class Marked(np.ndarray): pass

class Slotted:
    __slots__ = ('n',)
    def __init__(self): self.n = 0
class Locked:
    def __init__(self, n): self.lock, self.n = threading.Lock(), n
    def __reduce__(self): raise TypeError('holds a lock')

class Model:
    def __init__(self): self.w, self.steps = 0.0, [0]
    def state_dict(self): return {'w': self.w}
    def load_state_dict(self, state): self.w = state['w']

class Net:
    def __init__(self): self.w = [0.0, 1.0]
    def step(self, x): self.w = [self.w[0] + x, self.w[1] * 1.5]
"""


@dataclass(frozen=True)
class Row:
    """A cell, what it comes to, and whether it goes on; `says` is in a note of its second run, `warns` of its first."""

    name: str
    cell: str
    gives: str
    goes_on: bool = True
    says: str = ""
    warns: str = ""
    setup: str = ""
    options: str = ""


def row(name: str, cell: str, gives: str, goes_on: bool = True, says: str = "", **more: str) -> Row:
    return Row(name, cell.strip(), gives, goes_on, says, **more)


GO_ON = [
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
    row(
        "another number",
        "rate, mode = coin(), True\nmode = coin() < 2\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(rate)",
        "len(set(t)) + (t[0] == rate)",
    ),
    row(
        "same object again",
        "mode = True\nmode = not second()\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(mode)",
        "len(set(t))",
        setup="mode = True",
    ),
    row(
        "from before",
        "for i in track(range(8)):\n  stop(i)\nlater = i",
        "later",
        setup="later = coin()",
    ),
    row(
        "subclasses",
        "def fit(n):\n"
        "  d, a, m = Noted(), np.zeros(2).view(Marked), Model()\n"
        "  d.n = a.n = 0\n"
        "  for i in track(range(n), state=[d, a, m]):\n"
        "    stop(i); d[i] = 1; d.n += 1; a += i; a.n += 2; m.w += i; m.steps.append(i)\n"
        "  return list(d), d.n, a.tolist(), a.n, m.w, m.steps\n"
        "fitted = fit(8)",
        "fitted",
    ),
    row(
        "left by a loop within",
        "t = []\nfor i in track(range(8)):\n  stop(i)\n"
        "  for j in range(3): lock = Locked(i + j)\n"
        "  t.append(lock.n)\nlast = lock.n",
        "[t, last]",
    ),
    row(
        "left by a loop within a function",
        "def fit(n):\n"
        "  t = []\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i)\n"
        "    for j in range(3): x = i * j\n"
        "    t.append(x)\n"
        "  return t, x\n"
        "fitted = fit(8)",
        "fitted",
    ),
    row(
        "parts that stay",
        "def fit(n):\n"
        "  state = {'t': [], 'best': np.float64(0), 'call': functools.partial(max, 3), 'when': Path('x')}\n"
        "  for i in track(range(n), state=state):\n"
        "    stop(i); state['t'].append(state['call'](i)); state['best'] += np.float64(i)\n"
        "  return state['t'], float(state['best'])\n"
        "fitted = fit(8)",
        "fitted",
    ),
    row(
        "closure of the state",
        "def fit(n):\n"
        "  t = {'n': 0}\n"
        "  def more(i): t['n'] += i\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); more(i); last = lambda: i\n"
        "  return t, last()\n"
        "fitted = fit(8)",
        "fitted",
    ),
    row(
        "file made in it",
        "for i in track(range(8)):\n  stop(i); n = Path('latest').write_text(str(i))\nlast = n",
        "last",
    ),
    row(
        "argument",
        "def fit(n, w):\n  for i in track(range(n), state=w):\n    stop(i); w[0] += i\nw = [0.0]\nfit(8, w)",
        "w",
    ),
    row(
        "best is the same",
        "def fit(n):\n"
        "  net = Net()\n"
        "  state = {'best': None, 'net': net}\n"
        "  for i in track(range(n), state=state):\n"
        "    stop(i); net.step(i)\n"
        "    if i == 1: state['best'] = net\n"
        "  return net.w, state['best'] is net\n"
        "fitted = fit(8)",
        "fitted",
    ),
    row(
        "drawn by a helper",
        "def draw():\n  global scale\n  scale = coin()\ndraw()\n"
        "t = []\nfor i in track(range(8)):\n  stop(i); t.append(scale)",
        "len(set(t))",
        setup="scale = 1.0",
    ),
    row(
        "moments and such",
        "run, at, mid = uuid.uuid4(), datetime.now(), (Path(f'{coin()}'), np.float64(coin()))\n"
        "t = []\nfor i in track(range(8)):\n  stop(i); t.append((run, at, mid))",
        "len(set(t))",
        setup="import uuid\nfrom datetime import datetime",
    ),
    row(
        "keys around it",
        "nets = {k: Net() for k in 'abc'}\nc = 0\n"
        "for key in nets:\n  for i in track(range(4)):\n    nets[key].step(i); c += 1; stop(c, 7)",
        "[n.w for n in nets.values()]",
    ),
    row(
        "sorted keys around it",
        "nets = {k: Net() for k in 'cab'}\nc = 0\n"
        "for key in sorted(nets):\n  for i in track(range(4)):\n    nets[key].step(i); c += 1; stop(c, 7)",
        "[n.w for n in nets.values()]",
    ),
    row(
        "numbers around it",
        "nets = [Net() for _ in 'abc']\nc = 0\n"
        "for k in range(len(nets)):\n  for i in track(range(4)):\n    nets[k].step(i); c += 1; stop(c, 7)",
        "[n.w for n in nets]",
    ),
    row(
        "fixed array in the state",
        "def fit():\n"
        "  x, t = np.arange(4.0), []\n"
        "  x.setflags(write=False)\n"
        "  for i in track(range(8), state={'x': x, 't': t}):\n    stop(i); t.append(float(x.sum()) + i)\n"
        "  return t\n"
        "got = fit()",
        "got",
    ),
    row(
        "rotated in the state",
        "def fit():\n"
        "  held = [np.zeros(2) for _ in range(3)]\n"
        "  for i in track(range(8), state={'held': held}):\n    stop(i); held.pop(0); held.append(np.full(2, i))\n"
        "  return [each.tolist() for each in held]\n"
        "got = fit()",
        "got",
    ),
    row("target left before it", "i = iter([])\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(i)", "t"),
    row(
        "lock of an object",
        "class Log:\n  def __init__(self): self.lock, self.xs = threading.RLock(), []\n"
        "log, t = Log(), []\nfor i in track(range(8)):\n  stop(i)\n  with log.lock: t.append(i)",
        "t",
    ),
    row(
        "object of a module",
        "t = []\nfor i in track(range(8)):\n  stop(i); t.append(helper.MISSING if i % 2 else i)",
        "[x is helper.MISSING for x in t]",
        setup="import helper",
    ),
    row(
        "list of a module in the state",
        "def fit():\n"
        "  notes.log.clear()\n"
        "  s = {'log': notes.log, 't': []}\n"
        "  for i in track(range(8), state=s):\n    s['log'].append(i); s['t'].append(len(notes.log)); stop(i)\n"
        "  return s['t'], s['log'] is notes.log\n"
        "got = fit()",
        "got",
        setup="import notes",
    ),
    row(
        "items of an argument",
        "def pick(rows):\n"
        "  out = {'kept': []}\n"
        "  for r in track(rows, state=out):\n    stop(r['n']); out['kept'].append(r)\n"
        "  return [a is b for a, b in zip(out['kept'], rows)]\n"
        "got = pick([{'n': n} for n in range(8)])",
        "got",
    ),
    row(
        "gathered from an iterator",
        "rows, out = [{'n': n} for n in range(8)], []\nfor n, r in track(enumerate(rows)):\n  stop(n); out.append(r)",
        "[a is b for a, b in zip(out, rows)]",
    ),
    row(
        "moment in the state",
        "def fit():\n"
        "  s = {'at': datetime.now(), 't': []}\n"
        "  for i in track(range(8), state=s):\n    stop(i); s['t'].append(s['at'])\n"
        "  return len(set(s['t']))\n"
        "got = fit()",
        "got",
        setup="from datetime import datetime",
    ),
    row(
        "unseeded generator in the state",
        "def fit():\n"
        "  s = {'rng': np.random.default_rng(), 'old': np.random.RandomState(), 't': []}\n"
        "  for i in track(range(8), state=s):\n    stop(i); s['t'].append((s['rng'].random(), s['old'].rand()))\n"
        "  return len(s['t'])\n"
        "got = fit()",
        "got",
    ),
    row(
        "state gone through around it",
        "def fit():\n"
        "  s = {'seed': 1, 'a': [], 'b': [], 'c': []}\n"
        "  s.pop('seed'); c = 0\n"
        "  for k, xs in s.items():\n"
        "    for i in track(range(4), state=s):\n      xs.append(i + c); stop(i + 10 * len(s['b']), 32)\n"
        "  return s\n"
        "got = fit()",
        "got",
    ),
    row(
        "held by a module, too",
        "a = [0]\nkept.things[:] = [a]\nfor i in track(range(8)):\n  a.append(i); stop(i)",
        "[a, kept.things[0] is a]",
        setup="import kept",
    ),
    row(
        "target of another name",
        "def fit():\n"
        "  a, n = [None] * 9, {'at': 0}\n"
        "  for a[n['at']] in track(range(8), state=[a, n]):\n    n['at'] += 1; stop(n['at'])\n"
        "  return a\n"
        "got = fit()",
        "got",
    ),
    row(
        "what runs the notebook",
        "net = Net()\nfor i in track(range(8)):\n  net.step(i); stop(i)",
        "net.w",
        setup="import logging\nip, h = get_ipython(), logging.StreamHandler()\nth = threading.Thread(target=print)",
    ),
    row(
        "written twice",
        "for i in track(range(8)):\n  Path('last').write_text(str(i)); stop(i)",
        "Path('last').read_text()",
        says="the item after that had begun to write",
    ),
    row(
        "files that it made",
        "t = []\nPath('made').mkdir(exist_ok=True)\nfor n in range(8): Path(f'made/{n}.txt').write_text(str(n))\n"
        "for path in track(sorted(Path('made').glob('*.txt'))):\n  t.append(path.read_text()); stop(len(t))",
        "t",
    ),
    row(
        "folder that it made",
        "t = []\nif not Path('built').exists():\n  Path('built').mkdir()\n"
        "  for n in range(8): Path(f'built/{n}').write_text(str(n))\n"
        "for path in track(sorted(Path('built').iterdir())):\n  t.append(path.read_text()); stop(len(t))",
        "t",
    ),
]
