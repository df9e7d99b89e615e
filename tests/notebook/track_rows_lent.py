"""Loops whose items are lent: what gives them goes on with them, like folders to walk, or a buffer filled again."""

from __future__ import annotations

from .track_rows import Row, row

CHANGES = "it changes items that what gives them goes on with"
KEEPS = "it keeps items that what gives them goes on with"
TREE = "import os\nfor n in ['s1', 's2', 's3', 'e1', 'e2', 'e3', 'e4']: os.makedirs(f'tree/a/{n}/x', exist_ok=True)"
BUFFER = "def fill(n):\n  held = []\n  for k in range(n): held.append(k); yield held\nout = []\n"
FRESH = "def load(n):\n  for k in range(n):\n    one = np.full(3, float(k))\n    yield one\nout = []\n"
CHUNKS = """def chunks(items, n):
  part = []
  for x in items:
    part.append(x)
    if len(part) == n:
      yield part
      part = []
out = []
"""
FRAME = "import pandas as pd\ndf = pd.DataFrame({'g': list('aabbccddeeffgg'), 'v': range(14)})\nout = []\n"


def changes(name: str, cell: str, gives: str = "out", setup: str = "", warns: str = CHANGES) -> Row:
    return row(name, cell, gives, False, setup=setup, warns=warns)


LENT: list[Row] = [
    changes(
        "walk, with some struck out",
        "out = []\nfor root, dirs, files in track(os.walk('tree')):\n"
        "  dirs[:] = [d for d in dirs if not d.startswith('s')]\n  out.append(root); stop(len(out))",
        "sorted(out)",
        TREE,
    ),
    changes(
        "walk of a function",
        "def find():\n  found = []\n  for root, dirs, files in track(os.walk('tree'), state=found):\n"
        "    dirs[:] = [d for d in dirs if not d.startswith('s')]\n    found.append(root); stop(len(found))\n"
        "  return sorted(found)\nout = find()",
        "out",
        TREE,
    ),
    row(
        "walk",
        "out = []\nfor root, dirs, files in track(os.walk('tree')):\n  out.append(root); stop(len(out))",
        "sorted(out)",
        setup=TREE,
    ),
    changes("buffer emptied", f"{BUFFER}for b in track(fill(9)):\n  out.append(sum(b))\n  b[2:] = []; stop(len(out))"),
    row("buffer read", f"{BUFFER}for b in track(fill(9)):\n  out.append(sum(b)); stop(len(out))", "out"),
    changes(
        "buffer gathered",
        f"{BUFFER}for b in track(fill(9)):\n  out.append(b); stop(len(out))",
        "[len(b) for b in out]",
        warns=KEEPS,
    ),
    changes(
        "seldom",
        "out = []\nfor a, k in track(itertools.product([[0], [0]], range(8))):\n  if k == 4: a[0] += 10\n"
        "  out.append(a[0]); stop(k)",
    ),
    changes(
        "nodes that grow",
        "class Node:\n  def __init__(self, n): self.n, self.children = n, []\n"
        "def nodes(todo):\n  while todo:\n    one = todo.pop(0); yield one; todo += one.children\n"
        "out = []\nfor node in track(nodes([Node(0)])):\n  out.append(node.n); stop(node.n)\n"
        "  if node.n < 8: node.children.append(Node(node.n + 1))",
    ),
    changes(
        "buffer of an object",
        "class Env:\n  def __init__(self): self.seen = np.zeros(2)\n  def run(self):\n"
        "    for k in range(9): self.seen += 1; yield self.seen\n"
        "out = []\nfor seen in track(Env().run()):\n  out.append(float(seen.sum())); seen /= 10; stop(len(out))",
    ),
    row("its own each", f"{FRESH}for x in track(load(9)):\n  x /= 2; out.append(x.sum()); stop(len(out))", "out"),
    row(
        "gathered parts", f"{CHUNKS}for part in track(chunks(range(24), 3)):\n  out.append(part); stop(len(out))", "out"
    ),
    row(
        "groups",
        "out = {}\nfor key, group in track(itertools.groupby(range(24), key=lambda i: i // 3)):\n"
        "  out[key] = list(group); stop(key)",
        "out",
    ),
    row(
        "rows of a variable",
        "out = []\nfor k, one in track(enumerate(rows)):\n  out.append(one); stop(k)",
        "[[r.tolist() for r in out], out[2].base is rows.base]",
        setup="rows = np.arange(16.0).reshape(8, 2)",
    ),
    row(
        "groups of a frame",
        f"{FRAME}for key, part in track(df.groupby('g')):\n  out.append((key, part.v.sum(), part)); stop(len(out))",
        "[(key, int(total), part.v.tolist()) for key, total, part in out]",
    ),
    changes(
        "a frame that is changed by groups",
        f"{FRAME}for key, part in track(df.groupby('g')):\n  df['v'] += 1\n  out.append(len(part)); stop(len(out))",
        "[out, df.v.tolist()]",
        warns="it changes what it goes through",
    ),
    changes(
        "all variables",
        "def rows(n):\n  for k in range(n): square = k * k; yield locals()\n"
        "out = []\nfor r in track(rows(8)):\n  out.append(r['square']); stop(len(out))",
        warns="",  # every variable of the notebook counts
    ),
    changes(
        "texts, then a buffer",
        f"{BUFFER}for b in track(itertools.chain('abcdefghij', fill(12))):\n  out.append(len(b)); stop(len(out), 16)\n"
        "  if len(b) == 3: b.clear()",
    ),
]
