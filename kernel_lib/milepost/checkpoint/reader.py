"""The journals of all sessions, read once and again only where they grew."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from milepost.checkpoint.journal import Authenticator, Entry, LineError, decode

_LONGEST_LINE = 64 * 1024 * 1024


@dataclass(slots=True)
class _File:
    """What is known of one journal file; `parsed` is where its last whole line ends (bytes)."""

    state: tuple[int, int] = (-1, -1)
    parsed: int = 0
    lines: int = 0
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tail: str = ""


class JournalReader:
    """The entries in a folder of journals.

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

    def refresh(self) -> list[Entry] | None:
        """Read what changed since the last time: the entries that came, None where earlier ones count no more."""
        found = {path.name: state for path, state in self._scan()}
        changed = [name for name, state in found.items() if self._known(name).state != state]
        gone = self._files.keys() - found.keys()
        for name in gone:
            del self._files[name]
        came: list[Entry] = []
        grown = not gone
        for name in changed:
            file = self._known(name)
            count = len(file.entries)
            self._read(name, found[name])
            grown = grown and self._known(name) is file
            came += file.entries[count:]
        return came if grown else None

    def entries(self) -> Iterator[Entry]:
        """All entries, in no order."""
        for file in self._files.values():
            yield from file.entries

    def problems(self) -> list[str]:
        """A sentence for each line that could not be used."""
        found = []
        for name in sorted(self._files):
            found += self._files[name].problems
            if self._files[name].tail:
                found.append(self._files[name].tail)
        return found

    def _known(self, name: str) -> _File:
        return self._files.setdefault(name, _File())

    def _scan(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        if self._folder.is_symlink():
            return
        try:
            names = os.listdir(self._folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in (self._folder / name for name in names if name.endswith(".jsonl")):
            found = path.lstat()
            # A link or a device in the store was put there by someone else: it is never opened.
            if stat.S_ISREG(found.st_mode):
                yield path, (found.st_size, found.st_mtime_ns)

    def _read(self, name: str, state: tuple[int, int]) -> None:
        file = self._known(name)
        if state[0] <= file.state[0]:
            # Not grown, but changed: not our append, so nothing that was read of it stands.
            file = self._files[name] = _File()
        file.state = state
        try:
            self._parse(file, name)
        except OSError as error:
            file.tail = f"journal {name} cannot be read: {error.strerror or error}"

    def _parse(self, file: _File, name: str) -> None:
        file.tail = ""
        with (self._folder / name).open("rb") as stream:
            stream.seek(file.parsed)
            while line := stream.readline(_LONGEST_LINE):
                if not line.endswith(b"\n"):
                    # Torn, or another process is writing it at this moment: looked at again when the file grows.
                    file.tail = f"line {file.lines + 1} of journal {name} is incomplete; the rest stands"
                    return
                self._take(file, name, line)

    def _take(self, file: _File, name: str, line: bytes) -> None:
        file.parsed += len(line)
        file.lines += 1
        try:
            file.entries.append(decode(line, self._signer))
        except LineError as error:
            file.problems.append(f"line {file.lines} of journal {name} {error}; the rest stands")
