"""Where a check works: a copy of the notebook's folder, always at the same path, and a store and key of its own.

All runs see one path, as paths get into variables and outputs. So a folder is made anew for each run that starts
afresh, and no file is linked: a notebook may write to any file beside it, and a link would lead to the user's own.
Where the file system can, copies share their blocks (`FICLONE`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from milepost.model.errors import UsageError
from milepost.model.sizes import size

LIMIT = 4 * 1024**3
"""Bytes of a folder that are copied without being asked for."""

_LEFT_OUT = {".git", ".hg", ".svn", ".ipynb_checkpoints", "__pycache__", "node_modules"}
_CLONE = 0x40049409
"""Linux: `FICLONE`, a copy that shares its blocks until one of both is written to."""


class Workplace:
    """A temporary place for the runs of one check; a context manager, which removes it."""

    def __init__(self, notebook: Path, root: Path | None = None, limit: int = LIMIT) -> None:
        notebook = notebook.resolve()
        self._root = (root or notebook.parent).resolve()
        if not notebook.is_relative_to(self._root):
            raise UsageError(f"{notebook} does not lie in {self._root}: --root names a folder above the notebook")
        self._require_small(limit)
        self._place = Path(tempfile.mkdtemp(prefix="milepost-check-")).resolve()
        self.root = self._place / self._root.name
        self.notebook = self.root / notebook.relative_to(self._root)
        (self._place / "key").write_bytes(secrets.token_bytes(32))
        (self._place / "key").chmod(0o600)

    def __enter__(self) -> Workplace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self._place)

    def fresh(self) -> None:
        """Make the copy anew, with an empty store."""
        _remove(self.root)
        _remove(self._place / "stores")
        shutil.copytree(self._root, self.root, symlinks=False, ignore=_ignored, copy_function=_copy)

    def environment(self) -> dict[str, str]:
        """What kernels here get besides this process's environment, another hash seed each."""
        return {
            "JPY_SESSION_NAME": str(self.notebook),
            "MILEPOST_STORE": str(self._place / "stores"),
            "MILEPOST_KEY_FILE": str(self._place / "key"),
            "PYTHONHASHSEED": str(secrets.randbelow(2**32)),
        }

    def scratch(self) -> Path:
        """A file through which a kernel and this process exchange what one asks of the other."""
        return self._place / "exchange.json"

    def files(self) -> dict[str, str]:
        """By path: a digest of each file in the folder as it is now; the notebook itself and caches are left out."""
        found = {}
        for path in _walk(self.root):
            if path != self.notebook:
                found[str(path.relative_to(self.root))] = _digest(path)
        return found

    def _require_small(self, limit: int) -> None:
        total = sum(path.stat().st_size for path in _walk(self._root) if path.is_file())
        if total > limit:
            words = f"{self._root} has {size(total)}, and a check works on a copy of it"
            raise UsageError(f"{words}: allow so much by --copy-limit, or put the notebook in a smaller folder")


def _walk(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder, followlinks=True):
        here = Path(where)
        left_out = _ignored(where, [*folders, *names])
        folders[:] = [name for name in folders if name not in left_out]
        yield from (here / name for name in sorted(names) if name not in left_out)


def _ignored(where: str, names: list[str]) -> set[str]:
    """What no notebook reads: version control, caches, stores, environments, sockets, links that lead nowhere."""
    return {name for name in names if _useless(Path(where) / name)}


def _useless(path: Path) -> bool:
    if path.name in _LEFT_OUT or not (path.is_file() or path.is_dir()):
        return True
    circular = path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve())
    return circular or (path.is_dir() and (path.suffix == ".milepost" or (path / "pyvenv.cfg").exists()))


def _copy(source: str, target: str) -> str:
    if not _cloned(source, target):
        shutil.copyfile(source, target)
    shutil.copystat(source, target)
    os.chmod(target, os.stat(target).st_mode | 0o200)
    return target


def _cloned(source: str, target: str) -> bool:
    try:
        import fcntl

        with open(source, "rb") as old, open(target, "wb") as new:
            fcntl.ioctl(new, _CLONE, old.fileno())
        return True
    except (ImportError, OSError):
        return False


def _digest(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _remove(folder: Path) -> None:
    """Also what a notebook made read-only, as a store's objects are."""
    if not folder.exists():
        return
    for where, _, _ in os.walk(folder):
        os.chmod(where, 0o700)
    shutil.rmtree(folder, ignore_errors=True)
