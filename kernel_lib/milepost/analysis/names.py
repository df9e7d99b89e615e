"""Which names a cell reads before it binds them, and which it binds.

The walk follows execution order and keeps the set of names that are *definitely* bound, so that a name bound on one
branch only still counts as read. The body of a function counts when the function is first used, not where it is
defined: `def f(): return g()` followed by `def g(): ...` reads no outside `g`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from milepost.analysis.code import MAIN
from milepost.analysis.function_names import (
    OPAQUE_CALLS,
    annotation_expressions,
    default_expressions,
    function_names,
)

PYTHON_MAGICS = frozenset({"time"})
"""Line magics whose argument is Python run in the namespace, and whose bindings stay."""

NAMELESS_MAGICS = frozenset({"tasks", "load_ext", "reload_ext", "unload_ext", "matplotlib"})
"""Line magics whose words name no variables."""

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class CellNames:
    """What a cell body touches.

    `reads` are names read before they are bound, in order of first use; `maybe` are words of shell commands and
    magics that count as reads if the namespace has them; `binds` and `deletes` are names bound or deleted on any
    path; `opaque` are the constructs through which it may reach anything, for people.
    """

    reads: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()


def cell_names(tree: ast.Module) -> CellNames:
    """The names that a parsed cell (after IPython's transforms) reads, binds and deletes."""
    walk = _Walk()
    walk.block(tree.body)
    return CellNames(
        reads=tuple(walk.reads),
        maybe=tuple(name for name in walk.maybe if name not in walk.reads),
        binds=tuple(walk.binds),
        deletes=tuple(walk.deletes),
        opaque=tuple(walk.opaque),
    )


class _Walk(ast.NodeVisitor):
    """Visits in execution order. Sets of names are dicts, to keep their order."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.reads: dict[str, None] = {}
        self.maybe: dict[str, None] = {}
        self.binds: dict[str, None] = {}
        self.deletes: dict[str, None] = {}
        self.opaque: dict[str, None] = {}
        self.deferred: dict[str, tuple[str, ...]] = {}

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self.visit(statement)

    # names

    def load(self, name: str) -> None:
        if name not in self.bound:
            self.reads.setdefault(name)
        for inner in self.deferred.pop(name, ()):
            self.load(inner)

    def bind(self, name: str) -> None:
        self.bound.add(name)
        self.binds.setdefault(name)
        self.deletes.pop(name, None)
        self.deferred.pop(name, None)

    def unbind(self, name: str) -> None:
        self.bound.discard(name)
        self.deletes.setdefault(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self.load(node.id)
            self.unbind(node.id)

    # statements whose parts run in another order than they are written

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.load(node.target.id)
        self.visit(node.value)
        self.visit(node.target)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
        self.visit(node.annotation)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._branches([[node.target, *node.body], []])
        self.block(node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._branches([node.body, []])
        self.block(node.orelse)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._branches([node.body, node.orelse])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self._branches([[node.body], [node.orelse]])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self._branches([node.values[1:], []])

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        self._branches([[case] for case in node.cases] + [[]])

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        before = set(self.bound)
        self.block(node.body)
        self.block(node.orelse)
        finished = self.bound
        for handler in node.handlers:
            self.bound = set(before)
            self.visit(handler)
            finished = finished & self.bound
        self.bound = before  # an error may have come before anything was bound
        self.block(node.finalbody)
        self.bound = finished | self.bound

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if node.name:
            self.bound.add(node.name)
        self.block(node.body)
        if node.name:
            self.unbind(node.name)

    def _branches(self, branches: Sequence[Sequence[ast.AST]]) -> None:
        """Visit each branch from the same start; what all of them bind is bound afterwards."""
        before, after = set(self.bound), None
        for branch in branches:
            self.bound = set(before)
            for node in branch:
                self.visit(node)
            after = self.bound if after is None else after & self.bound
        self.bound = before if after is None else after

    # bindings without a Name node

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name == MAIN:
                self.opaque.setdefault(f"import {MAIN}")
            self.bind(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.opaque.setdefault(f"from {node.module} import *")
            else:
                if node.module == MAIN:
                    self.load(alias.name)
                self.bind(alias.asname or alias.name)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name:
            self.bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest)

    # scopes

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for expression in [*node.decorator_list, *default_expressions(node.args), *annotation_expressions(node)]:
            self.visit(expression)
        inner = self._inner(node)
        self.bind(node.name)
        self.deferred[node.name] = inner
        if node.decorator_list:
            self.load(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for expression in default_expressions(node.args):
            self.visit(expression)
        for name in self._inner(node):
            self.load(name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for expression in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]:
            self.visit(expression)
        body = _Walk()
        body.bound = set(self.bound)
        body.block(node.body)
        for name in body.reads:
            self.load(name)
        later = [name for names in body.deferred.values() for name in names]
        self._merge(body)
        self.bind(node.name)
        self.deferred[node.name] = tuple(later)
        if node.decorator_list:
            self.load(node.name)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        """Comprehensions run at once, in a scope of their own; a walrus binds outside."""
        inner = _Walk()
        inner.bound = set(self.bound)
        for generator in node.generators:
            inner.visit(generator.iter)
            inner.visit(generator.target)
            for test in generator.ifs:
                inner.visit(test)
        for element in [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]:
            inner.visit(element)
        for name in inner.reads:
            self.load(name)
        for name in {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}:
            self.binds.setdefault(name)
        for name in [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]:
            if name in self.deferred:
                self.load(name)
        self._merge(inner)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    def _inner(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> tuple[str, ...]:
        """The outer names that a function's body uses; what it declares `global` and assigns is bound outside."""
        free, assigned, opaque = function_names(node)
        for name in assigned:
            self.binds.setdefault(name)
        self.opaque.update(dict.fromkeys(opaque))
        return tuple(free)

    def _merge(self, inner: _Walk) -> None:
        self.opaque.update(inner.opaque)
        self.maybe.update(inner.maybe)

    # what the source does not show

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in OPAQUE_CALLS:
            self.opaque.setdefault(f"{node.func.id}()")
        elif isinstance(node.func, ast.Attribute) and _is_get_ipython(node.func.value):
            self._magic(node.func.attr, [a.value for a in node.args if isinstance(a, ast.Constant)])

    def visit_Constant(self, node: ast.Constant) -> None:
        if node.value == MAIN:
            self.opaque.setdefault(repr(MAIN))

    def visit_Compare(self, node: ast.Compare) -> None:
        if isinstance(node.left, ast.Name) and node.left.id == "__name__":
            self.load("__name__")  # `if __name__ == "__main__"` asks for no variable
        else:
            self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "user_ns" and _is_get_ipython(node.value):
            self.opaque.setdefault("get_ipython().user_ns")
        self.generic_visit(node)

    def _magic(self, method: str, words: list[object]) -> None:
        text = " ".join(str(word) for word in words[1:]) if method.startswith("run_") else " ".join(map(str, words))
        if method.startswith("run_") and words and words[0] == "run":
            self.opaque.setdefault("%run")
        if method == "run_line_magic" and words and words[0] in PYTHON_MAGICS and self._python(text):
            return
        if method != "run_line_magic" or not words or words[0] not in NAMELESS_MAGICS:
            self.maybe.update(dict.fromkeys(_IDENTIFIER.findall(text)))

    def _python(self, text: str) -> bool:
        try:
            tree = ast.parse(text)
        except SyntaxError:
            return False
        self.block(tree.body)
        return True


def _is_get_ipython(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"
