"""What a task changes, and that goes on holding objects of variables which the task does not read."""

from __future__ import annotations

from tests.fidelity.rows.changes import FRAME, NUMPY, change
from tests.fidelity.trap import trap

PAIR = "d = [1]\ne = [2]\nc = [d, e]"
OBJECT = "class O: pass\no = O()\no.d = d = [1]\no.e = e = [2]"
SAME = ("c[0] is d", "c[1] is e")
GOES_ON = "c[0].append(5)\nc[1].append(6)"
OTHER_LISTS = ("p = [1]\nx = [p]", "p = [5]\nx = [[1]]")
COPIED = ("x = [p]", "x = [[1]]")
HIDDEN = """class A:
    def __init__(self, d):
        self.d = d
    def __reduce__(self):
        return A, ([],)
d = [1]
a = A(d)"""
LOG = """import logging
log = []
class H(logging.Handler):
    def emit(self, record):
        log.append(record.getMessage())
logging.getLogger('x').addHandler(H())"""
CALLBACK = "a callback of a library, beyond the reach of a cheap cell"

ROWS = [
    change("a list of lists, to which one is appended", PAIR, "c.append(3)", *SAME, after=GOES_ON),
    change("a list in a list", PAIR, "d.append(3)", *SAME, after=GOES_ON),
    change(
        "a list in a list that has no other name",
        "e = [2]\nc = [[1], e]",
        "c[0].append(3)",
        "c[1] is e",
        after="e[0] = 6",
    ),
    change(
        "an attribute of an object", OBJECT, "d.append(3)", "o.d is d", "o.e is e", after="o.e.append(6)\no.d[0] = 7"
    ),
    change("a list in a list in a dict", f"{PAIR}\nr = {{'c': c}}", "d.append(3)", *SAME, "r['c'] is c", after=GOES_ON),
    change("what others hold, too", f"{PAIR}\nf = [e]", "d.append(3)", *SAME, "f[0] is e", after=GOES_ON),
    change(
        "a part of what a variable holds",
        "d = [1]\ne = {'k': [2]}\nc = [d, e['k']]",
        "d.append(3)",
        "c[1] is e['k']",
        after="e['k'].append(4)",
    ),
    change(
        "a view of an array",
        NUMPY + "a = np.zeros(4)\nb = np.ones(4)\nc = [a, b[1:]]",
        "a += 1",
        "c[0] is a",
        "np.shares_memory(c[1], b)",
        after="b += 1",
    ),
    trap("what is deleted", PAIR, "%%task t\nd.append(3)\nglobals().pop('e')", same="c[0] is d"),
    trap("what is bound anew", PAIR, "%%task t\nd.append(3)\nglobals()['e'] = [7]", "e[0] = c[1][0]", same="c[0] is d"),
    trap(
        "what has other contents now",
        f"{PAIR}\nf = 1",
        "%%task t\nd.append(3)",
        edit=("e = [2]", "e = [5]"),
        same=SAME,
        reruns={"t": "hung together"},
    ),
    trap(
        "what is a copy now",
        PAIR,
        "%%task t\nd.append(3)",
        "e.append(4)",
        edit=("c = [d, e]", "c = [d, e[:]]"),
        same=SAME,
        reruns={"t": "hung together"},
    ),
    trap(
        "what lies beside what is held",
        "d = [1]\ne = {'k': [2], 'n': 1}\nc = [d, e['k']]",
        "%%task t\nd.append(3)",
        edit=("'n': 1", "'n': 2"),
        same="c[1] is e['k']",
        reruns={"t": "goes on holding"},
    ),
    trap(
        "what lies beside what nothing of it is held of",
        "import time\nclass M: pass\nx = [1, 2]\nm = M()\nm.x = x\nmeta = {'x': x, 'when': time.time()}",
        "%%task t\nm.fit = sum(m.x)",
        same=("m.x is x", "meta['x'] is x"),
        ignore=("meta",),
    ),
    trap(
        "what only a checkpoint has",
        "%%task d\nd = [1]",
        "%%task e\ne = [2]",
        "%%task c\nc = [d, e]",
        "%%task t\nd.append(3)",
        "e.append(4)\nprint(c)",
        only=(0, 3, 4),
        same=("c[1] is e", "c"),
    ),
    trap(
        "rows of an array that lies columns first",
        "%%task x\nimport numpy as np\nx = np.arange(12.0).reshape(3, 4).T[::2]",
        "class M: pass\nm = M()\nm.x = x",
        "%%task t\nm.n = m.x.sum()",
        same="m.x is x",
    ),
    trap(
        "such rows beside what is changed",
        "%%task x\nimport numpy as np\nx = np.arange(12.0).reshape(3, 4).T[::2]",
        "d = [1]\nc = [d, x]",
        "%%task t\nd.append(3)",
        same="c[1] is x",
    ),
    # a part of an input whose name is bound anew, or deleted
    trap("a part of what is bound anew", OTHER_LISTS[0], "%%task t\nt = x[0]\nx = 5", same="t is p"),
    trap("a part of what is deleted", OTHER_LISTS[0], "%%task t\nt = x[0]\ndel x", "t.append(2)", same="t is p"),
    trap("what was a part of what is bound anew", OTHER_LISTS[0], "%%task t\nt = x[0]\nx = 5", edit=OTHER_LISTS),
    trap("what was a part of what is deleted", OTHER_LISTS[0], "%%task t\nt = x[0]\ndel x", edit=OTHER_LISTS),
    trap(
        "a copy of what was a part of what is bound anew",
        OTHER_LISTS[0],
        "%%task t\nt = x[0]\nx = 5",
        edit=COPIED,
        same="t is p",
    ),
    trap(
        "a variable that another input holds, too, and then a copy of it",
        "q = [1]\np = [q]\nm = [q]\nx = [p]",
        "%%task t\nm.append(2)\nt = x[0]",
        edit=("x = [p]", "x = [[q]]"),
        same="t is p",
        reruns={"t": "'p'"},
    ),
    # changed in place, and bound anew or deleted
    trap(
        "+= and an alias that is a copy now",
        "x = [1]\ny = x",
        "%%task t\nx += [2]",
        edit=("y = x", "y = [1]"),
        reruns={"t": "'y'"},
    ),
    trap(
        "+= and an alias that was a copy",
        "x = [1]\ny = [1]",
        "%%task t\nx += [2]",
        edit=("y = [1]", "y = x"),
        reruns={"t": "'y'"},
    ),
    trap(
        "+= and a view that was a copy",
        NUMPY + "x = np.zeros(3)\ny = x.copy()",
        "%%task t\nx += 1",
        edit=("x.copy()", "x[:]"),
        reruns={"t": "'y'"},
    ),
    trap(
        "+= and a view that is a copy now",
        NUMPY + "x = np.zeros(3)\ny = x",
        "%%task t\nx += 1",
        edit=("y = x", "y = x.copy()"),
        reruns={"t": "'y'"},
    ),
    trap(
        "changed and bound anew",
        "x = [1]\ny = x",
        "%%task t\nx.append(2)\nx = 5",
        edit=("y = x", "y = [5]"),
        reruns={"t": "'y'"},
    ),
    trap(
        "changed and deleted",
        "x = [1]\ny = x",
        "%%task t\nx.append(2)\ndel x",
        edit=("y = x", "y = [1]"),
        reruns={"t": "'y'"},
    ),
    trap("changed and bound anew, as it was", "x = [1]\ny = x", "%%task t\nx.append(2)\nx = 5", "y.append(3)"),
    trap("changed and deleted, as it was", "x = [1]\ny = x", "%%task t\nx.append(2)\ndel x", "y.append(3)"),
    trap(
        "names exchanged, and one changed",
        "x = [1]\ny = [2]\nz = [x, y]",
        "%%task t\nx, y = y, x\nx.append(5)",
        "y.append(6)",
        same=("z[0] is y", "z[1] is x"),
    ),
    trap(
        "an alias of what is only bound anew becomes a copy",
        FRAME + "\nraw = df",
        "%%task t\ndf = df.dropna()",
        edit=("raw = df", "raw = df.copy()"),
    ),
    # what holds the very object, and does not show it
    trap(
        "a future",
        "import concurrent.futures\nd = [1]\nf = concurrent.futures.Future()\nf.set_result(d)",
        "%%task t\nd.append(3)",
        same="f.result() is d",
        ignore=("f",),
        reruns={"t": "no result"},
    ),
    trap(
        "arguments of a thread",
        "import threading\nd = [1]\ntimer = threading.Timer(100, print, args=(d,))",
        "%%task t\nd.append(3)",
        same="timer.args[0] is d",
        ignore=("timer",),
        reruns={"t": "no result"},
    ),
    trap(
        "an object that pickles without it",
        HIDDEN,
        "%%task t\nd.append(3)",
        same="a.d is d",
        reruns={"t": "no result"},
        marked="that an object holds what it does not pickle is not seen",
    ),
    trap(
        "a cache",
        "import functools\n@functools.lru_cache\ndef load():\n    return [1]\nd = load()",
        "%%task t\nd.append(3)",
        same="load() is d",
        reruns={"t": "no result"},
        marked="a list that a cache holds, and a variable, too",
    ),
    trap(
        "axes beside what is changed",
        "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n"
        "d = [1]\npair = {'ax': ax, 'd': d}",
        "%%task t\nd.append(2)",
        same=("pair['d'] is d", "pair['ax'] is ax"),
        ignore=("fig", "ax", "pair"),
        needs=("matplotlib",),
        reruns={"t": "no result"},
    ),
    # changed by a callback
    trap("a log", LOG, "%%task t\nlogging.getLogger('x').warning('hi')", marked=CALLBACK),
    trap(
        "a log that has something in it now",
        LOG,
        "%%task t\nlogging.getLogger('x').warning('hi')",
        edit=("log = []", "log = ['start']"),
        reruns={"t": "'log'"},
        marked=CALLBACK,
    ),
]
