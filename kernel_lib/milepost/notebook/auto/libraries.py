"""What code does to installed libraries, and what it asks of the machine, as far as it can be read there.

A cell that is restored does not call what it called. Where a call is there for what it does to a library, not for what
it returns, nobody can say that the restored notebook equals one that ran. For the libraries whose state is looked at
(`ambient`), and for those that draw, that is known well enough.
"""

from __future__ import annotations

import ast
import functools
import sys
import textwrap
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from milepost.analysis.describe import source_of
from milepost.analysis.modules import is_project
from milepost.notebook.namespace import Namespace

_LOOKED_AT = frozenset({"numpy", "pandas", "matplotlib", "polars", "torch", "pyarrow", "IPython"})
"""Packages whose state is looked at, or that keep none."""

_DRAW = frozenset(
    {"seaborn", "sklearn", "statsmodels", "wordcloud", "missingno", "shap", "scipy", "joblib", "PIL", "cv2"}
    | {"plotly", "altair", "folium", "graphviz", "networkx", "geopandas", "yaml", "imageio", "soundfile", "openpyxl"}
    | {"sympy", "mpmath"}
)
"""Packages whose calls compute, draw or write files: all is seen."""

_SETTING = ("set", "init", "config", "setup", "use", "enable", "disable", "register", "install", "activate", "connect")
"""How the names of functions begin that change a library."""

_COMPUTING = ("connected_", "initial_", "user_")
"""How others begin that only look like those."""

_HOOKS = frozenset(
    {"addHandler", "addFilter", "observe", "on_click", "on_submit", "on_value_change", "on_msg", "jslink"}
    | {"create_task", "ensure_future", "call_later", "call_soon", "call_at", "run_coroutine_threadsafe", "add_callback"}
    | {"add_done_callback", "start_new_thread"}
)
"""Methods that have others call something later on."""

_STDLIB_SETS = frozenset({"atexit", "signal", "threading", "faulthandler", "codecs", "copyreg", "mimetypes", "socket"})
"""Modules of the standard library whose functions are called for what they do to the process."""

_ASKING = frozenset(
    {"time_ns", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time"}
    | {"now", "utcnow", "today", "uuid1", "uuid4", "urandom", "token_hex", "token_bytes", "token_urlsafe", "randbits"}
    | {"default_rng", "Generator", "SystemRandom", "Random", "RandomState", "getpid", "id", "hash", "set", "frozenset"}
    | {"mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory"}
)
"""Names of functions that come to something else in another process."""


def trees_of(tree: ast.Module, names: Iterable[str], namespace: Namespace) -> list[ast.Module]:
    """A cell's code, and that of the notebook's functions which it reaches."""
    reached = [namespace.data[name] for name in namespace.bound(names)]
    functions = [function for value in reached for function in _functions(value, namespace.home)]
    return [tree, *(_parsed(function.__code__) for function in functions)]


def _functions(value: Any, home: Mapping[str, Any]) -> Iterator[types.FunctionType]:
    members = vars(value).values() if isinstance(value, type) and value.__module__ == "__main__" else (value,)
    for item in members:
        known = isinstance(item, _CALLABLES)  # a class of the user's may do anything when it is asked for an attribute
        plain = getattr(item, "__wrapped__", getattr(item, "__func__", item)) if known else None
        if isinstance(plain, types.FunctionType) and plain.__globals__ is home:
            yield plain


_CALLABLES = (types.FunctionType, types.MethodType, staticmethod, classmethod, functools._lru_cache_wrapper)


@functools.lru_cache(maxsize=1_000)
def _parsed(code: types.CodeType) -> ast.Module:
    try:
        return ast.parse(textwrap.dedent(source_of(code)))
    except SyntaxError:
        return ast.Module([], [])


def differs(trees: Iterable[ast.Module]) -> bool:
    """Whether code seems to ask for what is another thing in each process: the clock, the order of a set."""
    return any(map(_differs, trees))


@functools.lru_cache(maxsize=1_000)
def _differs(tree: ast.Module) -> bool:
    return any(map(_asks, ast.walk(tree)))


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in _ASKING or (node.func.attr == "time" and _root(node.func) in ("time", ""))
    return isinstance(node.func, ast.Name) and node.func.id in _ASKING | {"time"}


def settings(trees: Iterable[ast.Module], data: Mapping[str, Any]) -> str:
    """Which call may change a library for good, "" if none seems to."""
    return next((words for tree in trees for words in _settings(_calls(tree), data)), "")


@dataclass(frozen=True, slots=True)
class _Calls:
    """What some code calls, and whether it does so for what that does; and what it imports itself."""

    functions: tuple[tuple[ast.expr, bool], ...]
    imported: Mapping[str, str]


@functools.lru_cache(maxsize=1_000)
def _calls(tree: ast.Module) -> _Calls:
    stated = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return _Calls(tuple((function, id(call) in stated) for call, function in _called(tree)), dict(_imported(tree)))


def _settings(calls: _Calls, data: Mapping[str, Any]) -> Iterator[str]:
    for function, stated in calls.functions:
        name, package = _last(function), _package(function, calls.imported, data)
        if name in _HOOKS:
            yield f"it calls {name}, after which others hold what it made"
        if package and _sets(package, name, stated=stated):
            yield f"it calls {name} of {package}, which may leave more behind than variables"


def _called(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.expr]]:
    """Each call and what it calls; a decorator is called without saying so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, node.func
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from ((item, item) for item in node.decorator_list if not isinstance(item, ast.Call))


def _sets(package: str, name: str, *, stated: bool) -> bool:
    if package in _LOOKED_AT:
        return name.startswith("register") or (package == "IPython" and name.startswith(_SETTING))
    if package in sys.stdlib_module_names:
        return stated and (package in _STDLIB_SETS or (package not in _KNOWN and name.startswith(_SETTING)))
    setting = name.startswith(_SETTING) and not name.startswith(_COMPUTING)
    return setting or (stated and package not in _DRAW)


_KNOWN = frozenset({"random", "os", "decimal", "warnings", "logging", "locale"})
"""Modules of the standard library whose state is looked at."""


def _package(node: ast.expr, imported: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """The installed package of a function that is called by way of a module, or by a name of its own."""
    root = _root(node)
    if root in imported:
        module = imported[root]
        return "" if is_project(sys.modules.get(module)) else module.partition(".")[0]
    value = data.get(root)
    if isinstance(value, types.ModuleType):
        return "" if is_project(value) else value.__name__.partition(".")[0]
    if not isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return ""
    module = value.__module__ or ""
    own = module in ("builtins", "__main__") or is_project(sys.modules.get(module))
    return "" if own else module.partition(".")[0]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that code binds to modules, or to what they have, with the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((alias.asname or alias.name, node.module) for alias in node.names)
