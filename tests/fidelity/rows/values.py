"""Kinds of values that a task makes, and what a plain cell does with them afterwards."""

from __future__ import annotations

import sys

from tests.fidelity.trap import Trap, trap

NUMPY = "import numpy as np"
PANDAS = "import pandas as pd\nimport numpy as np"
DATA = "import dataclasses, enum, collections, typing\n"


def value(name: str, made: str, *same: str, setup: str = "", after: str = "", **more: object) -> Trap:
    """A row in which a task makes `t`, and `after`, a plain cell, uses it."""
    cells = (setup, f"%%task t\nt = {made}", *([after] if after else []))
    return trap(name, *cells, same=same, **more)  # type: ignore[arg-type]


ROWS = [
    value(
        "a half consumed generator",
        "next(g)",
        setup="def f():\n    yield from range(3)\ng = f()",
        after="u = list(g)",
        reruns={"t": "'g'"},
    ),
    trap(
        "a generator that the task made",
        "def f():\n    yield from range(3)",
        "%%task t\ng = f()\nt = next(g)",
        "u = list(g)",
        ignore=("g",),
        reruns={"t": "a generator cannot be saved"},
    ),
    value("an iterator half consumed", "iter([1, 2, 3])", after="next(t)\nu = list(t)", ignore=("t",)),
    value("a reversed list", "reversed([1, 2, 3])", after="u = next(t)", ignore=("t",)),
    value("a range and a slice", "(range(3), slice(1, None))"),
    value("nested tuples, lists and dicts", "({'a': [(1, {2}), None]}, [b'x', ...])"),
    value("complex numbers and huge ints", "[1j, 10 ** 500, -(2 ** 63), 2 ** 64]"),
    value("floats at the edge", "[float('inf'), -0.0, 5e-324, 1.7976931348623157e308]"),
    value(
        "a nan that is one object",
        "[nan, nan]",
        "t[0] is t[1]",
        "nan in t",
        setup="nan = float('nan')",
        xfail="a nan is restored as another object",
    ),
    value(
        "a nan in a dict's key",
        "{nan: 1}",
        "nan in t",
        setup="nan = float('nan')",
        xfail="a nan is restored as another object",
    ),
    value("None, Ellipsis, NotImplemented", "[None, ..., NotImplemented]", "t[2] is NotImplemented"),
    value("a frozenset of frozensets", "frozenset({frozenset({1}), frozenset()})"),
    value(
        "a deque with a limit",
        "collections.deque([1, 2], 2)",
        "t.maxlen",
        setup="import collections",
        after="t.append(3)",
    ),
    value(
        "a Counter", "collections.Counter('abca')", "t.most_common()", setup="import collections", after="t['a'] += 1"
    ),
    value(
        "a defaultdict with a lambda",
        "collections.defaultdict(lambda: k)",
        setup="import collections\nk = 5",
        after="k = 6\nu = t['a']",
    ),
    value(
        "a defaultdict of defaultdicts",
        "collections.defaultdict(lambda: collections.defaultdict(int))",
        setup="import collections",
        after="t['a']['b'] += 1",
    ),
    value(
        "an OrderedDict",
        "collections.OrderedDict([('b', 1), ('a', 2)])",
        "list(t)",
        setup="import collections",
        after="t.move_to_end('b')",
    ),
    value(
        "a ChainMap",
        "collections.ChainMap({}, base)",
        setup="import collections\nbase = {'a': 1}",
        after="base['a'] = 2\nu = t['a']",
    ),
    value(
        "a namedtuple",
        "P(1, [2])",
        "t.x, t._fields",
        setup="import collections\nP = collections.namedtuple('P', 'x y')",
        after="t.y.append(3)\nu = isinstance(t, P)",
    ),
    value(
        "a dataclass",
        "A(1)",
        setup=DATA
        + "@dataclasses.dataclass(order=True)\nclass A:\n    n: int\n    xs: list = dataclasses.field(default_factory=list)",
        after="t.xs.append(1)\nu = t < A(2) and isinstance(t, A)",
    ),
    value(
        "a dataclass with slots",
        "A(1)",
        setup=DATA + "@dataclasses.dataclass(slots=True, frozen=True)\nclass A:\n    n: int",
        after="u = dataclasses.replace(t, n=2)",
    ),
    value(
        "a member of an enum",
        "E.A",
        "t is E.A",
        setup=DATA + "class E(enum.Enum):\n    A = 1\n    B = 1",
        after="u = E(1) is t",
    ),
    value(
        "members of a flag",
        "F.A | F.B",
        "t == F.A | F.B",
        setup=DATA + "class F(enum.Flag):\n    A = enum.auto()\n    B = enum.auto()",
    ),
    value("a dict by members of an enum", "{E.A: 1}", "t[E.A]", setup=DATA + "E = enum.Enum('E', 'A B')"),
    trap(
        "an enum that the task defines",
        "%%task t\nimport enum\nclass E(enum.Enum):\n    A = 1\nt = E.A",
        "u = t is E.A",
    ),
    trap(
        "a dataclass that the task defines",
        "%%task t\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n    n: int\nt = A(1)",
        "u = t == A(1)",
    ),
    trap(
        "a namedtuple that the task defines",
        "%%task t\nimport collections\nP = collections.namedtuple('P', 'x')\nt = P(1)",
        "u = isinstance(t, P)",
    ),
    trap(
        "a Protocol that the task defines",
        "%%task t\nimport typing\n@typing.runtime_checkable\nclass P(typing.Protocol):\n    def m(self): ...\nt = 1",
        "class B:\n    def m(self): ...\nu = isinstance(B(), P)",
    ),
    trap(
        "a class that the task defines, and a subclass in a plain cell",
        "%%task t\nclass A:\n    def m(self):\n        return 1\nt = A()",
        "class B(A):\n    def m(self):\n        return super().m() + 1\nu = B().m()",
    ),
    trap(
        "a subclass that the task defines",
        "class A:\n    def m(self):\n        return 1",
        "%%task t\nclass B(A):\n    def m(self):\n        return super().m() + 1\nt = B()",
        "u = (isinstance(t, A), t.m(), B.__mro__[1] is A)",
    ),
    trap(
        "a class defined anew, its instances of before",
        "class A:\n    n = 1",
        "%%task t\na = A()\nt = a.n",
        "class A:\n    n = 2",
        "u = (a.n, isinstance(a, A))",
    ),
    trap(
        "a class edited, its instances of before",
        "class A:\n    n = 1\na = A()",
        "%%task t\nt = a.n",
        edit=("n = 1", "n = 2"),
        reruns={"t": "'a'"},
    ),
    trap(
        "a dataclass edited",
        DATA + "@dataclasses.dataclass\nclass A:\n    n: int = 1\na = A()",
        "%%task t\nt = repr(a)",
        edit=("n: int = 1", "n: int = 1\n    m: int = 2"),
        reruns={"t": "'a'"},
    ),
    trap(
        "an enum edited",
        DATA + "class E(enum.Enum):\n    A = 1\nx = E.A",
        "%%task t\nt = x.value",
        edit=("A = 1", "A = 1\n    B = 2"),
        reruns={"t": "'x'"},
    ),
    trap(
        "a Protocol edited",
        DATA + "@typing.runtime_checkable\nclass P(typing.Protocol):\n    def m(self): ...",
        "class B:\n    def m(self): ...",
        "%%task t\nt = isinstance(B(), P)",
        edit=("class P(typing.Protocol):\n    def m", "class P(typing.Protocol):\n    def k"),
        reruns={"t": "'P'"},
    ),
    trap(
        "a closure's code edited",
        "def make(n):\n    def f(x):\n        return x + n\n    return f\nf = make(1)",
        "%%task t\nt = f(1)",
        edit=("x + n", "x * n"),
        reruns={"t": "'f'"},
    ),
    value(
        "an object that holds itself",
        "A()",
        "t.me is t",
        setup="class A:\n    def __init__(self):\n        self.me = self",
        after="t.n = 1",
    ),
    value("a list in itself, deep", "x[0]", "t is x[0]", setup="x = [[]]\nx[0].append([x])", after="x[0][0].append(1)"),
    value(
        "a dict and its values list",
        "[d, list(d.values())]",
        "t[0]['a'] is t[1][0]",
        setup="d = {'a': [1]}",
        after="t[1][0].append(2)",
    ),
    value(
        "deep nesting",
        "deep(500)",
        setup="def deep(n):\n    x = []\n    for _ in range(n):\n        x = [x]\n    return x",
        ignore=("t",),
        reruns={"t": "nested deeper"} if sys.version_info < (3, 12) else {},  # from then on, C has a limit of its own
        after="u, n = t, 0\nwhile u:\n    u, n = u[0], n + 1",
    ),
    value(
        "a memoryview of an array",
        "memoryview(np.arange(4))",
        setup=NUMPY,
        after="u = t.tolist()",
        ignore=("t",),
        reruns={"t": "memoryview"},
    ),
    value("a bytearray", "bytearray(b'abc')", after="t += b'd'"),
    value(
        "a Decimal and a Fraction",
        "[decimal.Decimal('1.10'), fractions.Fraction(1, 3)]",
        setup="import decimal, fractions",
        after="u = t[0] * 2",
    ),
    value("bytes, also large", "[b'', b'\\x00\\xff', b'x' * 100_000]"),
    value("text that is one object twice", "[s, s]", "t[0] is t[1]", setup="s = ''.join(['a', 'b' * 30])"),
    value(
        "a partial and a method",
        "[functools.partial(f, 2), 'abc'.upper, [].append]",
        "[g() for g in t[:2]]",
        setup="import functools\ndef f(x):\n    return x + 1",
        ignore=("t",),
    ),
    value(
        "a bound method of an output",
        "(a, a.m)",
        "t[1].__self__ is t[0]",
        setup="class A:\n    n = 0\n    def m(self):\n        self.n += 1\n        return self.n\na = A()",
        after="t[1]()\nu = t[0].n",
    ),
    value("a lambda over a global", "lambda: k", setup="k = 1", after="k = 2\nu = t()"),
    value(
        "a closure over what changes",
        "make()",
        setup="def make():\n    n = [0]\n    def f():\n        n[0] += 1\n        return n[0]\n    return f",
        after="u = (t(), t())",
    ),
    value(
        "a filled cache of lru_cache",
        "fib(20)",
        setup="import functools\n@functools.lru_cache(None)\ndef fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)",
        after="u = fib(21)",
    ),
    value(
        "the counts of a cache",
        "f(1)",
        "f.cache_info()",
        setup="import functools\n@functools.lru_cache\ndef f(n):\n    return n",
        after="f(1)",
        marked="the cell below is restored, and so asks no cache",
    ),
    value(
        "a cached property",
        "(a, a.n)",
        setup="import functools\nclass A:\n    calls = 0\n    @functools.cached_property\n    def n(self):\n        A.calls += 1\n        return 5\na = A()",
        after="u = a.n, A.calls",
    ),
    value(
        "a property with a setter",
        "A()",
        setup="class A:\n    @property\n    def n(self):\n        return getattr(self, '_n', 0)\n    @n.setter\n    def n(self, n):\n        self._n = n + 1",
        after="t.n = 4",
    ),
    value(
        "an exception",
        "caught()",
        "t.args",
        setup="class E(ValueError):\n    pass\ndef caught():\n    try:\n        raise E('a', 1)\n    except E as e:\n        return e",
        ignore=("t",),
        after="u = isinstance(t, E)",
    ),
    value("a module", "math", "t is math", setup="import math"),
    value("classes of Python", "[int, type(None), list[int], int | None]", "t[0] is int"),
    value("a StringIO", "io.StringIO('a\\nb')", setup="import io", after="u = t.readline(), t.read()", ignore=("t",)),
    value(
        "a lock",
        "[threading.Lock(), 1]",
        "t[1]",
        setup="import threading",
        ignore=("t",),
        after="u = t[0].acquire()",
        reruns={"t": "a lock belongs"},
    ),
    value(
        "an open file",
        "open('f.txt')",
        setup="open('f.txt', 'w').write('a\\nb')",
        ignore=("t",),
        after="u = t.readline()",
        reruns={"t": "an open file keeps"},
    ),
    value(
        "a connection with data",
        "connect()",
        setup="import sqlite3\ndef connect():\n    c = sqlite3.connect(':memory:')\n    c.execute('create table a (n)')\n    c.execute('insert into a values (5)')\n    return c",
        ignore=("t",),
        after="u = t.execute('select n from a').fetchall()",
        reruns={"t": "an open database"},
    ),
    value(
        "polars",
        "pl.DataFrame({'a': [1, None], 'b': ['x', 'y']})",
        "t.rows()",
        setup="import polars as pl",
        ignore=("t",),
        after="u = t['a'].sum()",
        needs=("polars",),
    ),
    value(
        "Arrow",
        "pa.table({'a': [1, None]})",
        "t.to_pylist()",
        setup="import pyarrow as pa",
        ignore=("t",),
        needs=("pyarrow",),
    ),
]
