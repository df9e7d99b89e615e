"""Names that a task reads, in every place where Python lets one stand: another value has to make it run again."""

from __future__ import annotations

from tests.fidelity.trap import trap

EDIT = ("n = 2", "n = 3")
"""The plain cell at the top binds what the task reads somewhere in its body."""

CHANGED = {"t": "input 'n' changed"}


def reads(name: str, body: str, *, xfail: str = "") -> list:  # type: ignore[type-arg]
    """Two rows: what the body reads is edited, so it runs again; nothing is, so it is restored."""
    cells = ("n = 2", f"%%task t\n{body}")
    return [
        trap(f"{name}, edited", *cells, edit=EDIT, reruns=CHANGED, xfail=xfail),
        trap(f"{name}, untouched", *cells),
    ]


ROWS = [
    *reads("a function in the body", "def f():\n    return n\nt = f()"),
    *reads("a function in a function", "def f():\n    def g():\n        return n\n    return g\nt = f()()"),
    *reads("a lambda", "t = (lambda: n)()"),
    *reads("a comprehension", "t = [n for _ in range(2)]"),
    *reads("the test of a comprehension", "t = [i for i in range(5) if i < n]"),
    *reads("a nested comprehension", "t = {i: {j * n for j in range(2)} for i in range(2)}"),
    *reads("a generator that is used up", "t = sum(i * n for i in range(3))"),
    *reads("a class body", "class A:\n    x = n\nt = A.x"),
    *reads("a method", "class A:\n    def x(self):\n        return n\nt = A().x()"),
    *reads("a decorator", "def mark(k):\n    return lambda f: k\n@mark(n)\ndef f(): pass\nt = f"),
    *reads("a default argument", "def f(a=n):\n    return a\nt = f()"),
    *reads("a keyword default of a lambda", "t = (lambda *, a=n: a)()"),
    *reads("an f-string", "t = f'{n:>{n}}'"),
    *reads("global in a function", "def f():\n    global n\n    n += 1\nf()\nt = n"),
    *reads(
        "nonlocal",
        "def f():\n    k = n\n    def g():\n        nonlocal k\n        k += n\n        return k\n    return g()\nt = f()",
    ),
    *reads("del", "m = n\ndel n\nt = m"),
    *reads("exec", "exec('t = n')"),
    *reads("eval", "t = eval('n')"),
    *reads("globals()", "t = globals()['n']"),
    *reads("locals()", "t = locals()['n']"),
    *reads("vars()", "t = vars()['n']"),
    *reads("a walrus", "t = [m := n, m]"),
    *reads("a walrus in a comprehension", "t = [last := n * i for i in range(3)]"),
    *reads("match", "match 2:\n    case x if x == n:\n        t = 'same'\n    case _:\n        t = 'other'"),
    *reads(
        "match by value",
        "class V:\n    n = n\nmatch 2:\n    case V.n:\n        t = 'same'\n    case _:\n        t = 'other'",
    ),
    *reads("a name bound by except", "try:\n    raise ValueError(n)\nexcept ValueError as e:\n    t = e.args"),
    *reads("conditional binding", "if False:\n    n = 5\nt = n"),
    *reads("a for-loop that may not run", "for n in []:\n    pass\nt = n"),
    *reads("with as", "import contextlib\nwith contextlib.nullcontext(n) as m:\n    t = m"),
    *reads("an annotation", "def f(a: n): pass\nt = f.__annotations__['a']"),
    *reads("an augmented assignment", "n += 1\nt = n"),
    *reads("a tuple unpacked", "a, (b, *c) = n, (n, n, n)\nt = c"),
    *reads("await", "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return n\nt = await f()"),
    *reads("async for", "async def g():\n    yield n\nt = [i async for i in g()]"),
    *reads("a slice", "t = 'abcdef'[n:]"),
    *reads("a starred argument", "t = max(*[n, 1])"),
    *reads("assert", "assert n, n\nt = 1 / n"),
    *reads("a lambda in a dict", "d = {'f': lambda: n}\nt = d['f']()"),
    *reads("get_ipython().user_ns", "t = get_ipython().user_ns['n']"),
    *reads("import __main__", "import __main__\nt = __main__.n"),
    *reads("sys.modules", "import sys\nt = sys.modules['__main__'].n"),
    trap(
        "a type alias",
        "n = int",
        "%%task t\nimport typing\nA: typing.TypeAlias = list[n]\nt = str(A)",
        edit=("int", "str"),
        reruns=CHANGED,
    ),
    trap(
        "a type statement",
        "n = int",
        "%%task t\ntype A = list[n]\nt = str(A.__value__)",
        edit=("= int", "= str"),
        reruns=CHANGED,
        python=(3, 12),
    ),
]
