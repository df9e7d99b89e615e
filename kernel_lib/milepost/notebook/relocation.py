"""A notebook that is renamed or moved while its kernel lives takes its store along, between two cells."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.moving import move_store, refuse_over
from milepost.model.errors import StoreError, UsageError
from milepost.notebook.jobs import Jobs
from milepost.notebook.location import store_path
from milepost.notebook.stamp import stamp

LONGEST = 4096
"""Characters of a path."""


class Desk(Protocol):
    """What is needed of the session."""

    shell: Any
    jobs: Jobs
    told_path: str | None

    @property
    def store(self) -> LocalStore: ...
    def notebook(self) -> Path | None: ...
    def use_store(self, path: Path) -> None: ...
    def listen(self, listener: Callable[[], None]) -> Callable[[], None]: ...
    def changed(self) -> None: ...


class Relocation:
    """Of one session's store. Asked for in any thread; done in the main thread, once nothing can be saving."""

    def __init__(self, desk: Desk, call_soon: Callable[[Callable[[], None]], None]) -> None:
        self._desk = desk
        self._call_soon = call_soon
        self._target: Path | None = None
        self._stop: Callable[[], None] = lambda: None

    def ask(self, was: Any, now: Any) -> str:
        """The notebook's path was this and is that, as the server names them; says when the store follows, if later."""
        for path in (was, now):
            if not isinstance(path, str) or not path.endswith(".ipynb") or len(path) > LONGEST or "\0" in path:
                raise UsageError("a notebook has a path that ends in .ipynb")
        here = self._desk.notebook() or Path.cwd() / posixpath.basename(was)
        step = posixpath.relpath(f"/{now}", posixpath.dirname(f"/{was}"))
        target = Path(os.path.normpath(here.parent / step))
        refuse_over(self._desk.store.path, store_path(target))
        self._target = target
        self._stop()
        self._stop = self._desk.listen(lambda: self._call_soon(self.carry))
        self._call_soon(self.carry)
        return "its store follows as soon as nothing runs" if self._busy else ""

    @property
    def _busy(self) -> bool:
        return self._desk.jobs.busy or bool(self._desk.jobs.running())

    def carry(self) -> None:
        """Move the store, if that was asked for and nothing runs; what is in the way is told."""
        if self._target is None or self._busy:
            return
        target, self._target = self._target, None
        self._stop()
        place = store_path(target)
        try:
            move_store(self._desk.store, place, lambda: self._desk.use_store(place))
            self._desk.told_path = str(target)
        except StoreError as error:
            stamp(self._desk.shell, str(error), symbol="⚠", warning=True)
        self._desk.changed()
