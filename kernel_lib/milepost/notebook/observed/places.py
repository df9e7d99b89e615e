"""Which files are the user's data, and how their paths are saved."""

from __future__ import annotations

import functools
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path


class Places:
    """Paths as one notebook sees them; `home` gives its folder, wherever that is by now."""

    def __init__(self, home: Callable[[], Path]) -> None:
        self._home = home

    def counts(self, path: str) -> bool:
        """Whether an absolute path may be data: no part of Python, its packages, the system, or what Jupyter keeps."""
        if path.endswith(_SUFFIXES) or any(part.endswith(_FOLDERS) for part in path.split(os.sep)):
            return False
        root = max((root for root in library_roots() if _below(path, root)), key=len, default="")
        home = str(self._home())
        return not root or (_below(path, home) and len(home) > len(root))

    def packed(self, path: str) -> str:
        """An absolute path as it is saved: relative where it is below the notebook's folder, which may be moved."""
        home = str(self._home())
        return (path[len(home) :].lstrip(os.sep) or ".") if _below(path, home) else path

    def unpacked(self, name: str) -> str:
        """The absolute path again."""
        return os.path.normpath(os.path.join(self._home(), name))


_SUFFIXES = (".pyc", ".pyo", ".nbi", ".nbc")
_FOLDERS = (".milepost", ".ipynb_checkpoints", "__pycache__")


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root if root.endswith(os.sep) else root + os.sep)


@functools.cache
def library_roots() -> tuple[str, ...]:
    """Folders of Python, its packages, the system, and of what Jupyter, matplotlib and the like keep for themselves."""
    found = {os.path.abspath(root) for root in _roots() if root}
    return tuple(found | {os.path.realpath(root) for root in found})


def _roots() -> Iterator[str]:
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values())
    yield site.getusersitepackages()
    yield str(Path(__file__).parents[2])
    yield from (os.environ.get(name, "") for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"))
    if os.name == "posix":
        yield from ("/proc", "/sys", "/dev", "/etc", "/run", "/usr/lib", "/usr/lib64", "/usr/share", "/lib", "/lib64")
        yield from ("/var/cache", "/System", "/Library")
    own = (".config", ".ipython", ".jupyter", ".matplotlib", ".fonts", ".local/share/jupyter", ".local/share/fonts")
    caches = (".cache/matplotlib", ".cache/fontconfig", ".cache/pip", ".cache/uv", "Library/Jupyter", "Library/Caches")
    yield from (os.path.expanduser(os.path.join("~", folder)) for folder in (*own, *caches))
