"""Loops that nothing is kept of: what they change or use up is held where no restore could put another in its place."""

from __future__ import annotations

from .track_rows import Row, row


def around(head: str, body: str, gives: str, warns: str, **more: str) -> Row:
    """A loop within a statement that holds what it changes."""
    nets = "nets = {k: Net() for k in 'abc'}\nc = 0\n"
    cell = f"{nets}{head}:\n  for i in track(range(4)):\n    {body}; c += 1; stop(c, 7)"
    return row(head, cell, gives, False, warns=warns, **more)


def function(name: str, before: str, body: str, gives: str, warns: str, **more: str) -> Row:
    """A loop of a function over eight numbers, with `s` as its state."""
    inside = body.replace("\n", "\n    ")
    loop = f"for i in track(range(8), state=s):\n    {inside}; stop(i)"
    cell = f"def fit():\n  {before}\n  {loop}\n  return {gives}\ngot = fit()"
    return row(name, cell, "got", False, warns=warns, **more)


WEIGHTS = "[n.w for n in nets.values()]"
HELD = "a `for` or `with` around it holds"
HIDDEN: list[Row] = [
    around("for net in nets.values()", "net.step(i)", WEIGHTS, HELD),
    around("for key, net in nets.items()", "net.step(i)", WEIGHTS, HELD),
    around("for net in list(nets.values())", "net.step(i)", WEIGHTS, HELD),
    around("for n, net in enumerate(nets.values())", "net.step(n)", WEIGHTS, HELD),
    row(
        "its own len",
        "nets, len, c = {k: Net() for k in 'abc'}, iter, 0\n"
        "try:\n  for net in len(nets.values()):\n    for i in track(range(4)):\n      net.step(i); c += 1; stop(c, 7)\n"
        "finally: del len",
        WEIGHTS,
        False,
        warns=HELD,
    ),
    row(
        "with around it",
        "class Open:\n"
        "  def __enter__(self): self.xs = []; return self\n"
        "  def __exit__(self, *error): out.extend(self.xs)\n"
        "out = []\nwith Open() as opened:\n  for i in track(range(8)):\n    opened.xs.append(i); stop(i)",
        "out[-8:]",
        False,
        warns=f"{HELD} 'opened'",
    ),
    row(
        "folder of a with",
        "t = []\nwith tempfile.TemporaryDirectory() as d:\n"
        "  for i in track(range(8)):\n    Path(d, str(i)).touch(); t.append(i); stop(i)\n"
        "  got = sorted(os.listdir(d))",
        "[t, got]",
        False,
        "the code before it made another 'd' than then",
        setup="import os, tempfile",
    ),
    row(
        "redirected",
        "out = io.StringIO()\n"
        "with contextlib.redirect_stdout(out):\n  for i in track(range(8)):\n    print(i); stop(i)",
        "out.getvalue()",
        False,
        warns="what it prints is redirected",
        setup="import contextlib, io",
    ),
    row(
        "pairs of a dict",
        "nets = {n: Net() for n in range(8)}\nfor n, net in track(nets.items()):\n  stop(n); net.step(1)",
        WEIGHTS,
        False,
        warns="changes what it goes through",
    ),
    row(
        "data of a loader",
        "class Loader:\n"
        "  def __init__(self, data): self.dataset = data\n"
        "  def __len__(self): return 8\n"
        "  def __iter__(self): yield from self.dataset\n"
        "data = [[n] for n in range(8)]\nfor item in track(Loader(data)):\n  stop(item[0]); item.append(1)",
        "data",
        False,
        warns="changes what it goes through",
    ),
    row(
        "set of texts",
        "t = []\nfor k in track({f'k{n}' for n in range(30)}):\n  stop(len(t)); t.append(k)",
        "sorted(t)",
        False,
        "gives others now, or in another order",
    ),
    row(
        "queue of a generator",
        "queue, seen = [9], []\ndef work():\n  while queue: yield queue.pop()\n"
        "for x in track(work()):\n  stop(len(seen)); seen.append(x)\n  if x: queue.append(x - 1)",
        "seen",
        False,
        warns="changes what it goes through",
    ),
    row(
        "queue of a function",
        "queue, seen = [9], []\n"
        "for x in track(iter(lambda: queue.pop() if queue else None, None)):\n"
        "  stop(len(seen)); seen.append(x)\n  if x: queue.append(x - 1)",
        "seen",
        False,
        warns="changes what it goes through",
    ),
    row(
        "number that a generator reads",
        "rate, t = 1.0, []\ndef rates():\n  while rate > 0.001: yield rate\n"
        "for x in track(rates()):\n  stop(len(t)); t.append(x); rate *= 0.5",
        "[t, rate]",
        False,
        warns="changes what it goes through",
    ),
    row(
        "loop of a generator",
        "def squares():\n  s = []\n  for i in track(range(8), state=s):\n    s.append(i); stop(i); yield i * i\n"
        "got = list(squares())",
        "got",
        False,
        warns="in a generator",
    ),
    function("swapped", "a, b = [1], [2]; s = [a, b]", "a, b = b, a; a.append(i)", "a, b", "gives its variable 'a'"),
    function(
        "swapped in the state",
        "a, b = [1], [2]; s = {'a': a, 'b': b}",
        "s['a'], s['b'] = s['b'], s['a']; s['a'].append(i)",
        "a, b, s",
        "'a' holds a part of `state` that the loop puts elsewhere",
    ),
    function("bound at times", "s = []", "s.append(i)\nif i == 2: x = i\npass", "s, x", "gives its variable 'x'"),
    function(
        "class within",
        "N = type('fit.<locals>.N', (), {}); s = {'n': N()}",
        "s['n'] = N(); s['n'].v = i",
        "s['n'].v",
        "a class within a function",
    ),
    function(
        "hashed",
        "h = hashlib.sha256(); s = []",
        "h.update(bytes([i])); s.append(i)",
        "h.hexdigest()",
        "the loop uses 'h'",
        setup="import hashlib",
    ),
    row(
        "hashed by an object",
        "class Log:\n  def __init__(self): self.h = hashlib.sha256()\n"
        "log = Log()\nfor i in track(range(8)):\n  log.h.update(bytes([i])); stop(i)",
        "log.h.hexdigest()",
        False,
        warns="the loop uses 'log'",
        setup="import hashlib",
    ),
    row(
        "written by a helper",
        "f = open('out.txt', 'w')\ndef put(x): f.write(str(x))\n"
        "def fit():\n  s = []\n  for i in track(range(8), state=s):\n    s.append(i); put(i); stop(i)\n"
        "fit(); f.close(); got = Path('out.txt').read_text()",
        "got",
        False,
        warns="the loop uses 'f'",
    ),
    function(
        "written by a closure",
        "f = io.StringIO(); s = []; put = lambda x: f.write(str(x))",
        "s.append(i); put(i)",
        "f.getvalue()",
        "the loop uses '<lambda>.f'",
        setup="import io",
    ),
    row(
        "notebook's number in the background",
        "def add(i):\n  global total\n  total += i\n"
        "def fit():\n  s = []\n  for i in track(range(8), state=s):\n    s.append(i); add(i); stop(i)\n  return total\n"
        "got = fit()",
        "got",
        False,
        warns="binds the notebook's 'total'",
        setup="total = 0",
        options="--on threads",
    ),
    row(
        "set in a module before it",
        "helper.rate = coin(); t = []\nfor i in track(range(8)):\n  t.append(helper.rate); stop(i)",
        "len(set(t))",
        False,
        "another module attribute 'helper.rate' than then",
        setup="import helper",
    ),
    row(
        "set in the environment before it",
        "os.environ['RATE'] = str(coin()); t = []\nfor i in track(range(8)):\n  t.append(os.environ['RATE']); stop(i)",
        "len(set(t))",
        False,
        "another environment variable 'RATE' than then",
        setup="import os",
    ),
    row(
        "folder gone after it",
        "try:\n  for i in track(range(8)):\n"
        "    os.makedirs('parts', exist_ok=True); Path(f'parts/{i}').touch(); stop(i)\n"
        "  got = sorted(os.listdir('parts'))\n"
        "finally: shutil.rmtree('parts')",
        "got",
        False,
        "is written anew, or gone",
        setup="import os, shutil",
    ),
    row(
        "class that reads a variable",
        "class Work:\n  def __iter__(self): return iter(data)\n"
        "data = [[n] for n in range(8)]\nfor x in track(Work()):\n  stop(x[0]); x.append(1)",
        "data",
        False,
        warns="changes what it goes through",
    ),
    row(
        "property that reads a variable",
        "rate, t = 1.0, []\n"
        "class Rates:\n"
        "  @property\n  def now(self): return rate\n"
        "  def all(self):\n    while self.now > 0.01: yield self.now\n"
        "for x in track(Rates().all()):\n  stop(len(t)); t.append(x); rate *= 0.5",
        "[t, rate]",
        False,
        warns="changes what it goes through",
    ),
    row(
        "generator that reads a module",
        "notes.count, t = 0, []\n"
        "def counts():\n  for i in range(8): yield notes.count\n"
        "for x in track(counts()):\n  stop(len(t)); t.append(x); notes.count += 2",
        "t",
        False,
        warns="changes what it goes through",
        setup="import notes",
    ),
    function(
        "met before",
        "ns = [Net() for _ in range(4)]; s = {'ns': ns, 'seen': set(), 'n': 0}",
        "x = ns[i % 4]\nif x not in s['seen']: s['seen'].add(x); s['n'] += 1\npass",
        "s['n']",
        "a key, a set or a new tuple in its state holds another part",
    ),
    function(
        "pair with a part",
        "net = Net(); s = {'net': net, 'best': None}",
        "net.step(i)\nif i == 2: s['best'] = (i, net)\npass",
        "s['best'][1] is net",
        "a key, a set or a new tuple in its state holds another part",
    ),
    function("function in the state", "s = []", "s.append(lambda: i)", "[f() for f in s]", "which has no name"),
    row(
        "held by a generator",
        "a = [0]\ndef hold(x):\n  yield x\ng = hold(a)\n"
        "for i in track(range(8)):\n  a.append(i); stop(i)\ngot = next(g) is a",
        "got",
        False,
        warns="'g' holds what it changes",
    ),
    row(
        "attribute of a module",
        "net = Net()\nnotes.best = net\nfor i in track(range(8)):\n  net.step(i); stop(i)",
        "[net.w, notes.best is net]",
        False,
        warns="a module holds what it changes",
        setup="import notes",
    ),
    row(
        "hides its content",
        "o = Locked(0)\ndef fit():\n  s = []\n"
        "  for i in track(range(8), state=s):\n    o.n += i; s.append(o.n); stop(i)\n  return s\n"
        "got = fit()",
        "got",
        False,
        warns="the loop changes 'o'",
    ),
    row(
        "number of a class in the background",
        "class K:\n  n = 0\n"
        "def fit():\n  s = []\n  for i in track(range(8), state=s):\n    K.n += i; s.append(K.n); stop(i)\n  return s\n"
        "got = fit()",
        "got",
        False,
        warns="the loop changes 'K'",
        options="--on threads",
    ),
    row(
        "as they are completed",
        "out = []\nwith ThreadPoolExecutor(2) as pool:\n"
        "  every = [pool.submit(pow, k, 2) for k in range(8)]\n"
        "  for f in track(as_completed(every)):\n    out.append(f.result()); stop(len(out))",
        "sorted(out)",
        False,
        warns="gives objects that nothing tells from others",
        setup="from concurrent.futures import ThreadPoolExecutor, as_completed",
    ),
]
