"""Notebooks that nobody prepared, and where they could go wrong: each row is killed and run again, with auto on.

As in the table of marked cells, what the resumed kernel computes and shows has to be what an uninterrupted one does;
`restored` says which cells must come back without running, so that nothing is lost either. No cell counts as cheap
here but in the rows that say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fidelity.conftest import Server
from tests.fidelity.test_fidelity import Story, marks_of, seen
from tests.fidelity.trap import Trap, trap

pytestmark = pytest.mark.slow

ROW = ("import numpy as np\nx = np.zeros(3, [('a', 'i4')])\nr = x[1:][0]", "r['a'] += 5", "s = int(x['a'].sum())")
LONG = "sum(range(2_000_000))"  # long enough for a look at what it does not name

ROWS: list[tuple[Trap, tuple[int, ...]]] = [
    # what is done to libraries
    (
        trap(
            "a class registered with a library",
            "import pandas as pd",
            "@pd.api.extensions.register_series_accessor('mine')\nclass Mine:\n    def __init__(self, s): self.s = s",
            "x = pd.Series([1]).mine.s.tolist()",
        ),
        (2,),
    ),
    (
        trap(
            "a method of what a library holds",
            "import matplotlib as mpl",
            "mpl.colormaps.register(mpl.colors.ListedColormap(['red'], name='mine'), force=True)",
            "x = 'mine' in mpl.colormaps",
        ),
        (2,),
    ),
    # how inputs hang together
    (
        trap("two names for one list", "a = [1]\nb = a", "a.append(2)", "n = sum(b)"),
        (0, 1, 2),
    ),
    (
        trap(
            "two names for one list, then two lists",
            "a = [1]\nb = a",
            "a.append(2)",
            "n = sum(b)",
            edit=("b = a", "b = [1]"),
        ),
        (),
    ),
    (
        trap(
            "a list in a dict, then an equal one",
            "a = [1]\nd = {'a': a}",
            "a.append(len(a))",
            "n = len(d['a'])",
            edit=("{'a': a}", "{'a': [1]}"),
        ),
        (),
    ),
    (
        trap(
            "an alias that no cell names changes with its list",
            "a = [1]\nb = [a]",
            "c = 5",
            "a.append(2)",
            "n = b[0][-1]",
            edit=("c = 5", "c = 6"),
        ),
        (0, 2, 3),
    ),
    (
        trap(
            "two views, then copies",
            "import numpy as np\nx = np.arange(6)\ny = x[2:]",
            "x += 1",
            "s = int(y.sum())",
            edit=("x[2:]", "x[2:].copy()"),
        ),
        (),
    ),
    (
        trap("a view of an array", "import numpy as np\nx = np.arange(6)\ny = x[2:]", "x += 1", "s = int(y.sum())"),
        (0, 1, 2),
    ),
    (
        trap(
            "the default of a function",
            "def f(x, seen=[]):\n    seen.append(x)\n    return len(seen)",
            "n = f(1)",
            "m = f(2)",
        ),
        (1, 2),
    ),
    (
        trap("a method of a list", "x = [1]\nadd = x.append", "add(5); n = 1", "y = sum(x)"),
        (0, 1, 2),
    ),
    (
        trap("a row of a structured array", *ROW),
        (0, 1, 2),
    ),
    (
        trap("an item set between two long cells", "d = {'a': 1}", f"x = {LONG}", "d['a'] = 5", f"y = 1 + {LONG}"),
        (1, 3),
    ),
    (
        trap(
            "what holds a changed list goes on holding another",
            "e = [1]\nd = [2]\nc = [e, d]",
            "d.append(3); n = 1",
            "e.append(5); m = 1",
            "s = sum(c[0])",
        ),
        (0, 1, 2, 3),
    ),
    (
        trap(
            "the context of decimal",
            "import decimal\nc = decimal.getcontext()\nx = c.prec + 1",
            "c.prec = int(3)",
            "y = decimal.Decimal(1) / 3",
            same="c is decimal.getcontext()",
            ignore=["c"],
        ),
        (0, 1, 2),
    ),
    # other cells' doing is not this cell's
    (
        trap(
            "an earlier cell changes what a later one does not name",
            "x = []",
            "x.append(1)",
            "y = sum(range(10))",
            edit=("x.append(1)", "x.append(2)"),
        ),
        (2,),
    ),
    (
        trap("a deleted cell", "x = [1]", "x.append(2)", "y = len(x)", now=["x = [1]", "y = len(x)"]),
        (),
    ),
    (
        trap("cells in another order", "x = [1]\ny = []", "x.append(2)", "y.extend(x)", order=(0, 2, 1)),
        (1,),
    ),
    (
        trap("a cell that ran twice", "x = [1]\nx.clear()", "x.append(2)", "y = len(x)", order=(0, 1, 1, 2)),
        (0, 1),
    ),
    (
        trap(
            "a name that is not there yet",
            "try:\n    n = cache['n'] + 1\nexcept NameError:\n    n = 0",
            "cache = {'n': n}",
        ),
        (0, 1),
    ),
    (
        trap("a name that was deleted", "x = [1]\nx += x", "del x", "try:\n    x\nexcept NameError:\n    y = 1"),
        (0, 1, 2),
    ),
    # what leaves more behind than variables
    (
        trap(
            "a setting of a library",
            "import textwrap, jinja2.defaults as defaults\nimport jinja2\njinja2.clear_caches()\ny = 1",
            "z = y + 1",
        ),
        (1,),
    ),
    (
        trap("a recursion limit", "import sys\nsys.setrecursionlimit(1234)", "n = sys.getrecursionlimit()"),
        (1,),
    ),
    (
        trap(
            "a setting in a helper",
            "import sys\ndef prepare():\n    sys.setrecursionlimit(1300)",
            "prepare()\nx = [1] * 3",
            "n = sys.getrecursionlimit()",
        ),
        (2,),
    ),
    (
        trap("an observer of the shell", "get_ipython().user_ns['hidden'] = 4\nx = sum([1])", "y = hidden + x"),
        (1,),
    ),
    (
        trap(
            "a callback that changes a list",
            "import logging\nseen = []\n"
            "class H(logging.Handler):\n    def emit(self, r):\n        seen.append(r.getMessage())\n"
            "log = logging.getLogger('auto-row')\nlog.setLevel(10)\nlog.addHandler(H())",
            "log.info('a')\nx = sum([1])",
            "y = list(seen)",
            ignore=["log"],
        ),
        (1, 2),
    ),
    (
        trap(
            "a method called modules",
            "class Net:\n    def modules(self): return iter([1, 2])\n    def size(self): return sum(self.modules())",
            "n = Net()\nx = n.size()",
            "import sys\ny = 'textwrap' in sys.modules",
        ),
        (1,),
    ),
    (
        trap(
            "a function whose name begins like that of a setting",
            "import scipy.sparse.csgraph as graph\nimport numpy as np",
            "n, _ = graph.connected_components(np.eye(3))",
            needs=["scipy"],
        ),
        (1,),
    ),
    # what is shown, and the history
    (
        trap("the last value", "[1, 2, 3]", "n = len(_)", "x = Out[1]\nx.append(4)", "Out[1]"),
        (0, 1, 3),
    ),
    (
        trap("a last value that changes and is shown again", "[1]\n", "_.append(2)\n5", "_", "_1"),
        (0, 2, 3),
    ),
    (
        trap("a last value that is read", "slow = [1]\nslow", "n = len(_)\nn + 1", "_ + 1"),
        (0, 1, 2),
    ),
    (
        trap("a quiet cell", "x = [5]; x", "x.append(6); x;", "x"),
        (0, 1, 2),
    ),
    (
        trap("a last value that is a variable", "x = [1]\nx", "_.append(2)\nx", "n = len(x)", same="_1 is x"),
        (0, 1, 2),
    ),
    (
        trap("a loop over _", "for _ in range(3): pass\nx = 1", "y = _ + x\ny", "z = _"),
        (0, 1, 2),
    ),
    (
        trap("a private name", "__x = [1]\n__x.append(2)", "y = sum(__x)", same="__x"),
        (0, 1),
    ),
    # what goes on after a cell
    (
        trap(
            "a thread that goes on",
            "import threading, time\nx = []\ndone = threading.Event()",
            "def work():\n    done.wait(9)\n    x.append(1)\nt = threading.Thread(target=work)\nt.start()\ny = 1",
            "n = len(x)",
            "done.set()\nt.join()\nm = len(x)",
            ignore=["t", "done"],
        ),
        (2,),
    ),
    (
        trap(
            "a value that answers to no attribute",
            "class C(dict):\n    def __getattr__(self, name):\n        return self[name]\nc = C(a=[1])",
            "c.a.append(2)\nd = C(c)",
            "n = len(d.a)",
        ),
        (0, 1, 2),
    ),
    (
        trap(
            "a counter in a function",
            "def make(n=0):\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return up\n"
            "up = make()",
            "a = up()",
            "b = up()",
        ),
        (0, 1, 2),
    ),
    (
        trap(
            "a class that counts",
            "class A:\n    made = 0\n    def __init__(self):\n        A.made += 1\na = A()",
            "b = A()",
            "n = A.made",
        ),
        (0, 1, 2),
    ),
    (
        trap(
            "an iterator that goes on",
            "it = iter([1, 2, 3])",
            "a = next(it)",
            "b = next(it)",
        ),
        (0, 1, 2),
    ),
    (
        trap(
            "a database in memory",
            "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t(n)')\nx = 1 + 1",
            "c.execute('insert into t values (5)')\ny = x * 2",
            "n = c.execute('select sum(n) from t').fetchone()[0]",
            ignore=["c"],
        ),
        (),
    ),
    # what differs from run to run
    (
        trap(
            "a set of texts",
            "words = list({f'w{i}' for i in range(50)})",
            "n = words.index('w7')",
            "n - words.index('w7')",
        ),
        (0, 1, 2),
    ),
    (
        trap("an unseeded draw", "import random\nx = random.random()", "y = x * 2", "y - 2 * x", ignore=["x", "y"]),
        (0, 1, 2),
    ),
    # files
    (
        trap(
            "a log that grows",
            "open('log', 'w').write('')\nx = 1 + 1",
            "with open('log', 'a') as f:\n    n = f.write('a')\ndel f",
            "with open('log') as f:\n    s = f.read()\ndel f",
        ),
        (2,),
    ),
    (
        trap(
            "a program",
            "import subprocess\nsubprocess.run(['touch', 'made'])\nx = 1 + 1",
            "import os\ny = os.path.exists('made')",
        ),
        (1,),
    ),
]


@pytest.mark.parametrize(
    ("row", "restored"), [pytest.param(*row, id=row[0].name, marks=marks_of(row[0])) for row in ROWS]
)
def test_a_notebook_that_nobody_prepared_goes_on(
    row: Trap, restored: tuple[int, ...], servers: tuple[Server, Server], tmp_path: Path
) -> None:
    story = Story(row, servers, tmp_path, auto=True)
    for cells in row.sessions:
        story.killed(cells)
    resumed, plain = story.resumed(), story.plain()
    assert seen(resumed) == seen(plain)
    assert resumed[-1]["values"] == plain[-1]["values"]
    assert _restored(resumed) == restored, [part.get("tasks") for part in resumed]


def _restored(told: list[dict[str, Any]]) -> tuple[int, ...]:
    """The places of the cells that came back."""
    cells = [part for part in told if "cell" in part]
    return tuple(place for place, part in enumerate(cells) if any(task["restored"] for task in part["tasks"]))
