"""What a task reads through helpers of the notebook: whatever they are made of counts, and nothing else does."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap

USE = "%%task t\nt = h(5)"


def helper(
    name: str, *cells: str, edit: tuple[str, str], use: str = USE, why: str = "changed", xfail: str = ""
) -> Trap:
    """A row in which an edit of what a helper is made of makes the task run again."""
    return trap(name, *cells, use, edit=edit, reruns={"t": why}, xfail=xfail)


def kept(name: str, *cells: str, edit: tuple[str, str], use: str = USE, xfail: str = "") -> Trap:
    """A row in which an edit does not matter."""
    return trap(name, *cells, use, edit=edit, xfail=xfail)


H = "def h(x):\n    return g(x) + 1"
CLASS = "class A:\n    k = 2\n    def __init__(self, x):\n        self.x = x\n    def m(self):\n        return self.x * self.k"

ROWS = [
    helper("a helper edited", "def h(x):\n    return x + 1", edit=("x + 1", "x + 2"), why="input 'h' changed"),
    helper("a helper of a helper edited", "def g(x):\n    return x * 2", H, edit=("x * 2", "x * 3"), why="'g'"),
    helper(
        "a global of a helper of a helper",
        "k = 2",
        "def g(x):\n    return x * k",
        H,
        edit=("k = 2", "k = 3"),
        why="'k'",
    ),
    helper(
        "a helper three cells away",
        "def f(x):\n    return x ** 2",
        "def g(x):\n    return f(x)",
        H,
        edit=("** 2", "** 3"),
        why="'f'",
    ),
    helper("the default of a helper", "def h(x, k=2):\n    return x * k", edit=("k=2", "k=3"), why="'h'"),
    helper("the keyword default of a helper", "def h(x, *, k=2):\n    return x * k", edit=("k=2", "k=3"), why="'h'"),
    helper(
        "a default that a global gave", "k = 2", "def h(x, y=k):\n    return x * y", edit=("k = 2", "k = 3"), why="'h'"
    ),
    helper(
        "the closure of a helper",
        "def make(k):\n    def h(x):\n        return x * k\n    return h",
        "h = make(2)",
        edit=("make(2)", "make(3)"),
        why="'h'",
    ),
    helper(
        "a function in a closure",
        "def twice(f):\n    return lambda x: f(f(x))",
        "def g(x):\n    return x + 1",
        "h = twice(g)",
        edit=("x + 1", "x + 2"),
        why="'h'",
    ),
    helper(
        "a closure's cell that is changed later",
        "def make():\n    k = 2\n    def add(n):\n        nonlocal k\n        k += n\n    return (lambda x: x * k), add",
        "h, add = make()",
        "add(1)",
        edit=("add(1)", "add(2)"),
        why="'h'",
    ),
    helper(
        "an attribute of a helper", "def h(x):\n    return x * h.k", "h.k = 2", edit=("h.k = 2", "h.k = 3"), why="'h'"
    ),
    helper(
        "a mutable default that a plain cell fills",
        "def h(x, seen=[]):\n    return [*seen, x]",
        "h.__defaults__[0].append(1)",
        edit=("append(1)", "append(2)"),
        why="'h'",
    ),
    helper(
        "functools.partial",
        "import functools\ndef g(x, k):\n    return x * k",
        "h = functools.partial(g, k=2)",
        edit=("k=2", "k=3"),
        why="'h'",
    ),
    helper(
        "the function in a partial",
        "import functools\ndef g(x, k):\n    return x * k",
        "h = functools.partial(g, k=2)",
        edit=("x * k", "x + k"),
        why="'h'",
    ),
    helper(
        "a global of the function in a partial",
        "import functools\nk = 2\ndef g(x):\n    return x * k",
        "h = functools.partial(g)",
        edit=("k = 2", "k = 3"),
        why="'k'",
    ),
    helper(
        "a decorator of the notebook",
        "def twice(f):\n    def inner(x):\n        return 2 * f(x)\n    return inner",
        "@twice\ndef h(x):\n    return x",
        edit=("2 * f", "3 * f"),
        why="'h'",
    ),
    helper(
        "what is under functools.wraps",
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(x):\n        return 2 * f(x)\n    return inner",
        "@twice\ndef h(x):\n    return x",
        edit=("return x", "return x + 1"),
        why="'h'",
    ),
    helper(
        "what is under lru_cache",
        "import functools\n@functools.lru_cache\ndef h(x):\n    return x + 1",
        edit=("x + 1", "x + 2"),
        why="'h'",
    ),
    helper(
        "a global of what is under lru_cache",
        "import functools\nk = 2",
        "@functools.lru_cache\ndef h(x):\n    return x * k",
        edit=("k = 2", "k = 3"),
        why="'k'",
    ),
    helper(
        "single dispatch",
        "import functools\n@functools.singledispatch\ndef h(x):\n    return x",
        "@h.register\ndef _(x: int):\n    return x + 1",
        edit=("x + 1", "x + 2"),
        why="'h'",
    ),
    helper(
        "a function in a list",
        "hs = [lambda x: x + 1]",
        edit=("x + 1", "x + 2"),
        use="%%task t\nt = hs[0](5)",
        why="'hs'",
    ),
    helper(
        "a function in a dict with a global",
        "k = 2",
        "table = {'h': lambda x: x * k}",
        edit=("k = 2", "k = 3"),
        use="%%task t\nt = table['h'](5)",
        why="'k'",
    ),
    helper(
        "a method", CLASS, "a = A(5)", edit=("self.x * self.k", "self.x + self.k"), use="%%task t\nt = a.m()", why="'a'"
    ),
    helper("a class attribute", CLASS, "a = A(5)", edit=("k = 2", "k = 3"), use="%%task t\nt = a.m()", why="'a'"),
    helper(
        "an attribute of an instance", CLASS, "a = A(5)", edit=("A(5)", "A(6)"), use="%%task t\nt = a.m()", why="'a'"
    ),
    helper("setattr", CLASS, "a = A(5)", "setattr(a, 'k', 7)", edit=("7", "8"), use="%%task t\nt = a.m()", why="'a'"),
    helper("a class attribute set later", CLASS, "A.k = 7", edit=("7", "8"), use="%%task t\nt = A(5).m()", why="'A'"),
    helper("a bound method kept", CLASS, "h = A(5).m", edit=("A(5)", "A(6)"), use="%%task t\nt = h()", why="'h'"),
    helper(
        "a global that a method reads",
        "k = 2",
        "class A:\n    def m(self):\n        return k\na = A()",
        edit=("k = 2", "k = 3"),
        use="%%task t\nt = a.m()",
        why="'k'",
    ),
    helper(
        "a base class",
        "class B:\n    def m(self):\n        return 1",
        "class A(B): pass",
        edit=("return 1", "return 2"),
        use="%%task t\nt = A().m()",
        why="'A'",
    ),
    helper(
        "a metaclass",
        "class M(type):\n    def m(cls):\n        return 1",
        "class A(metaclass=M): pass",
        edit=("return 1", "return 2"),
        use="%%task t\nt = A.m()",
        why="'A'",
    ),
    helper(
        "__init_subclass__",
        "class B:\n    def __init_subclass__(cls):\n        cls.k = 1",
        "class A(B): pass",
        edit=("cls.k = 1", "cls.k = 2"),
        use="%%task t\nt = A.k",
        why="'A'",
    ),
    helper(
        "a property",
        "class A:\n    @property\n    def p(self):\n        return 1",
        edit=("return 1", "return 2"),
        use="%%task t\nt = A().p",
        why="'A'",
    ),
    helper(
        "a cached property",
        "import functools\nclass A:\n    @functools.cached_property\n    def p(self):\n        return 1",
        edit=("return 1", "return 2"),
        use="%%task t\nt = A().p",
        why="'A'",
    ),
    helper(
        "a classmethod and a staticmethod",
        "class A:\n    @classmethod\n    def c(cls):\n        return cls.s()\n    @staticmethod\n    def s():\n        return 1",
        edit=("return 1", "return 2"),
        use="%%task t\nt = A.c()",
        why="'A'",
    ),
    helper(
        "a descriptor",
        "class D:\n    def __get__(self, item, owner):\n        return 1",
        "class A:\n    d = D()",
        edit=("return 1", "return 2"),
        use="%%task t\nt = A().d",
        why="'A'",
    ),
    helper(
        "an operator",
        "class A:\n    def __add__(self, other):\n        return 1",
        "a = A()",
        edit=("return 1", "return 2"),
        use="%%task t\nt = a + a",
        why="'a'",
    ),
    helper(
        "__getattr__",
        "class A:\n    def __getattr__(self, name):\n        if name.startswith('_'):\n            raise AttributeError(name)\n        return 1",
        "a = A()",
        edit=("return 1", "return 2"),
        use="%%task t\nt = a.anything",
        why="'a'",
    ),
    helper(
        "__call__",
        "class A:\n    def __call__(self, x):\n        return x + 1",
        "h = A()",
        edit=("x + 1", "x + 2"),
        why="'h'",
    ),
    helper(
        "the default of a dataclass",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    k: int = 2",
        edit=("= 2", "= 3"),
        use="%%task t\nt = A().k",
        why="'A'",
    ),
    helper(
        "a default factory",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    k: list = dataclasses.field(default_factory=lambda: [1])",
        edit=("[1]", "[2]"),
        use="%%task t\nt = A().k",
        why="'A'",
    ),
    helper(
        "an enum",
        "import enum\nclass E(enum.Enum):\n    ONE = 1",
        edit=("ONE = 1", "ONE = 2"),
        use="%%task t\nt = E.ONE.value",
        why="'E'",
    ),
    helper(
        "a member of an enum",
        "import enum\nclass E(enum.Enum):\n    ONE = 1\ne = E.ONE",
        edit=("ONE = 1", "ONE = 2"),
        use="%%task t\nt = e.value",
        why="'e'",
    ),
    helper(
        "a method of an enum",
        "import enum\nclass E(enum.Enum):\n    ONE = 1\n    def m(self):\n        return 5",
        edit=("return 5", "return 6"),
        use="%%task t\nt = E.ONE.m()",
        why="'E'",
    ),
    helper(
        "a namedtuple",
        "import collections\nP = collections.namedtuple('P', 'x y', defaults=[1])",
        edit=("[1]", "[2]"),
        use="%%task t\nt = tuple(P(0))",
        why="'P'",
    ),
    helper(
        "a TypedDict",
        "import typing\nclass D(typing.TypedDict):\n    k: int",
        edit=("k: int", "k: str"),
        use="%%task t\nt = str(D.__annotations__['k'])",
        why="'D'",
    ),
    helper(
        "annotations of a class",
        "class A:\n    k: int",
        edit=("k: int", "k: str"),
        use="%%task t\nt = str(A.__annotations__['k'])",
        why="'A'",
    ),
    helper(
        "__slots__",
        "class A:\n    __slots__ = ('x',)",
        "a = A()\na.x = 1",
        edit=("a.x = 1", "a.x = 2"),
        use="%%task t\nt = a.x",
        why="'a'",
    ),
    helper(
        "an eval in a helper",
        "k = 2",
        "def h(x):\n    return eval('k') * x",
        edit=("k = 2", "k = 3"),
        why="'k'",
    ),
    helper(
        "a name that a query quotes",
        "import pandas as pd\nk = 2",
        "def h(x):\n    return len(pd.DataFrame({'a': [1, 2, 3]}).query('a > @k'))",
        edit=("k = 2", "k = 1"),
        why="'k'",
    ),
    helper(
        "what a helper imports from the notebook",
        "k = 2",
        "def h(x):\n    import __main__\n    return __main__.k * x",
        edit=("k = 2", "k = 3"),
    ),
    helper(
        "getattr by a computed name",
        "class A:\n    k = 2",
        "def h(x):\n    return getattr(A, 'k') * x",
        edit=("k = 2", "k = 3"),
        why="'A'",
    ),
    helper(
        "an instance in a module-level registry",
        "registry = {}",
        "def register(f):\n    registry[f.__name__] = f\n    return f",
        "@register\ndef g(x):\n    return x + 1",
        "def h(x):\n    return registry['g'](x)",
        edit=("x + 1", "x + 2"),
        why="'registry'",
    ),
    helper(
        "two functions that call one another",
        "def even(n):\n    return n == 0 or odd(n - 1)",
        "def odd(n):\n    return n != 0 and even(n - 1)",
        "def h(x):\n    return even(x)",
        edit=("return n == 0 or", "return n == 1 or"),
        why="'even'",
    ),
    helper(
        "a generator function",
        "def h(x):\n    yield from range(x)",
        edit=("range(x)", "range(x + 1)"),
        use="%%task t\nt = list(h(2))",
        why="'h'",
    ),
    helper(
        "the order of a dict",
        "d = {'a': 1, 'b': 2}",
        edit=("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"),
        use="%%task t\nt = list(d)",
        why="'d'",
    ),
    kept("a helper's comment", "def h(x):\n    return x + 1", edit=("def h(x):", "def h(x):  # more")),
    kept("a helper's docstring", "def h(x):\n    'One more.'\n    return x + 1", edit=("One more.", "The next one.")),
    kept("a helper's first docstring", "def h(x):\n    return x + 1", edit=("def h(x):\n", "def h(x):\n    'More.'\n")),
    kept("a helper's white space", "def h(x):\n    return x + 1", edit=("return x + 1", "return (x+1)")),
    kept("a helper moved down in its cell", "def h(x):\n    return x + 1", edit=("def h", "\n\nother = 1\ndef h")),
    kept(
        "a class's docstring",
        CLASS,
        "a = A(5)",
        edit=("class A:\n", "class A:\n    'Said.'\n"),
        use="%%task t\nt = a.m()",
    ),
    kept("a comment in a class", CLASS, "a = A(5)", edit=("k = 2", "k = 2  # two"), use="%%task t\nt = a.m()"),
    kept(
        "a helper that is not used",
        "def h(x):\n    return x + 1",
        "def g(x):\n    return x",
        edit=("def g(x):\n    return x", "def g(x):\n    return 2"),
    ),
    kept("a variable that is not used", "k = 1", "def h(x):\n    return x + 1", edit=("k = 1", "k = 2")),
    kept(
        "an attribute of the same name",
        "k = 1",
        "import types\no = types.SimpleNamespace(k=5)",
        edit=("k = 1", "k = 2"),
        use="%%task t\nt = o.k",
    ),
    kept("a local of the same name", "k = 1", "def h(x):\n    k = 5\n    return x + k", edit=("k = 1", "k = 2")),
    kept("a parameter of the same name", "k = 1", "def h(k):\n    return k + 1", edit=("k = 1", "k = 2")),
    kept("the same value by another way", "k = 4", "def h(x):\n    return x + k", edit=("k = 4", "k = 2 + 2")),
    kept(
        "a function that is defined twice the same",
        "def h(x):\n    return x + 1",
        edit=("def h", "def h(x):\n    return 0\ndef h"),
    ),
    kept(
        "a loop variable of a comprehension",
        "i = 1",
        edit=("i = 1", "i = 2"),
        use="%%task t\nt = [i for i in range(3)]",
    ),
]
