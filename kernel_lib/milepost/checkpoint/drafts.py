"""Large buffers on their way into the store: hashed and written at the same time, several at once."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from blake3 import blake3

from milepost.checkpoint.atomic import write_draft

_MOST_THREADS = 4


class Drafts:
    """Buffers in the order in which they were begun, in temporary files in one folder.

    Files that were not published are gone at the end of the `with`.
    """

    def __init__(self, folder: Path, mode: int) -> None:
        self._folder = folder
        self._mode = mode
        self._threads = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 2), "milepost-drafts")
        self._addresses: list[Future[str]] = []
        self._drafts: list[Future[Path | OSError] | None] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for draft in self._drafts:
            found = None if draft is None or draft.cancelled() else draft.result()
            if isinstance(found, Path):
                found.unlink(missing_ok=True)

    def begin(self, data: memoryview, *, write: bool) -> None:
        """Have the bytes hashed, and written where wanted. One thread each will do: hashing is faster than writing."""
        self._addresses.append(self._threads.submit(lambda: blake3(data).hexdigest()))
        self._drafts.append(self._threads.submit(self._write, data) if write else None)

    def address(self, number: int) -> str:
        """The address of the bytes of one buffer."""
        return self._addresses[number].result()

    def draft(self, number: int) -> Path | None:
        """The file with the bytes of one buffer, if it was to be written; raises the `OSError` of writing it."""
        draft = self._drafts[number]
        found = draft.result() if draft is not None else None
        if isinstance(found, OSError):
            # A new one: what a future holds must not lead back to it by its traceback.
            raise OSError(found.errno, found.strerror)
        return found

    def _write(self, data: memoryview) -> Path | OSError:
        try:
            return write_draft(self._folder, data, mode=self._mode)
        except OSError as error:
            return error
