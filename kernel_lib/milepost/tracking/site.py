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
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from types import FrameType
from typing import TypeGuard

_STARTS = (dis.opmap["GET_ITER"], dis.opmap["GET_AITER"])
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPOUND = (*_LOOPS, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
_HOLDING = (ast.For, ast.AsyncFor, ast.With, ast.AsyncWith)
_Positions = tuple[int | None, ...]
_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


@dataclass(frozen=True, slots=True)
class Site:
    """A `for` statement: the code of its body, the names that are read outside of it, and which statement it is.

    `around` are the names in the heads of the `for` and `with` statements around it: what these have opened or go
    through, Python holds for them; `bound_around` are those that these bind, `iterated` those that are gone through
    just so: of a dict, only its keys count.
    """

    body: ast.Module
    targets: frozenset[str]
    read_outside: frozenset[str]
    around: frozenset[str]
    bound_around: frozenset[str]
    iterated: frozenset[str]
    statement: str
    """The how-manieth `for` statement of its function or cell, and a hash of its code."""


def site_of(frame: FrameType) -> Site | None:
    """The `for` statement that a frame is just entering; None where it is something else, or no code is there."""
    code = frame.f_code
    return _find(_text(frame), _positions(frame)) if code.co_code[frame.f_lasti] in _STARTS else None


def bound_by_now(frame: FrameType) -> frozenset[str]:
    """The names that a cell's own statements may have bound by the one that it is at."""
    return _bound(_text(frame), _positions(frame)[0] or 0)


def _text(frame: FrameType) -> str:
    return "".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals))


def _positions(frame: FrameType) -> _Positions:
    return next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None,) * 4)


@functools.lru_cache(maxsize=64)
def _find(text: str, positions: _Positions) -> Site | None:
    tree = _parsed(text)
    count: Counter[ast.AST] = Counter()
    for outer, node in _loops(tree, tree) if tree is not None else ():
        count[outer] += 1
        told = node.iter if sys.version_info >= (3, 13) else node
        if (told.lineno, told.end_lineno, told.col_offset, told.end_col_offset) == positions:
            return _site(outer, node, count[outer])
    return None


@functools.lru_cache(maxsize=64)
def _bound(text: str, line: int) -> frozenset[str]:
    tree = _parsed(text)
    return frozenset(_binds(tree, line)) if tree is not None else frozenset()


def _binds(node: ast.AST, line: int) -> Iterator[str]:
    """The names that code binds in its own scope before a line, or in a loop around that: there it came before, too."""
    for child in ast.iter_child_nodes(node):
        begin, end = getattr(child, "lineno", 0), getattr(child, "end_lineno", line)
        around = begin <= line <= end and isinstance(child, ast.stmt)
        if begin > line or (around and not isinstance(child, _COMPOUND)):
            continue
        yield from _names(child)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            yield from _binds(child, end + 1 if around and isinstance(child, _LOOPS) and begin < line else line)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    else:
        names = (getattr(node, kind, None) for kind in ("name", "rest"))
        yield from (name for name in names if isinstance(name, str))


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


def _site(outer: ast.AST, node: ast.For | ast.AsyncFor, number: int) -> Site:
    inside = {id(part) for statement in node.body for part in ast.walk(statement)}
    names = [part for part in ast.walk(outer) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)]
    targets = {part.id for part in ast.walk(node.target) if _is_bound(part)}
    outside = {part.id for part in names if id(part) not in inside}
    statement = f"{number} {blake2b(ast.dump(node).encode(), digest_size=16).hexdigest()}"
    around = list(_heads(outer, node))
    named = {name.id for head in around for name in _held(head)}
    bound = {part.id for head in around for part in ast.walk(head) if _is_bound(part)}
    iterated = {name.id for head in around if (name := _gone_through(head)) is not None}
    return Site(
        body=ast.Module(node.body, []),
        targets=frozenset(targets),
        read_outside=frozenset(outside),
        around=frozenset(named),
        bound_around=frozenset(bound),
        iterated=frozenset(iterated - named),
        statement=statement,
    )


def _heads(outer: ast.AST, node: ast.AST) -> Iterator[ast.AST]:
    """What stands in the heads of the statements around one whose objects Python holds on to."""
    for part in ast.walk(outer):
        if isinstance(part, _HOLDING) and any(node in ast.walk(statement) for statement in part.body):
            yield from [part.target, part.iter] if isinstance(part, ast.For | ast.AsyncFor) else part.items


def _is_bound(part: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)


def _gone_through(head: ast.AST) -> ast.Name | None:
    """The variable whose items alone are gone through, in a head like `nets` or `sorted(nets)`."""
    if isinstance(head, ast.Call) and isinstance(head.func, ast.Name) and head.func.id in LISTING:
        head = head.args[0] if len(head.args) == 1 and not head.keywords else head
    return head if isinstance(head, ast.Name) and isinstance(head.ctx, ast.Load) else None


def _held(head: ast.AST) -> Iterator[ast.Name]:
    """The names of what may be held: not of what is only counted, or whose items alone are gone through."""
    if _gone_through(head) is None:
        yield from _uncounted(head)
    elif isinstance(head, ast.Call):
        yield from _uncounted(head.func)


def _uncounted(node: ast.AST) -> Iterator[ast.Name]:
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COUNTING:
        yield node.func
    else:
        for child in ast.iter_child_nodes(node):
            yield from _uncounted(child)


COUNTING, LISTING = ("len", "range"), ("enumerate", "list", "sorted", "tuple")
"""What Python has by these names holds nothing of what it is given, or its items alone."""
