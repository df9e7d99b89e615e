"""Where things lie in a store's folder, and the version of its format."""

from __future__ import annotations

import functools
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from milepost.checkpoint.atomic import make_folder, write_file
from milepost.checkpoint.plain import open_plain
from milepost.model.errors import CorruptCheckpointError, NewerFormatError, StoreUnwritableError

FORMAT_VERSION = 1
SUFFIX = ".milepost"
OLD = ".old.jsonl"
"""How the names of journals end that no session writes to any more."""

_CACHEDIR_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# Made by Milepost: checkpoints of a notebook.\n"
_SETTLED = 2.0
"""Seconds after which the time of a file tells whether it has changed: some file systems have no finer ones."""

_ADDRESS = re.compile(r"[0-9a-f]{64}")
_PLAIN = re.compile(r"(?!(con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9_][a-z0-9_-]{0,59}")
"""Names of tasks that can be names of files: no capitals, since some file systems take `A` and `a` for one."""

_MARKER = re.compile(rb"milepost (\d{1,9}) [0-9a-f]{16}\s*")


def store_path(notebook: Path) -> Path:
    """The store's folder of a notebook: `<stem>.milepost` beside it.

    In the folder that `MILEPOST_STORE` names there are stores of notebooks from anywhere: there part of a hash of the
    notebook's path is in the name, as one notebook must not be given what another of its name made.
    """
    configured = os.environ.get("MILEPOST_STORE")
    if not configured:
        return notebook.with_name(notebook.stem + SUFFIX)
    place = blake3(os.fsencode(os.path.abspath(notebook))).hexdigest()[:12]
    return _absolute(configured) / f"{notebook.stem}.{place}{SUFFIX}"


@functools.cache
def _absolute(folder: str) -> Path:
    """A folder, seen from where this process was when it was first asked for: a notebook may change its folder."""
    return Path(folder).expanduser().absolute()


@dataclass(frozen=True)
class Layout:
    """The names of everything in the store's folder `root`, each made once: a save asks for most of them.

    ========================  ==============================================================
    ``format``                ``milepost 1 <sum>`` and a newline: 16 hex digits of the BLAKE3 hash of what is before
    ``.gitignore``            ``*``
    ``cleaned``               empty; its time is that of the last clean-up
    ``summary.json``          what is saved, for pages without a kernel; only shown
    ``CACHEDIR.TAG``          tells backup programs to leave the folder out
    ``objects/ab/abcd…``      one immutable object, named by the BLAKE3 hash of its bytes
    ``journal/<session>.jsonl``  the records one session wrote, a line each
    ``sessions/<session>``    empty, one for each journal, so that a missing one is told
    ``logs/<task>.log``       what a task printed when it last ran in the background
    ``once/<hash>.<number>``  what is noted of a task that happens once, a file each; nothing of it is ever removed
    ``partial/<task>/``       what is kept of a task that has not ended, a file for each loop
    ``paused``                since when the run is paused; there while it is
    ``quarantine/``           objects that did not hold what their name says
    ``trash/``                objects that nothing seems to need, while a clean-up makes sure of it
    ========================  ==============================================================
    """

    root: Path

    @functools.cached_property
    def format(self) -> Path:
        """The file that holds the format's version."""
        return self.root / "format"

    @functools.cached_property
    def cleaned(self) -> Path:
        """The file whose time is that of the last clean-up."""
        return self.root / "cleaned"

    @functools.cached_property
    def summary(self) -> Path:
        """The file that says to pages what is saved."""
        return self.root / "summary.json"

    @functools.cached_property
    def objects(self) -> Path:
        """The folder of objects."""
        return self.root / "objects"

    @functools.cached_property
    def journal(self) -> Path:
        """The folder of journals."""
        return self.root / "journal"

    @functools.cached_property
    def sessions(self) -> Path:
        """The folder of names of journals."""
        return self.root / "sessions"

    @functools.cached_property
    def quarantine(self) -> Path:
        """The folder of damaged objects."""
        return self.root / "quarantine"

    @functools.cached_property
    def trash(self) -> Path:
        """The folder of objects that are about to be deleted."""
        return self.root / "trash"

    @functools.cached_property
    def logs(self) -> Path:
        """The folder of what tasks print in the background."""
        return self.root / "logs"

    @functools.cached_property
    def once(self) -> Path:
        """The folder of what is noted of tasks that happen once."""
        return self.root / "once"

    @functools.cached_property
    def partial(self) -> Path:
        """The folder of what is kept of tasks that have not ended."""
        return self.root / "partial"

    @functools.cached_property
    def paused(self) -> Path:
        """The file that is there while the run is paused."""
        return self.root / "paused"

    @functools.cached_property
    def _labels(self) -> dict[Path, bytes]:
        """What tells other programs to leave the folder alone."""
        return {self.root / ".gitignore": b"*\n", self.root / "CACHEDIR.TAG": _CACHEDIR_TAG}

    def log(self, task: str) -> Path:
        """The file for what a task prints: its name as far as every file system can bear it, made unique by a hash."""
        if _PLAIN.fullmatch(task):
            return self.logs / f"{task}.log"
        readable = re.sub(r"[^a-z0-9_-]+", "-", task.lower())[:40]
        return self.logs / f"{readable}.{blake3(task.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}.log"

    def object(self, address: str) -> Path:
        """The file of one object; refuses what is no address, so that no record can point elsewhere."""
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise CorruptCheckpointError(f"{address!r} is no object address (64 hexadecimal digits)")
        return self.objects / address[:2] / address

    def require_readable(self) -> None:
        """Raise `NewerFormatError` when a newer Milepost wrote here; a missing folder is an empty store.

        And `StoreUnwritableError`, where a file or a link to nothing is in the place of the folder.
        """
        version = self._version()
        if version is None and os.path.lexists(self.root) and not os.path.isdir(self.root):
            what = "a link to nothing" if self.root.is_symlink() else "a file"
            raise StoreUnwritableError(
                f"{self.root} is {what}, and no folder of a store: mend that, or name another place in MILEPOST_STORE"
            )
        if version is not None and version > FORMAT_VERSION:
            raise NewerFormatError(
                f"{self.root} has store format {version}; this Milepost reads up to {FORMAT_VERSION}. "
                "Upgrade Milepost, or move that folder away to start afresh."
            )

    def problems(self) -> list[str]:
        """A sentence for a marker that is damaged or missing."""
        if self._version() is not None or not self.journal.is_dir():
            return []
        return [f"the file {self.format.name!r} does not say which format this is; the next save writes it anew"]

    def create(self) -> None:
        """Make the folder and its marker files where they are missing."""
        if not self.root.is_dir():  # which may be a link, as it is the user's own choice
            make_folder(self.root)
        for folder in (self.objects, self.journal, self.sessions, self.trash):
            make_folder(folder)
        for path, data in self._labels.items():
            if not path.exists():
                write_file(path, data)
        if self._version() is None:
            write_file(self.format, marker(FORMAT_VERSION))

    def _version(self) -> int | None:
        """What the marker says; None where it says nothing: each line of a journal carries its version, too."""
        try:
            found = self.format.lstat()
        except OSError:
            return None
        if time.time() - found.st_mtime < _SETTLED:  # it may change once more, and its time stay the same
            return _version_in(self.format)
        return _remembered(self.format, found.st_ino, found.st_size, found.st_mtime_ns)


def _version_in(path: Path) -> int | None:
    try:
        with open(open_plain(path), "rb") as file:
            match = _MARKER.fullmatch(file.read(64))
    except OSError:
        return None
    # With a sum, since a flipped bit may make another number.
    return int(match[1]) if match and match[0].split() == marker(int(match[1])).split() else None


@functools.lru_cache(maxsize=64)
def _remembered(path: Path, *state: int) -> int | None:
    """A store is looked at several times a cell."""
    return _version_in(path)


def marker(version: int) -> bytes:
    """What the file ``format`` holds."""
    words = b"milepost %d" % version
    return b"%s %s\n" % (words, blake3(words).hexdigest()[:16].encode())
