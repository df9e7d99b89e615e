"""Which cells do more than prepare others, and which must run each time whatever they computed before."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Iterator

RESTORABLE_MAGICS = frozenset({"time", "timeit"})
"""Line magics that leave nothing behind but what their code binds."""

SETTINGS = frozenset({"matplotlib", "tasks", "load_ext", "autoreload", "config", "pip", "conda", "pwd", "colors"})
"""Line magics that change no variable."""

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)


def computes(tree: ast.Module) -> bool:
    """Whether a cell does more than import, define, assign constants and set magics."""
    return not all(map(_prepares, tree.body))


def timed(tree: ast.Module) -> str:
    """The cell below `%%time`, "" for any other cell."""
    node = tree.body[0] if len(tree.body) == 1 else None
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or _magic_of(call) != "time" or len(call.args) != 3:
        return ""
    return str(getattr(call.args[2], "value", ""))


def harmless(tree: ast.Module) -> bool:
    """Whether a cell that just runs changes no value that is there: it binds names, or sets what is no variable."""
    return all(map(_harmless, tree.body))


def _harmless(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign):  # an item or an attribute is a change of what has it
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return all(isinstance(part, ast.Name | ast.Tuple | ast.List) for part in targets)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return not node.decorator_list and not any(isinstance(part, ast.Call) for part in ast.walk(node.args))
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) or _magic_of(node.value) in SETTINGS
    return isinstance(node, ast.Import | ast.Pass)


def _prepares(node: ast.stmt) -> bool:
    if isinstance(node, ast.Try):
        parts = [*node.body, *node.orelse, *node.finalbody, *(part for h in node.handlers for part in h.body)]
        return all(map(_prepares, parts))
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is None or _constant(node.value)
    return isinstance(node, _DEFINITIONS) or (isinstance(node, ast.Expr) and _idle(node.value))


def _idle(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or _magic_of(node) not in (None, "!", *RESTORABLE_MAGICS)


def _constant(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


@functools.lru_cache(maxsize=1_000)
def runs_each_time(tree: ast.Module) -> str:
    """Why a cell must never be restored, as far as its code shows; "" if nothing speaks against it."""
    return next(itertools.chain(_magics(tree), _shell_uses(tree), _imports_by_name(tree)), "")


def _magics(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if (name := _magic_of(node)) is not None and name not in RESTORABLE_MAGICS:
            what = "starts a program" if name == "!" else f"uses %{name}"
            yield f"it {what}, which may leave more behind than variables"


def _shell_uses(tree: ast.Module) -> Iterator[str]:
    magics = {id(node.func.value) for node in ast.walk(tree) if _magic_of(node) is not None}  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if _is_get_ipython(node) and id(node) not in magics:
            yield "it uses IPython itself, which may leave more behind than variables"


def _imports_by_name(tree: ast.Module) -> Iterator[str]:
    """A module that is asked for by a computed name: which it is, and so whether it is another one now, nobody sees."""
    methods = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call) and _name(node.func) == "modules"}
    for node in ast.walk(tree):
        name = _name(node)
        if name in _IMPORTERS and id(node) not in methods:  # layers of torch have `modules()`; that of `sys` is a dict
            yield f"it uses {name}, by which it may load any module"


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


_IMPORTERS = frozenset({"importlib", "import_module", "__import__", "runpy", "run_path", "run_module", "modules"})


def _magic_of(node: ast.AST) -> str | None:
    """The magic or the command that a call stands for, None for any other call."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_get_ipython(node.func.value)):
        return None
    method, first = node.func.attr, node.args[:1]
    if method in ("run_line_magic", "run_cell_magic"):
        return str(getattr(first[0], "value", "")) if first else ""
    return {"system": "!", "getoutput": "!"}.get(method)


def _is_get_ipython(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"
