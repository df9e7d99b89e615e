"""The journals of all sessions, read once and again only where they grew."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from milepost.checkpoint.journal import LONGEST, Authenticator, LineError, UnknownLineError, decode
from milepost.checkpoint.plain import open_plain
from milepost.checkpoint.view import View
from milepost.model.errors import CorruptCheckpointError, StoreError
from milepost.model.sizes import count

OF_OTHERS = 64 << 20
"""Bytes that strangers' lines may take together; their owners may have any number, and all are kept in memory."""

_ATTEMPTS = 100
_MOST_PROBLEMS = 20
_OVERHEAD = 512


@dataclass(slots=True)
class _File:
    """What is known of one journal file; `parsed` is where its last whole line ends (bytes)."""

    state: tuple[int, int] = (-1, -1)
    parsed: int = 0
    lines: int = 0
    problems: list[str] = field(default_factory=list)
    more: int = 0
    """Problems beyond those that are kept in words."""
    tail: str = ""
    closed: str = ""
    """Why it may hold what nobody here knows, if it may."""


def cost(line: bytes) -> int:
    """What a stranger's line counts, of `OF_OTHERS`."""
    return len(line) + _OVERHEAD


class JournalReader:
    """The entries in a folder of journals; they are added to a view, not kept.

    Parameters
    ----------
    folder : Path
        May be missing, which means no entries.
    signer : callable
        Gives the signer; called only when there is a line to check.
    """

    def __init__(self, folder: Path, signer: Callable[[], Authenticator]) -> None:
        self._folder = folder
        self._signer = signer
        self._files: dict[str, _File] = {}
        self._of_others = 0
        self._unlisted = ""

    def refresh(self, view: View) -> bool:
        """Add what came since the last time; False where all must be read anew, as earlier entries count no more."""
        found = self._scan()
        if not self._files.keys() <= found.keys():
            return False
        for name, state in found.items():
            file = self._files.setdefault(name, _File())
            if state == file.state:
                continue
            if state[0] <= file.state[0] or not self._read(file, name, state, view):
                # Not grown, but changed: not our append, so nothing that was read of it stands.
                return False
        return True

    def appended(self, name: str, line: bytes, view: View) -> None:
        """This process has appended a line to a journal: it need not be read, unless there is more that must be."""
        file, state = self._files.setdefault(name, _File()), self._state(name)
        if state is not None and state[0] == file.parsed + len(line):
            file.state, file.parsed, file.lines = state, state[0], file.lines + 1
            self._take(line, file, name, view)

    def read_all(self) -> View:
        """What all entries say, read anew."""
        for _ in range(_ATTEMPTS):
            self._files.clear()
            self._of_others = 0
            view = View()
            if self.refresh(view):
                return view
        raise CorruptCheckpointError(f"the journals in {self._folder} change all the time, and cannot be read")

    def problems(self) -> list[str]:
        """A sentence for each line that could not be used, or for many of a journal together."""
        found = [*self._of_folder(), *([self._unlisted] if self._unlisted else [])]
        for name, file in sorted(self._files.items()):
            found += file.problems
            if file.more:
                found.append(f"{count(file.more, 'more line')} of journal {name} cannot be used")
            if file.tail:
                found.append(file.tail)
        return found

    def closed(self) -> list[str]:
        """A sentence for each journal that may hold records which were not given on: what they need is not known."""
        return [*self._of_folder(), *(file.closed for _, file in sorted(self._files.items()) if file.closed)]

    def _of_folder(self) -> list[str]:
        if self._folder.is_symlink() or (self._folder.exists() and not self._folder.is_dir()):
            return [f"{self._folder} is no folder, so that the journals in it are not read"]
        return []

    def _scan(self) -> dict[str, tuple[int, int]]:
        """Each journal with its size and time, as of one moment: a clean-up may give one another name meanwhile."""
        found = self._list()
        while not self._files.keys() <= found.keys() or not self._files:
            before, found = found, self._list()
            if before.keys() == found.keys():
                break
        return found

    def _list(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        if self._folder.is_symlink():
            return found
        try:
            names = os.listdir(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return found
        except OSError as error:
            raise StoreError(f"the journals in {self._folder} cannot be listed: {error.strerror or error}") from error
        for name in names:
            if name.endswith(".jsonl") and (state := self._state(name)):
                found[name] = state
        return found

    def _state(self, name: str) -> tuple[int, int] | None:
        """Size and time of a regular file. A link or a device was put there by someone else: it is never opened."""
        try:
            found = os.lstat(os.path.join(self._folder, name))
        except FileNotFoundError:
            return None
        return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None

    def _read(self, file: _File, name: str, state: tuple[int, int], view: View) -> bool:
        """Read what came; False where the file is gone, under another name perhaps."""
        file.state, file.tail = state, ""
        try:
            with open(open_plain(self._folder / name), "rb") as stream:
                stream.seek(file.parsed)
                self._parse(stream, file, name, view)
        except FileNotFoundError:
            return False
        except OSError as error:
            file.tail = file.closed = f"journal {name} cannot be read: {error.strerror or error}"
            file.state = _File().state  # it may be readable the next time, unchanged
        return True

    def _parse(self, stream: BinaryIO, file: _File, name: str, view: View) -> None:
        while line := stream.readline(LONGEST):
            if not line.endswith(b"\n"):
                # Torn, or another process is writing it at this moment: looked at again when the file grows.
                file.tail = f"line {file.lines + 1} of journal {name} is incomplete; the rest stands"
                if len(line) == LONGEST:
                    file.tail = file.closed = (
                        f"line {file.lines + 1} of journal {name}, and what follows, is no journal"
                    )
                return
            file.parsed += len(line)
            file.lines += 1
            self._take(line, file, name, view)

    def _take(self, line: bytes, file: _File, name: str, view: View) -> None:
        try:
            entry = decode(line, self._signer)
        except LineError as error:
            if isinstance(error, UnknownLineError):
                file.closed = f"a line of journal {name} {error}"
            self._note(file, f"line {file.lines} of journal {name} {error}; the rest stands")
            return
        if not entry.trusted:
            self._of_others += cost(line)
            if self._of_others > OF_OTHERS:
                self._unlisted = file.closed = f"there is more of others than is listed ({OF_OTHERS >> 20} MiB)"
                return
        view.add(entry)

    def _note(self, file: _File, problem: str) -> None:
        if len(file.problems) < _MOST_PROBLEMS:
            file.problems.append(problem)
        else:
            file.more += 1
