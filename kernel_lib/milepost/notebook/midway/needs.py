"""Which names a loop needs from the items before, by its code."""

from __future__ import annotations

import ast
import copy

from milepost.analysis.names import cell_names
from milepost.tracking.site import Site


def needed(site: Site) -> frozenset[str]:
    """Names whose value goes from one item to the next, or out of the loop, unless each item binds them anew."""
    return _reads(site, site.body.body)


def read_first(site: Site) -> frozenset[str]:
    """Those of them that are needed even where each loop within has at least one item."""
    straight: ast.Module = _Straight().visit(copy.deepcopy(site.body))
    return _reads(site, straight.body)


def _reads(site: Site, statements: list[ast.stmt]) -> frozenset[str]:
    ends = [ast.Expr(ast.Name(name, ast.Load())) for name in sorted(site.read_outside)]
    starts = [ast.Assign([ast.Name(name, ast.Store())], ast.Constant(0)) for name in site.targets]
    return frozenset(cell_names(ast.Module([*starts, *statements, *ends], [])).reads)


class _Straight(ast.NodeTransformer):
    """Has each loop go through its statements once."""

    def visit_For(self, node: ast.For | ast.AsyncFor) -> list[ast.stmt]:
        self.generic_visit(node)
        return [ast.Assign([node.target], node.iter), *node.body, *node.orelse]

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> list[ast.stmt]:
        self.generic_visit(node)
        return [ast.Expr(node.test), *node.body, *node.orelse]
