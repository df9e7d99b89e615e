"""Code as it counts: what an edit changes and what it does not."""

from __future__ import annotations

import ast
import textwrap
import types
from types import CodeType
from typing import Any

import pytest

from milepost.analysis.code import code_token, digest_text, global_names, normalise, tree_digest
from milepost.analysis.describe import source_of

SOURCE = "def f(a, b=1):\n    '''Adds.'''\n    c = a + b\n    return [c, 'text']\nx = f(1)"


def function(source: str, name: str = "f") -> Any:
    space: dict[str, Any] = {}
    exec(compile(textwrap.dedent(source), "cell", "exec"), space)
    return space[name]


def code(source: str) -> CodeType:
    found = function(source).__code__
    assert isinstance(found, CodeType)
    return found


SAME = {
    "comment": SOURCE.replace("c = a + b", "c = a + b  # why"),
    "white space": SOURCE.replace("a + b", "(a  +  b)"),
    "blank lines": "\n\n" + SOURCE.replace("\n    return", "\n\n    return"),
    "another docstring": SOURCE.replace("Adds.", "Sums up."),
    "no docstring": SOURCE.replace("    '''Adds.'''\n", ""),
    "quotes": SOURCE.replace("'text'", '"text"'),
    "line breaks": SOURCE.replace("[c, 'text']", "[\n        c,\n        'text',\n    ]"),
}

OTHER = {
    "operator": SOURCE.replace("a + b", "a - b"),
    "constant": SOURCE.replace("'text'", "'txet'"),
    "type of a constant": SOURCE.replace("f(1)", "f(1.0)"),
    "default": SOURCE.replace("b=1", "b=2"),
    "order": SOURCE.replace("[c, 'text']", "['text', c]"),
    "name": SOURCE.replace("c = a", "d = a").replace("[c", "[d"),
    "statement more": SOURCE + "\ny = 1",
}


@pytest.mark.parametrize("edited", SAME.values(), ids=SAME)
def test_what_does_not_count(edited: str) -> None:
    assert tree_digest(ast.parse(edited)) == tree_digest(ast.parse(SOURCE))
    assert code_token(code(edited)) == code_token(code(SOURCE))


@pytest.mark.parametrize("edited", OTHER.values(), ids=OTHER)
def test_what_counts(edited: str) -> None:
    assert tree_digest(ast.parse(edited)) != tree_digest(ast.parse(SOURCE))


@pytest.mark.parametrize("name", ["operator", "constant", "order"])
def test_what_counts_of_compiled_code(name: str) -> None:
    assert code_token(code(OTHER[name])) != code_token(code(SOURCE))


def test_a_text_that_is_no_docstring_counts() -> None:
    assert tree_digest(ast.parse("'a'")) != tree_digest(ast.parse("'b'")), "a cell's last expression is shown"
    assert tree_digest(ast.parse("def f():\n    return 'a'")) != tree_digest(ast.parse("def f():\n    return 'b'"))


def test_normalising_leaves_the_tree_alone() -> None:
    tree = ast.parse(SOURCE)
    before = ast.dump(tree)
    normalise(tree)
    assert ast.dump(tree) == before


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("def f(): return 1", "def f(): return 1.0"),
        ("def f(): return 1", "def f(): return True"),
        ("def f(): return 0.0", "def f(): return -0.0"),
        ("def f(): return (1, 2)", "def f(): return (1, 2.0)"),
        ("def f(x): return x in {1, 2}", "def f(x): return x in {1, 3}"),
        ("def f(): return (lambda: 1)", "def f(): return (lambda: 2)"),
        ("def f(a, b): return a", "def f(b, a): return a"),
        ("def f(a, /): return a", "def f(a): return a"),
        ("def f(*, a): return a", "def f(a): return a"),
        ("def f(*a): return a", "def f(**a): return a"),
        ("def f(): return g.a", "def f(): return g.b"),
        ("def f(): yield 1", "async def f(): yield 1"),
        ("def f():\n    try: g()\n    except A: h()", "def f():\n    g()\n    h()"),
    ],
)
def test_code_that_differs(one: str, two: str) -> None:
    assert code_token(code(one)) != code_token(code(two))


def test_files_and_lines_do_not_count() -> None:
    assert code_token(code("def f(): return [g(i) for i in range(3)]")) == code_token(
        code("\n\n\ndef f():\n    return [g(i)\n            for i in range(3)]")
    )


def test_global_names_with_nested_code() -> None:
    source = """
        def f(a):
            global kept
            kept = a.attribute
            class C(base):
                field = inner
            return [outer(i) for i in a] + [(lambda: deep)(), len(a)]
    """
    assert {"kept", "base", "inner", "outer", "deep"} <= set(global_names(code(source)))
    assert not {"a", "attribute", "i", "C"} & set(global_names(code(source)))


def test_texts_are_kept_apart() -> None:
    assert digest_text("ab", "c") != digest_text("a", "bc")
    assert digest_text("a") != digest_text("a", "")
    assert digest_text("\udc80") != digest_text("")


def test_a_module_that_refuses_to_be_asked_has_no_source() -> None:
    class Refusing(types.ModuleType):
        def __getattr__(self, name: str) -> None:
            raise RuntimeError(f"there is no class {name}")

    assert source_of(Refusing("classes")) == ""
