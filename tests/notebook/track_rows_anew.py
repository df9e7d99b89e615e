"""Loops that begin anew in another kernel, as they must: with a word of why, where one can be said."""

from __future__ import annotations

from .track_rows import Row, row

WORK = """
class Work:
  def __init__(self, n): self.items = ['a'] * n
  def __iter__(self):
    while self.items: yield self.items.pop(0)
"""
ANEW: list[Row] = [
    row(
        "takes from itself",
        f"{WORK}work = Work(12)\nt = []\nfor i in track(work):\n  stop(len(t)); t.append(i)",
        "len(t)",
        False,
        warns="it changes what it goes through",
    ),
    row(
        "todo of a function",
        "def crawl():\n"
        "  todo, seen = [8, 3], []\n"
        "  for n in track(todo, state=[todo, seen]):\n"
        "    stop(len(todo), 6); seen.append(n)\n"
        "    if n: todo.append(n - 1)\n"
        "  return todo, seen\n"
        "got = crawl()",
        "got",
        False,
        warns="it changes what it goes through",
    ),
    row(
        "only once",
        "class Lines:\n"
        "  def __init__(self, items): self.items = (x for x in items)\n"
        "  def __iter__(self): return self.items\n"
        "t = []\nfor x in track(Lines([str(second())] * 8)):\n  stop(len(t)); t.append(x)",
        "len(t)",
        False,
        "gives others now",
    ),
    row(
        "view of a dict",
        "t = []\nfor k, n in track({f'{coin()}': n for n in range(8)}.items()):\n  stop(n); t.append(k)",
        "len(t)",
        False,
        "gives others now",
    ),
    row(
        "number of a helper",
        "def draw():\n  global number\n  number = 1 - second()\n"
        "def go():\n"
        "  draw(); t = []\n"
        "  for i in track(range(8), state=t):\n    stop(i); t.append(number)\n"
        "  return t\n"
        "got = go()",
        "len(set(got))",
        False,
        "another 'number' than then",
        setup="number = 0",
    ),
    row(
        "notebook's list before",
        "def fit(n):\n"
        "  held[0] = coin(); t = []\n"
        "  for i in track(range(n), state=t):\n    stop(i); t.append(held[0])\n"
        "  return t\n"
        "fitted = fit(8)",
        "len(set(fitted))",
        False,
        "another 'held' than then",
        setup="held = [0]",
    ),
    row(
        "default of a function",
        "def fit(n):\n"
        "  def step(i, memo=[0]): memo[0] += i; return memo[0]\n"
        "  t = []\n"
        "  for i in track(range(n), state=t):\n    stop(i); t.append(step(i))\n"
        "  return t\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop changes 'step.0'",
    ),
    row(
        "attribute of a function",
        "def fit(n):\n"
        "  def step(i): step.n += i; return step.n\n"
        "  step.n, t = 0, []\n"
        "  for i in track(range(n), state=t):\n    stop(i); t.append(step(i))\n"
        "  return t\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop gives 'step.n' another value",
    ),
    row(
        "local class",
        "def fit(n):\n"
        "  class Count: n = 0\n"
        "  t = []\n"
        "  for i in track(range(n), state=t):\n    stop(i); Count.n += i; t.append(Count.n)\n"
        "  return t\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop changes 'Count'",
    ),
    row(
        "read through a closure",
        "def fit(n):\n"
        "  total, t = 0, []\n"
        "  def current(): return total\n"
        "  for i in track(range(n), state=t):\n    stop(i); total = current() + i; t.append(total)\n"
        "  return t\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop gives 'current.total' another value",
    ),
    row(
        "part of a part",
        "def fit(n):\n"
        "  state = {'pair': Pair([], 0)}\n"
        "  for i in track(range(n), state=state):\n    stop(i); state['pair'].a.append(i)\n"
        "  return state['pair'].a\n"
        "fitted = fit(8)",
        "fitted",
        False,
        setup="from collections import namedtuple\nPair = namedtuple('Pair', 'a b')",
        warns="state['pair'] is a Pair, which cannot be changed in place",
    ),
    row(
        "folder cleared before it",
        "shutil.rmtree('out', ignore_errors=True)\nPath('out').mkdir()\n"
        "for i in track(range(8)):\n  stop(i); n = Path(f'out/{i}').write_text(str(i))\n"
        "got = sorted(p.name for p in Path('out').iterdir())",
        "got",
        False,
        "or gone",
        setup="import shutil",
    ),
    row(
        "by a closure",
        "def make():\n"
        "  held = [0]\n"
        "  def more(i): held[0] += i; return held[0]\n"
        "  return more\n"
        "def fit(n):\n"
        "  more, t = make(), []\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(more(i))\n"
        "  return t\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop changes 'more.held'",
    ),
    row(
        "by a nonlocal name",
        "def fit(n):\n"
        "  t, count = [], 0\n"
        "  def more():\n"
        "    nonlocal count\n"
        "    count += 1\n"
        "    return count\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(more())\n"
        "  return t\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop gives its variable 'count' another value",
    ),
    row(
        "notebook's list in the background",
        "def fit(n):\n"
        "  t = []\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(i); given.append(i)\n"
        "  return t, len(given)\n"
        "fitted = fit(8)",
        "fitted",
        False,
        setup="given = []",
        options="--on threads",
        warns="the loop changes 'given'",
    ),
    row(
        "file begun before it",
        "with open('log', 'w') as f: f.write('first')\n"
        "for i in track(range(8)):\n"
        "  stop(i)\n"
        "  with open('log', 'a') as f: print(i, file=f)\n"
        "text = Path('log').read_text()",
        "text",
        False,
        "'log' is written anew, or gone",
    ),
    row(
        "left before it",
        "def fit(n):\n"
        "  t, x = [], -1\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i)\n"
        "    for j in range(n - i if i < 3 else 0): x = i * j\n"
        "    t.append(x)\n"
        "  return t, x\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="gives its variable 'x' another value",
    ),
    row(
        "part that changes",
        "def fit(n):\n"
        "  state = {'n': Slotted(), 't': []}\n"
        "  for i in track(range(n), state=state):\n"
        "    stop(i); state['n'].n += i\n"
        "  return state['n'].n\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="state['n'] is a Slotted, which cannot be changed in place",
    ),
    row(
        "number of a function",
        "def fit(n):\n"
        "  t, rate = [], coin()\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(rate)\n"
        "  return t\n"
        "fitted = fit(8)",
        "len(set(fitted))",
        False,
        "the code before it made another 'rate' than then",
    ),
    row(
        "number of an argument",
        "def fit(n, rate):\n"
        "  t = []\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(rate)\n"
        "  return t\n"
        "fitted = fit(8, coin())",
        "len(set(fitted))",
        False,
        "the code before it made another 'rate' than then",
    ),
    row(
        "number of a caller",
        "def step(t, n):\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(i)\n"
        "  return t\n"
        "def fit(n):\n"
        "  rate = coin()\n"
        "  t = [rate]\n"
        "  return t[0] == rate and len(step([], n))\n"
        "fitted = fit(8)",
        "fitted",
        False,
        "the code before it made another 'rate' than then",
    ),
    row(
        "number of the cell",
        "rate = coin()\n"
        "def fit(n):\n"
        "  t = []\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i); t.append(rate)\n"
        "  return t\n"
        "fitted = fit(8)",
        "len(set(fitted))",
        False,
        "the code before it made another 'rate' than then",
    ),
    row(
        "more than then",
        "def fit(n):\n"
        "  t = []\n"
        "  if second(): more = 1\n"
        "  for i in track(range(n), state=t):\n"
        "    stop(i)\n"
        "    try: t.append(more)\n"
        "    except NameError: t.append(0)\n"
        "  return t\n"
        "fitted = fit(8)",
        "len(set(fitted))",
        False,
        "the code before it made another 'more' than then",
    ),
    row(
        "another statement",
        "t = []\nif second():\n  for i in track(range(8)): t.append(-i)\n"
        "else:\n  for i in track(range(8)):\n    stop(i); t.append(i)",
        "t",
        False,
        "it is another loop",
    ),
    row(
        "input in place",
        "noise.append(coin())\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(noise[-1])",
        "len(set(t))",
        False,
        "the code before it made another 'noise' than then",
        setup="noise = []",
    ),
    row(
        "other numbers",
        "def feed():\n  while True: yield coin()\n"
        "t = []\nfor i, x in track(zip(range(8), feed())):\n  stop(i); t.append(x)",
        "len(set(t))",
        False,
        "gives others now",
    ),
    row(
        "other arrays",
        "def feed():\n  for i in range(8): yield np.array([i, coin()])\n"
        "t = []\nfor x in track(feed()):\n  stop(x[0]); t.append(x[1])",
        "len(set(t))",
        False,
        "gives others now",
    ),
    row(
        "others of a class",
        "class Feed:\n  def __iter__(self): return iter([(i, coin()) for i in range(8)])\n"
        "t = []\nfor i, x in track(Feed()):\n  stop(i); t.append(x)",
        "len(set(t))",
        False,
        "gives others now",
    ),
    row("comprehension", "xs = [stop(i) or i for i in track(range(8))]", "xs", False, warns="is not a `for` statement"),
    row(
        "counted",
        "xs = []\nfor n, i in enumerate(track(range(8))):\n  stop(i); xs.append(n)",
        "xs",
        False,
        warns="is not a `for` statement",
    ),
    row(
        "unsaveable",
        "n = 0\nheld = 0\nfor i in track(range(8)):\n"
        "  held = threading.Lock() if not held else held\n"
        "  stop(i); n += i",
        "n",
        False,
        warns="'held' cannot be saved",
    ),
    row(
        "used up",
        "feed = (i * i for i in range(9))\nt = []\nfor i in track(range(8)):\n  stop(i); t.append(next(feed))",
        "t",
        False,
        warns="the loop uses 'feed'",
    ),
    row(
        "by iterator",
        "nets = [Net() for _ in range(8)]\nfor i, net in track(enumerate(nets)):\n  stop(i); net.step(i)",
        "[n.w for n in nets]",
        False,
        warns="changes what it goes through",
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
        warns="gives its variable 'best' another value",
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
        warns="the loop changes 'log'",
    ),
    row(
        "of the caller",
        "def step(w, log, n):\n  for i in track(range(n), state=w):\n    stop(i); w += i; log()\n"
        "def fit(n):\n  w, log = np.zeros(2), []\n  step(w, lambda: log.append(1), n)\n  return len(log), w.tolist()\n"
        "fitted = fit(8)",
        "fitted",
        False,
        warns="the loop changes '<lambda>.log'",
    ),
    row(
        "at once",
        "seen = []\nasync def part(n):\n  for i in track(range(8), state=seen):\n    await asyncio.sleep(0)\n"
        "    stop(len(seen), 9); seen.append(n)\nawait asyncio.gather(part(1), part(2))",
        "sorted(seen)",
        False,
        warns="at the same time",
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
