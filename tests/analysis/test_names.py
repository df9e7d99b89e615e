"""What a cell reads, binds and deletes, construct by construct."""

from __future__ import annotations

import ast

import pytest

from milepost.analysis.names import CellNames, cell_names


def names(source: str) -> CellNames:
    tree = compile(source, "cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(tree, ast.Module)
    return cell_names(tree)


CASES: dict[str, tuple[str, str, str]] = {
    # source, reads, binds
    "assignment": ("x = y", "y", "x"),
    "bound before read": ("x = 1\ny = x", "", "x y"),
    "read before bound": ("y = x\nx = 1", "x", "x y"),
    "chained": ("a = b = c", "c", "a b"),
    "unpacking": ("(a, [b, *c]) = d", "d", "a b c"),
    "attribute and item targets read": ("a.b = c\nd[e] = f", "a c d e f", ""),
    "augmented": ("x += y", "x y", "x"),
    "augmented item": ("x[i] += y", "i x y", ""),
    "annotated": ("x: int = y", "int y", "x"),
    "annotation alone binds nothing": ("x: int", "int", ""),
    "walrus": ("print(n := len(a))\nn", "a len print", "n"),
    "walrus in a comprehension": ("[m := v for v in vs]\nm", "m vs", "m"),
    "walrus in a condition": ("if (m := f()):\n    m", "f", "m"),
    "both branches bind": ("if c:\n    x = 1\nelse:\n    x = 2\nx", "c", "x"),
    "one branch binds": ("if c:\n    x = 1\nx", "c x", "x"),
    "conditional expression": ("x if c else y", "c x y", ""),
    "and": ("a and (b := 1)\nb", "a b", "b"),
    "for": ("for i in xs:\n    s = i\ni", "i xs", "i s"),
    "for else": ("for i in xs:\n    pass\nelse:\n    e = 1", "xs", "e i"),
    "while": ("while c:\n    x = 1\nx", "c x", "x"),
    "while true": ("x = 0\nwhile True:\n    x += 1\n    break", "", "x"),
    "with": ("with open(p) as f, g:\n    t = f", "g open p", "f t"),
    "try": ("try:\n    x = 1\nexcept E:\n    pass\nx", "E x", "x"),
    "try where all bind": ("try:\n    x = 1\nexcept E:\n    x = 2\nx", "E", "x"),
    "except name": ("try:\n    f()\nexcept E as e:\n    print(e)\n", "E f print", ""),
    "except name is gone afterwards": ("try:\n    pass\nexcept E as e:\n    pass\ne", "E e", ""),
    "finally sees no binding of the body": ("try:\n    x = f()\nfinally:\n    g(x)", "f g x", "x"),
    "except star": ("try:\n    f()\nexcept* E as e:\n    e", "E f", ""),
    "del": ("x = 1\ndel x\nx", "x", "x"),
    "del of an item": ("del x[i]", "i x", ""),
    "import": ("import a.b, c as d\nfrom e import f as g, h", "", "a d g h"),
    "list comprehension": ("[i for i in xs if i in ys]", "xs ys", ""),
    "nested comprehension": ("[j for i in xs for j in i if j != k]", "k xs", ""),
    "comprehension does not bind": ("[i for i in xs]\ni", "i xs", ""),
    "first iterable is read outside": ("[x for x in x]", "x", ""),
    "dict comprehension": ("{k: f(v) for k, v in d.items()}", "d f", ""),
    "generator": ("sum(n * w for n in ns)", "ns sum w", ""),
    "lambda": ("f = lambda a, b=c: a + b + d", "c d", "f"),
    "lambda hides its argument": ("x = 1\n(lambda y: y)(x)", "", "x"),
    "function alone": ("def f(a, *b, c=d, **e):\n    return a, b, c, e, g", "d", "f"),
    "function used": ("def f():\n    return g\nf()", "g", "f"),
    "function used after what it reads": ("def f():\n    return g\ng = 1\nf()", "", "f g"),
    "two functions that call each other": ("def a():\n    return b()\ndef b():\n    return n\na()", "n", "a b"),
    "local of a function": ("def f():\n    t = 1\n    return t + u\nf()", "u", "f"),
    "nested function": ("def f(a):\n    def g(b):\n        return a + b + c\n    return g\nf(1)", "c", "f"),
    "nonlocal": ("def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    g()\nf()", "", "f"),
    "global": ("def f():\n    global n\n    n = 1\nf()", "n", "f n"),
    "recursion": ("def f(n):\n    return f(n - 1) if n else k\nf(3)", "k", "f"),
    "decorator": ("@d(e)\ndef f():\n    return g", "d e g", "f"),
    "annotations of a function": ("def f(a: A) -> B:\n    pass", "A B", "f"),
    "class body runs at once": (
        "class C(B, metaclass=M):\n    x = y\n    def m(self):\n        return z",
        "B M y",
        "C",
    ),
    "class used": ("class C:\n    def m(self):\n        return z\nC().m()", "z", "C"),
    "class attributes stay inside": ("class C:\n    x = 1\nx", "x", "C"),
    "class decorator": ("@d\nclass C:\n    n: int = k", "d int k", "C"),
    "match": (
        "match s:\n    case [a, *b]:\n        r = a\n    case {'k': v, **rest}:\n        pass\n"
        "    case P(x=y) as z:\n        pass",
        "P s",
        "a b r rest v y z",
    ),
    "match guard": ("match s:\n    case n if n > limit:\n        pass", "limit s", "n"),
    "await": ("x = await f(y)", "f y", "x"),
    "async for and with": ("async for i in a:\n    pass\nasync with b as c:\n    pass", "a b", "c i"),
    "format string": ("f'{a:{w}} {b!r}'", "a b w", ""),
    "star arguments": ("f(*a, **b)", "a b f", ""),
    "slices": ("x[a:b, ...]", "a b x", ""),
    "starred in a list": ("[*a, b]", "a b", ""),
    "yield in a function": ("def g():\n    yield from xs\nlist(g())", "list xs", "g"),
    "assert and raise": ("assert a, b\nraise E(c) from d", "E a b c d", ""),
    "a default of a nested function": ("def f():\n    def g(a=k):\n        return a\n    return g()\nf()", "k", "f"),
}


@pytest.mark.parametrize(("source", "reads", "binds"), CASES.values(), ids=CASES)
def test_reads_and_binds(source: str, reads: str, binds: str) -> None:
    found = names(source)
    assert sorted(found.reads) == sorted(reads.split())
    assert sorted(found.binds) == sorted(binds.split())


@pytest.mark.parametrize(
    ("source", "deletes"),
    [("del a, b", "a b"), ("x = 1\ndel x", "x"), ("del x\nx = 1", ""), ("del a.b, c[0]", ""), ("del (a, [b])", "a b")],
)
def test_deletes(source: str, deletes: str) -> None:
    assert sorted(names(source).deletes) == sorted(deletes.split())


@pytest.mark.parametrize(
    ("source", "maybe", "reads", "binds"),
    [
        ("get_ipython().system('echo $word {other}')", "echo other word", "get_ipython", ""),
        ("get_ipython().run_line_magic('timeit', 'f(x)')", "f x", "get_ipython", ""),
        ("get_ipython().run_line_magic('time', 'y = f(x)')", "", "f get_ipython x", "y"),
        ("get_ipython().run_cell_magic('capture', 'out', 'print(a)')", "a out print", "get_ipython", ""),
        ("get_ipython().run_line_magic('tasks', 'forget last')", "", "get_ipython", ""),
        ("get_ipython().run_line_magic('load_ext', 'milepost')", "", "get_ipython", ""),
        ("x = get_ipython().getoutput('ls')", "ls", "get_ipython", "x"),
    ],
)
def test_magics(source: str, maybe: str, reads: str, binds: str) -> None:
    found = names(source)
    assert sorted(found.maybe) == sorted(maybe.split())
    assert sorted(found.reads) == sorted(reads.split())
    assert sorted(found.binds) == sorted(binds.split())


@pytest.mark.parametrize(
    "source",
    [
        "eval('x')",
        "exec(code)",
        "globals()['x'] = 1",
        "def f():\n    return locals()",
        "[eval(c) for c in cs]",
        "class C:\n    x = vars()",
        "from m import *",
        "get_ipython().user_ns['x']",
        "get_ipython().run_line_magic('run', 'other.py')",
        "f = lambda: eval('x')",
    ],
)
def test_what_reaches_anything_is_named(source: str) -> None:
    assert names(source).opaque


@pytest.mark.parametrize("source", ["x = 1", "d.eval()", "df.eval('a + b')", "model.compile(loss)"])
def test_methods_that_bear_such_names_are_not_opaque(source: str) -> None:
    assert not names(source).opaque
