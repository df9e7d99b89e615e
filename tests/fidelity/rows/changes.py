"""What a task changes: in place, by whatever way, and what hangs together with what afterwards."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap

PANDAS = "import pandas as pd\n"
FRAME = PANDAS + "df = pd.DataFrame({'a': [3, 1, 2], 'b': [1.5, None, 2.5]})"
NUMPY = "import numpy as np\n"
CALLBACKS = """class A:
    def __init__(self):
        self.heard = []
    def fire(self, x):
        for f in self.heard:
            f(x)
a = A()
log = []
a.heard.append(log.append)"""
REGISTRY = """class Base:
    known = []
    def __init_subclass__(cls):
        Base.known.append(cls.__name__)"""


def change(name: str, setup: str, body: str, *same: str, after: str = "", xfail: str = "", **more: object) -> Trap:
    """A row in which a task changes what a plain cell made; `after` is a plain cell that goes on."""
    cells = (setup, f"%%task t\n{body}", *([after] if after else []))
    return trap(name, *cells, same=same, xfail=xfail, **more)  # type: ignore[arg-type]


ROWS = [
    change("sort in place", "x = [3, 1, 2]", "x.sort()"),
    change("append", "x = []", "x.append(1)", after="x.append(2)"),
    change(
        "append in a loop over an alias", "x = []\ny = x", "for i in range(3):\n    y.append(i)", after="x.append(9)"
    ),
    change("df.drop(inplace=True)", FRAME, "df.drop(columns='b', inplace=True)"),
    change("a column set", FRAME, "df['c'] = df['a'] * 2", after="s = df['c'].sum()"),
    change("a cell set with loc", FRAME, "df.loc[1, 'a'] = 9"),
    change("fillna in place", FRAME, "df.fillna({'b': 0.0}, inplace=True)"),
    change("sort_values in place", FRAME, "df.sort_values('a', inplace=True)", after="first = df['a'].iloc[0]"),
    change("a column renamed in place", FRAME, "df.rename(columns={'a': 'z'}, inplace=True)"),
    change("set_index in place", FRAME, "df.set_index('a', inplace=True)"),
    change("an index renamed", FRAME, "df.index.name = 'row'"),
    change("df.columns", FRAME, "df.columns = ['x', 'y']"),
    change("df.attrs", FRAME, "df.attrs['unit'] = 'kg'"),
    change("an attribute of a frame", FRAME, "object.__setattr__(df, 'unit', 'kg')", "df.unit"),
    change(
        "a frame's column kept",
        FRAME,
        "s = df['a']\ns2 = df['a'] + 1",
        numpy2="older pandas hands out one object for a column, and drops it again: the task runs again",
    ),
    change(
        "a frame changed through its values",
        "import pandas as pd\nimport numpy as np\nx = np.arange(3.0)\ndf = pd.DataFrame({'a': x}, copy=False)",
        "x[0] = 9",
    ),
    change("dict.update through an alias", "d = {'a': 1}\ne = d", "e.update(b=2)", after="d['c'] = 3"),
    change("setdefault", "d = {}", "d.setdefault('k', []).append(1)", after="d['k'].append(2)"),
    change("pop", "d = {'a': 1, 'b': 2}\ne = d", "t = d.pop('a')"),
    change("the order of a dict changed", "d = {'a': 1, 'b': 2}", "d['a'] = d.pop('a')", "list(d)"),
    change("an item deleted", "x = [1, 2, 3]", "del x[0]"),
    change("a slice assigned", "x = [1, 2, 3]\ny = x", "x[:] = [9]"),
    change("+= on a list with an alias", "x = [1]\ny = x", "x += [2]", after="y.append(3)"),
    change("+= on an array with an alias", NUMPY + "x = np.zeros(3)\ny = x", "x += 1", after="y += 1"),
    change("+= on a view", NUMPY + "x = np.zeros(6)\ny = x[::2]", "y += 1", "np.shares_memory(x, y)", after="y *= 3"),
    change("an array.array", "import array\nx = array.array('i', [1, 2])", "x.append(3)"),
    change("a deque", "import collections\nq = collections.deque([1, 2], maxlen=2)", "q.append(3)", "q.maxlen"),
    change("a counter", "import collections\nc = collections.Counter('aab')", "c.update('b')"),
    change(
        "a default dict",
        "import collections\nd = collections.defaultdict(list)",
        "d['a'].append(1)",
        after="d['b'].append(2)",
    ),
    change("an ordered dict moved", "import collections\nd = collections.OrderedDict(a=1, b=2)", "d.move_to_end('a')"),
    change("a set", "s = {1, 2}\nr = s", "s.add(3)\ns.discard(1)"),
    change("a heap", "import heapq\nh = [5, 3, 8]", "heapq.heapify(h)\nheapq.heappush(h, 1)"),
    change(
        "random.shuffle",
        "import random\nrandom.seed(1)\nx = list(range(5))",
        "random.shuffle(x)",
        after="y = random.random()",
    ),
    change(
        "np.random.shuffle",
        NUMPY + "np.random.seed(1)\nx = np.arange(5)",
        "np.random.shuffle(x)",
        after="y = np.random.rand()",
    ),
    change("a list in two containers", "x = [1]\na = [x]\nb = {'x': x}", "a[0].append(2)", after="b['x'].append(3)"),
    change("a list inside a tuple", "t0 = ([1], 2)", "t0[0].append(5)"),
    change(
        "a value in a nested dict", "c = {'m': {'lr': 0.1}}\nd = c['m']", "c['m']['lr'] = 0.2", after="d['lr'] *= 2"
    ),
    change("an attribute", "class A: pass\na = A()\na.n = 1\nb = a", "a.n = 2", after="b.n += 1"),
    change("an attribute by setattr", "class A: pass\na = A()", "setattr(a, 'n', 2)"),
    change("an attribute deleted", "class A: pass\na = A()\na.n = 1", "del a.n", "hasattr(a, 'n')"),
    change("__dict__ updated", "class A: pass\na = A()", "a.__dict__.update(n=3)"),
    change("a slot", "class A:\n    __slots__ = ('n',)\na = A()\na.n = 1", "a.n = 2"),
    change("a SimpleNamespace", "import types\no = types.SimpleNamespace(n=1)", "o.n += 1\no.m = 2"),
    change(
        "a dataclass", "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: list\na = A([1])", "a.x.append(2)"
    ),
    change("an attribute of a class", "class A:\n    n = 1", "A.n = 2", after="m = A().n"),
    change("a list in a class attribute", "class A:\n    items = []", "A().items.append(1)", after="A.items.append(2)"),
    change(
        "a counter in a class",
        "class A:\n    made = 0\n    def __init__(self):\n        A.made += 1",
        "a = A()",
        after="b = A()\nm = A.made",
    ),
    change("a method added to a class", "class A: pass\na = A()", "A.m = lambda self: 5", after="v = a.m()"),
    change(
        "an attribute of a function", "def f():\n    f.calls += 1\nf.calls = 0", "f()\nf()", after="f()\nc = f.calls"
    ),
    change(
        "a mutable default",
        "def f(x, seen=[]):\n    seen.append(x)\n    return list(seen)",
        "t = f(1)",
        after="u = f(2)",
    ),
    change(
        "a closure's variable",
        "def make():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n        return n\n    return f\nf = make()",
        "t = f()",
        after="u = f()",
    ),
    change(
        "two closures over one variable",
        "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n    return up, lambda: n\nup, get = make()",
        "up()",
        after="up()\nv = get()",
    ),
    change("a global that a helper counts", "n = 0\ndef f():\n    global n\n    n += 1", "f()\nf()", after="f()"),
    change(
        "a global that a helper fills",
        "cache = {}\ndef f(x):\n    cache[x] = x * x\n    return cache[x]",
        "t = f(3)",
        after="u = f(4)\nm = list(cache)",
    ),
    change(
        "a registry that a decorator fills",
        "reg = {}\ndef add(f):\n    reg[f.__name__] = f\n    return f",
        "@add\ndef g():\n    return 1",
        "reg['g'] is g",
        after="v = reg['g']()",
    ),
    change("the writeable flag", NUMPY + "x = np.zeros(3)", "x.flags.writeable = False", "x.flags.writeable"),
    change("the shape of an array", NUMPY + "x = np.zeros(6)\ny = x", "x.shape = (2, 3)"),
    change("resize", NUMPY + "x = np.arange(3)", "x.resize(5, refcheck=False)"),
    change(
        "fill", NUMPY + "x = np.zeros((2, 2))\nrow = x[0]", "x.fill(7)", "np.shares_memory(row, x)", after="row[:] = 1"
    ),
    change("out=", NUMPY + "x = np.arange(3.0)\ny = np.zeros(3)", "np.multiply(x, 2, out=y)"),
    change(
        "a structured array's field",
        NUMPY + "x = np.zeros(2, [('a', 'i4'), ('b', 'f8')])\nf = x['a']",
        "f[:] = 3",
        "np.shares_memory(f, x)",
        after="f += 1",
    ),
    change("a mask", NUMPY + "x = np.ma.array([1, 2, 3])", "x[1] = np.ma.masked", "x.sum()"),
    change(
        "an array of objects",
        NUMPY + "l = [1]\nx = np.array([l, None], dtype=object)",
        "x[0].append(2)",
        "x[0] is l",
        after="l.append(3)",
    ),
    change("a series", PANDAS + "s = pd.Series([1, 2, 3])", "s.iloc[0] = 9"),
    change("a name of a series", PANDAS + "s = pd.Series([1, 2, 3])", "s.name = 'n'"),
    change(
        "categories",
        PANDAS + "s = pd.Series(['a', 'b']).astype('category')",
        "s = s.cat.add_categories('c')",
        "list(s.cat.categories)",
    ),
    change(
        "two frames that share a column list",
        PANDAS + "cols = ['a', 'b']\ndf = pd.DataFrame([[1, 2]], columns=cols)",
        "cols.append('c')",
        "list(df.columns)",
    ),
    change(
        "an iterator of a list",
        "x = [1, 2, 3]\nit = iter(x)",
        "t = next(it)",
        after="u = list(it)",
        ignore=("it",),
    ),
    change(
        "a generator half consumed",
        "def g():\n    yield from range(5)\nit = g()",
        "t = [next(it), next(it)]",
        after="u = list(it)",
        reruns={"t": "'it'"},
    ),
    change(
        "itertools.count",
        "import itertools\nc = itertools.count()",
        "t = next(c)",
        after="u = next(c)",
        ignore=("c",),
        reruns={"t": "no result"},
    ),
    change("a zip half consumed", "z = zip('abc', range(3))", "t = next(z)", after="u = list(z)"),
    change("an enumerate half consumed", "z = enumerate('abc')", "t = next(z)", after="u = list(z)"),
    change(
        "a file read on",
        "open('f.txt', 'w').write('a\\nb\\nc\\n')\nf = open('f.txt')",
        "t = f.readline()",
        after="u = f.read()",
        reruns={"t": "'f'"},
        ignore=("f",),
    ),
    change(
        "a StringIO",
        "import io\nf = io.StringIO('a\\nb\\n')",
        "t = f.readline()",
        after="u = f.read()",
        reruns={"t": "'f'"},
    ),
    change(
        "what changed before an error",
        "x = [1]",
        "try:\n    x.append(2)\n    1 / 0\nexcept ZeroDivisionError:\n    x.append(3)",
    ),
    change("a name rebound", "x = [1]\ny = x", "x = [2]", "x is y"),
    change("x = x", "x = [1]\ny = x", "x = x", "x is y", after="y.append(2)"),
    change("a name deleted", "x = [1]\ny = x", "del x", "'x' in globals()", after="y.append(2)"),
    change("a name deleted and bound again", "x = [1]\ny = x", "del x\nx = [1]", "x is y"),
    change("names swapped", "x = [1]\ny = [2]\nz = x", "x, y = y, x", "z is y", after="x.append(3)"),
    change("an augmented assignment", "x = 1\nl = [1]", "x += 1\nl += [2]"),
    change("a change that is undone", "x = [1, 2]", "x.append(3)\nx.pop()"),
    change("a builtin shadowed", "list_ = [1]", "sum = lambda x: 42\nt = sum(list_)", after="u = sum([1, 2])"),
    change("a large list with one change", "x = list(range(50_000))", "x[25_000] = -1"),
    change("what two names of a task share", "n = 2", "a = [1]\nb = {'a': a}\nc = (a, b)", after="a.append(2)"),
    change("an output that is the input", "x = [1]", "y = x", "y is x", after="y.append(2)"),
    change("an output that holds the input", "x = [1]", "y = {'x': x}", after="x.append(2)"),
    change("an output that is a part of the input", "x = {'a': [1]}", "y = x['a']", after="y.append(2)"),
    change(
        "an output that is a view of the input",
        NUMPY + "x = np.zeros(4)",
        "y = x[1:3]",
        "np.shares_memory(x, y)",
        after="y += 1",
    ),
    change(
        "a transposed view of the input",
        NUMPY + "x = np.zeros((2, 3))",
        "y = x.T",
        "np.shares_memory(x, y)",
        after="y[0] = 5",
    ),
    change(
        "a reshaped view of an output",
        NUMPY + "n = 3",
        "x = np.zeros(6)\ny = x.reshape(2, n)",
        "np.shares_memory(x, y)",
        after="x[0] = 5",
    ),
    change(
        "an output that is an instance of the input's class", "class A: pass\na = A()", "b = A()", "type(a) is type(b)"
    ),
    change("an object that holds itself", "n = 1", "x = [n]\nx.append(x)", "x[1] is x", after="x.append(2)"),
    change(
        "a cycle through an attribute",
        "class A: pass",
        "a = A()\nb = A()\na.b = b\nb.a = a",
        "a.b.a is a",
        after="b.n = 1",
    ),
    change(
        "a changed input that holds itself", "x = [1]\nx.append(x)", "x.append(2)", "x[1] is x", after="x.append(3)"
    ),
    change("a method of a list", "x = [1]\nadd = x.append", "add(5)", "add.__self__ is x", after="add(2)"),
    change("a method of a list that an object calls", CALLBACKS, "a.fire(3)", after="y = list(log)"),
    change("a map over a method", "x = []\nm = map(x.append, [1, 2])", "next(m)", after="y = list(x)", ignore=["m"]),
    change(
        "a row of a structured array",
        NUMPY + "x = np.zeros(3, [('a', 'i4')])",
        "r = x[1]\nr['a'] = 5",
        after="r['a'] += 1\ns = x['a'].sum()",
    ),
    change(
        "a row of a structured array, changed",
        NUMPY + "x = np.zeros(3, [('a', 'i4')])\nr = x[1]",
        "r['a'] += 5",
        after="s = x['a'].sum()",
    ),
    change(
        "a part of a row of a structured array",
        NUMPY + "x = np.zeros(3, [('a', [('b', 'i4')])])",
        "p = x[1]['a']",
        after="p['b'] = 2\ns = x['a']['b'].sum()",
        reruns={"t": "a part of an array's row"},
    ),
    trap(
        "a class that its base hears of",
        REGISTRY,
        "%%task t\nclass B(Base): pass\nt = 1",
        "%%task u\nclass C(Base): pass\nu = t",
        "n = list(Base.known)",
        reruns={"t": "no result", "u": "no result"},
    ),
    trap(
        "an instance of a class that its base hears of",
        REGISTRY,
        "class B(Base): pass",
        "%%task t\nt = B()",
        "n = list(Base.known)",
    ),
    trap(
        "a class that its metaclass hears of",
        "known = []\nclass M(type):\n    def __init__(cls, *args):\n        known.append(args[0])",
        "%%task t\nclass B(metaclass=M): pass\nt = 1",
        "n = list(known)",
        reruns={"t": "no result"},
    ),
    trap(
        "what changes an input and makes what cannot be saved",
        "x = []",
        "%%task t\nx.append(1)\ng = (i for i in x)",
        "y = (next(g), list(x))",
        ignore=["g"],
        reruns={"t": "no result"},
    ),
    trap("names that begin with two underscores", "n = 1", "%%task t\n__x = [n]\nt = 1", "__x.append(2)", same="__x"),
]
