"""The outer names that the body of a function uses: where it runs, not where it is defined, they are read."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from milepost.analysis.code import MAIN

OPAQUE_CALLS = frozenset({"eval", "exec", "globals", "locals", "vars", "compile", "__import__"})
"""Built-in functions through which code reaches names that no reading of the source shows."""


@dataclass(slots=True)
class _Scope:
    """Names local to a function, and those it declares global."""

    local: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)


def default_expressions(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *(default for default in args.kw_defaults if default is not None)]


def annotation_expressions(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    arguments = _arguments(node.args)
    found = [argument.annotation for argument in arguments if argument.annotation is not None]
    return [*found, node.returns] if node.returns is not None else found


def _arguments(args: ast.arguments) -> list[ast.arg]:
    extra = [arg for arg in (args.vararg, args.kwarg) if arg is not None]
    return [*args.posonlyargs, *args.args, *args.kwonlyargs, *extra]


def function_names(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
) -> tuple[dict[str, None], set[str], set[str]]:
    """Free names of a function, with nested ones; names it assigns globally; opaque calls in it."""
    scope = _Scope(local={argument.arg for argument in _arguments(node.args)})
    body: Sequence[ast.AST] = node.body if isinstance(node.body, list) else [node.body]
    found = _FunctionBody(scope)
    for part in body:
        found.visit(part)
    free = {name: None for name in found.used if name not in scope.local or name in scope.outer}
    return free, found.assigned & scope.outer, found.opaque


class _FunctionBody(ast.NodeVisitor):
    """Names of one function body; order does not matter, since locals are local from the first line."""

    def __init__(self, scope: _Scope) -> None:
        self.scope = scope
        self.used: dict[str, None] = {}
        self.assigned: set[str] = set()
        self.opaque: set[str] = set()

    def _assign(self, name: str) -> None:
        self.assigned.add(name)
        self.scope.local.add(name)

    def visit_Global(self, node: ast.Global) -> None:
        self.scope.outer.update(node.names)
        self.used.update(dict.fromkeys(node.names))

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.used.setdefault(node.id)
        else:
            self._assign(node.id)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for expression in [*node.decorator_list, *default_expressions(node.args), *annotation_expressions(node)]:
            self.visit(expression)
        self._assign(node.name)
        self._nested(node)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for expression in default_expressions(node.args):
            self.visit(expression)
        self._nested(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._assign(node.name)
        inner = _FunctionBody(_Scope())
        for part in [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords), *node.body]:
            inner.visit(part)
        self.used.update(inner.used)
        self.opaque |= inner.opaque

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        targets = {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        inner = _FunctionBody(_Scope())
        inner.generic_visit(node)
        self.used.update({name: None for name in inner.used if name not in targets})
        self.opaque |= inner.opaque
        for walrus in (n for n in ast.walk(node) if isinstance(n, ast.NamedExpr)):
            self._assign(walrus.target.id)

    visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_ListComp

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if MAIN in (alias.name, getattr(node, "module", "")):
                self.opaque.add(f"import {MAIN}")
            self._assign(alias.asname or alias.name.partition(".")[0])

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._assign(node.name)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in OPAQUE_CALLS:
            self.opaque.add(f"{node.func.id}()")
        self.generic_visit(node)

    def _nested(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        free, assigned, opaque = function_names(node)
        self.used.update(free)
        self.assigned |= assigned
        self.scope.outer |= assigned
        self.opaque |= opaque
