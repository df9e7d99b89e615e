"""Where a loop stands in the code: only a `for` statement of its own can be entered in its middle.

A comprehension, `list(track(...))` or `enumerate(track(...))` have more than variables to go on with: what they have
gathered so far, and where they count.
"""

from __future__ import annotations

import ast
import dis
import functools
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

_STARTS = (dis.opmap["GET_ITER"], dis.opmap["GET_AITER"])
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass(frozen=True, slots=True)
class Site:
    """A `for` statement: the code of its body, and the names that are read outside of it."""

    body: ast.Module
    targets: frozenset[str]
    read_outside: frozenset[str]


def site_of(frame: FrameType) -> Site | None:
    """The `for` statement that a frame is just entering; None where it is something else, or no code is there."""
    code = frame.f_code
    if code.co_code[frame.f_lasti] not in _STARTS:
        return None
    positions = next(
        (place for number, place in enumerate(code.co_positions()) if number == frame.f_lasti // 2), (None,) * 4
    )
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    return _find("".join(lines), positions)


@functools.lru_cache(maxsize=64)
def _find(text: str, positions: tuple[int | None, ...]) -> Site | None:
    tree = _parsed(text)
    for outer, node in _loops(tree, tree) if tree is not None else ():
        told = node.iter if sys.version_info >= (3, 13) else node
        if (told.lineno, told.end_lineno, told.col_offset, told.end_col_offset) == positions:
            return _site(outer, node)
    return None


@functools.lru_cache(maxsize=16)
def _parsed(text: str) -> ast.Module | None:
    try:
        tree: ast.Module = compile(text, "<loop>", "exec", _FLAGS, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return tree


def _loops(outer: ast.AST, node: ast.AST) -> Iterator[tuple[ast.AST, ast.For | ast.AsyncFor]]:
    """Every `for` statement, with the function or the module that it is in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.For | ast.AsyncFor):
            yield outer, child
        inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _loops(child if inner else outer, child)


def _site(outer: ast.AST, node: ast.For | ast.AsyncFor) -> Site:
    inside = {id(part) for statement in node.body for part in ast.walk(statement)}
    names = [part for part in ast.walk(outer) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)]
    targets = {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
    outside = {part.id for part in names if id(part) not in inside}
    return Site(ast.Module(node.body, []), frozenset(targets), frozenset(outside))
