"""A store follows its notebook to another name or folder; never over another store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import StoreUnwritableError

PATIENCE = 10.0
"""Seconds to wait for what was saved to become durable; it goes on counting as saved anyhow."""


def move_store(store: LocalStore, target: Path, then: Callable[[], None]) -> None:
    """Give a store's folder another name, and do `then` before anybody else looks at it.

    Nothing may be saved meanwhile. Where there is no folder yet, or it went along with the notebook's own folder, only
    `then` happens.

    Raises
    ------
    StoreUnwritableError
        When something is in the place, or the system refuses: then the store is where it was.
    """
    store.settle()
    store.space.settle()
    store.flush(PATIENCE)
    with store.looking():
        if store.path.is_dir() and store.path != target:
            _rename(store.path, target)
        then()


def refuse_over(path: Path, target: Path) -> None:
    """Raise `StoreUnwritableError` where a move would go over something."""
    if path.is_dir() and path != target and os.path.lexists(target):
        words = f"there is a {target.name} already, so the store stays where it was, for this kernel"
        raise StoreUnwritableError(f"{words}: move one of {path} and {target} away")


def _rename(path: Path, target: Path) -> None:
    refuse_over(path, target)
    try:
        os.rename(path, target)
    except OSError as error:
        words = f"{path} cannot be moved to {target} ({error.strerror or error})"
        raise StoreUnwritableError(f"{words}: shut the kernel down, move it, and start anew") from error
