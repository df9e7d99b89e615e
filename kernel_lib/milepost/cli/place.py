"""From what people type to a store, and to tasks that are in it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import Path

from milepost.checkpoint.layout import SUFFIX, Layout, store_path
from milepost.checkpoint.local import LocalStore
from milepost.model.errors import UsageError


def find_store(place: str) -> LocalStore:
    """The store of a notebook, or the one in a `.milepost` folder; it may be empty.

    Raises
    ------
    UsageError
        Where there is neither such a notebook nor such a store.
    StoreError
        Where it cannot be read: something else is in its place, or a newer Milepost wrote it.
    """
    store = LocalStore(find_folder(Path(place)))
    store.layout.require_readable()
    return store


def find_folder(path: Path) -> Path:
    """The folder of the store that is meant by a path."""
    if path.is_dir():
        if not _is_store(path):
            raise UsageError(f"{path} is a folder, but no store of Milepost; name a notebook or its {SUFFIX} folder")
        return path
    if path.exists() and path.suffix != ".ipynb":
        raise UsageError(f"{path} is no notebook; name an .ipynb file or its {SUFFIX} folder")
    # The notebook may be gone, and its results still there.
    if path.suffix == ".ipynb" and (path.exists() or _is_store(store_path(path))):
        return store_path(path)
    raise UsageError(f"there is no {path}{_near(path.name, _candidates(path.parent))}")


def require_tasks(names: Iterable[str], known: Collection[str]) -> list[str]:
    """The names, each once; raises `UsageError` for one that is unknown."""
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        if name not in known:
            there = ", ".join(list(known)[:20]) or "none"
            raise UsageError(f"there is no saved task {name!r}{_near(name, known)}; there are: {there}")
    return chosen


def _is_store(folder: Path) -> bool:
    layout = Layout(folder)
    return layout.format.is_file() or layout.journal.is_dir()


def _candidates(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".ipynb", SUFFIX))


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else ""
