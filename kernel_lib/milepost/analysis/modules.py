"""Which modules are the user's own: their code counts, while an installed package counts by its version."""

from __future__ import annotations

import functools
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any


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
