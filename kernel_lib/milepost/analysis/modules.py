"""Which modules are the user's own: their code counts, while an installed package counts by its version."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from milepost.analysis.code import digest_text, module_names, tree_digest


def module_of(thing: Any) -> ModuleType | None:
    """The loaded module in which a function or class says it was defined."""
    return sys.modules.get(getattr(thing, "__module__", None) or "")


def named_by_package(function: FunctionType) -> bool:
    """Whether a function that says it is of a package is that package's: no other can say the same of itself.

    One within another function has variables of its own; one that `functools.wraps` gave a name has other code.
    """
    home = sys.modules.get(function.__globals__.get("__name__") or "")
    installed = home is not None and home.__name__ != "__main__" and not is_project(home)
    return installed and "<locals>" not in function.__qualname__


def is_project(module: ModuleType | None) -> bool:
    """Whether a module's source lies outside the interpreter's library and its site-packages."""
    file = getattr(module, "__file__", None)
    if module is None or not file or module.__name__.partition(".")[0] in _OURS:
        return False
    return not _installed(file)


def is_own(kind: type) -> bool:
    """Whether a class is of the notebook or its project."""
    return kind.__module__ == "__main__" or is_project(module_of(kind))


_OURS = frozenset({"milepost", "__main__"})


@functools.lru_cache(maxsize=10_000)
def _installed(file: str) -> bool:
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts) or path.suffix not in {".py", ".pyc"}:
        return True
    return any(path.is_relative_to(root) for root in _library_roots())


@functools.cache
def _library_roots() -> frozenset[Path]:
    """As Python names them, and without links: modules have their files where they were found."""
    paths = sysconfig.get_paths()
    named = {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return frozenset(named | {path.resolve() for path in named})


def source_digest(name: str, package: str = "") -> str:
    """What a module of the project and the project's modules that it imports say, "" for any other module.

    `package` is where a relative name, one with dots in front, is imported.
    """
    sources = project_sources(name, package)
    return digest_text(*(part for item in sorted(sources.items()) for part in item)) if sources else ""


def project_sources(name: str, package: str = "") -> dict[str, str]:
    """A digest of the source of a module of the project and of each that its import statements lead to, by name."""
    sources: dict[str, str] = {}
    waiting = [absolute(name, package)]
    while waiting:
        module = waiting.pop()
        if module not in sources and (spec := _project_spec(module)) and (tree := _tree(spec)) is not None:
            sources[module] = tree_digest(tree)
            waiting += [absolute(found, spec.parent or "") for found in _imports(tree)]
    return sources


def absolute(name: str, package: str) -> str:
    """A module's full name; "" where there is none."""
    try:
        return importlib.util.resolve_name(name, package)
    except (ImportError, ValueError):
        return ""


def _project_spec(name: str) -> ModuleSpec | None:
    """Where a module of the project is. Packages above it are imported for that, installed ones never."""
    root = name.partition(".")[0]
    if not root or root in {*sys.stdlib_module_names, *_OURS}:
        return None
    try:
        top = importlib.util.find_spec(root)
        if top is None or (top.origin and _installed(top.origin)):
            return None
        return top if name == root else importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None


def _tree(spec: ModuleSpec) -> ast.Module | None:
    try:
        return None if not spec.origin or _installed(spec.origin) else ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from module_names("." * node.level + (node.module or ""), [alias.name for alias in node.names])


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
    if isinstance(value, FunctionType) and not named_by_package(value):
        return None
    root = module.__name__.partition(".")[0]
    return f"{root} {package_version(root)}".strip()
