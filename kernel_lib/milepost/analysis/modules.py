"""Which modules are the user's own: their code counts, while an installed package counts by its version."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from milepost.analysis.code import digest_text, tree_digest


def module_of(thing: Any) -> ModuleType | None:
    """The loaded module in which a function or class says it was defined."""
    return sys.modules.get(getattr(thing, "__module__", None) or "")


def is_project(module: ModuleType | None) -> bool:
    """Whether a module's source lies outside the interpreter's library and its site-packages."""
    file = getattr(module, "__file__", None)
    if module is None or not file or module.__name__.partition(".")[0] in _OURS:
        return False
    return not _installed(file)


_OURS = frozenset({"milepost", "__main__"})


@functools.lru_cache(maxsize=10_000)
def _installed(file: str) -> bool:
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts) or path.suffix not in {".py", ".pyc"}:
        return True
    return any(path.is_relative_to(root) for root in _library_roots())


@functools.cache
def _library_roots() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({str(Path(paths[name]).resolve()) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def source_digest(name: str) -> str:
    """What a module of the project and the project's modules that it imports say, "" for any other module."""
    sources: dict[str, str] = {}
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in sources and (tree := _project_tree(module)) is not None:
            sources[module] = tree_digest(tree)
            waiting += _imports(tree)
    return digest_text(*(part for item in sorted(sources.items()) for part in item)) if sources else ""


def _project_tree(name: str) -> ast.Module | None:
    if name.partition(".")[0] in {*sys.stdlib_module_names, *_OURS}:
        return None
    try:
        spec = importlib.util.find_spec(name)
        file = spec.origin if spec else None
        return None if not file or _installed(file) else ast.parse(Path(file).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError, AttributeError):
        return None


def _imports(tree: ast.Module) -> list[str]:
    plain = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    return plain + [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]


@functools.lru_cache(maxsize=1_000)
def package_version(module: str) -> str:
    """The version of the distribution that a module's root package came from, "" where none says."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names:
        return ""
    loaded = getattr(sys.modules.get(root), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    try:
        return metadata.version(root)
    except metadata.PackageNotFoundError:
        return ""


def package_of(value: Any) -> str | None:
    """Name and version, where a value is an installed module or a function or class of one; else None."""
    is_code = isinstance(value, ModuleType | FunctionType | BuiltinFunctionType | type)
    if not is_code:
        return None
    module = value if isinstance(value, ModuleType) else module_of(value)
    if module is None or module.__name__ == "__main__" or is_project(module):
        return None
    root = module.__name__.partition(".")[0]
    return f"{root} {package_version(root)}".strip()
