"""What is noted of tasks that happen once: numbered files, of which nobody can take a number that is taken.

Each note is a file of its own, `once/<hash of the task's name>.<number>`. It is written whole under a temporary name
and linked to its own, which fails where that is there: of all who have seen note 3, on this machine or others, one
writes note 4. So a note is at once a lock and a fact. None is ever changed or removed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from blake3 import blake3

from milepost.checkpoint.atomic import make_folder, sync, write_draft
from milepost.checkpoint.journal import Authenticator
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.plain import open_plain
from milepost.model.errors import StoreError, StoreUnwritableError
from milepost.model.once import OnceKind, OnceNote, Owner

PURPOSE = "milepost once 1"
LONGEST = 1 << 20
"""Bytes that a note has at most."""

_NAME = re.compile(r"([0-9a-f]{32})\.(\d{6})")
_SETTLED = 2.0
"""Seconds after which the time of a folder tells whether it has changed: some file systems have no finer ones."""

_UNWRITTEN = {"mine"}
_WRITTEN = tuple(field.name for field in fields(OnceNote) if field.name not in _UNWRITTEN)
_NOBODY = Owner(host="", machine="", pid=0, began="")
_SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""What says nothing of a file: this process has too much open, or too little memory."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class Notes:
    """The notes of one store."""

    def __init__(self, layout: Layout, signer: Callable[[], Authenticator]) -> None:
        self._layout = layout
        self._signer = signer
        self._read: dict[str, OnceNote] = {}
        self._newest: dict[str, int] = {}
        self._time, self._since, self._settled = 0, 0.0, False
        """The folder's time, since when it is known (by a clock that never goes back), and whether the list stands."""
        self._store: tuple[int, ...] = ()
        """What tells the store from another one in its place."""
        self._named = False
        """Whether the folder's own name is durable."""

    def newest(self, task: str) -> tuple[int, OnceNote | None]:
        """The newest note of a task and its number, 0 where there is none."""
        name = chain(task)
        number = self._numbers().get(name, 0)
        return number, self._note(name, number, task) if number else None

    def all(self) -> list[OnceNote]:
        """The newest note of each task."""
        found = [self._note(name, number, "") for name, number in self._numbers().items()]
        return [note for note in found if note.task]

    def problems(self) -> list[str]:
        """A sentence for each task of which the newest note cannot be read."""
        words = "cannot be read: what it is of is in doubt"
        found = {name: self._note(name, number, "") for name, number in self._numbers().items()}
        return [f"the newest note once/{n}.* {words}" for n, note in found.items() if note.kind is OnceKind.UNREADABLE]

    def key(self, task: str) -> str:
        """The key of the newest note that has one, "" where there is none, or the task was forgotten since."""
        name = chain(task)
        for number in range(self._numbers().get(name, 0), 0, -1):
            note = self._note(name, number, task)
            if note.key or note.kind is OnceKind.FORGOTTEN:
                return note.key
        return ""

    def add(self, number: int, note: OnceNote) -> bool:
        """Write a note under its number, durably; False where that was taken.

        Raises
        ------
        StoreUnwritableError
            When it cannot be written, or the file system has no links.
        """
        try:
            self._layout.create()
            make_folder(self._layout.once)
            draft = write_draft(self._layout.once, encode(note, self._signer()), durable=True)
            try:
                return self._link(draft, note.task, number)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(draft)
        except OSError as error:
            raise StoreUnwritableError(
                f"task {note.task!r} happens once, and what it does cannot be noted: {self._layout.root} cannot be "
                f"written ({error.strerror or error}): make room or mend the permissions"
            ) from error

    def file(self, task: str, number: int) -> Path:
        """Where a note is."""
        return self._layout.once / f"{chain(task)}.{number:06}"

    def _link(self, draft: Path, task: str, number: int) -> bool:
        path = self.file(task, number)
        try:
            os.link(draft, path)
        except FileExistsError:
            # On a network the answer to a link that was made may get lost, and the second try meets the first one.
            if os.lstat(draft).st_nlink < 2:
                return False
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise StoreUnwritableError(
                    f"task {task!r} happens once, and {self._layout.root} cannot vouch for that: its file system makes "
                    "no links, so two processes could start it at the same time. Name another place in MILEPOST_STORE"
                ) from error
            raise
        self._read.pop(path.name, None)  # of a store that was deleted since
        sync(self._layout.once)
        if not self._named:
            root = Path(os.path.realpath(self._layout.root))
            sync(root)
            sync(root.parent)
            self._named = True
        return True

    def _numbers(self) -> dict[str, int]:
        """The number of the newest note, by chain."""
        try:
            found = os.lstat(self._layout.once)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        store = (found.st_ino, *self._made())
        if store != self._store:  # it was deleted, and another one made: its notes bear the same names
            self._store, self._named = store, False
            self._read.clear()
        if found.st_mtime_ns != self._time:
            self._time, self._since, self._settled = found.st_mtime_ns, time.monotonic(), False
        if not self._settled:
            settled = time.monotonic() - self._since > _SETTLED
            self._newest, self._settled = self._listed(), settled
        return self._newest

    def _made(self) -> tuple[int, ...]:
        """What tells when the store was made: the number of a folder that was deleted may be that of the next."""
        try:
            found = os.lstat(self._layout.format)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_ctime_ns

    def _listed(self) -> dict[str, int]:
        found: dict[str, int] = {}
        if self._layout.once.is_symlink():
            return found
        try:
            names = os.listdir(self._layout.once)
        except OSError as error:
            raise StoreError(f"{self._layout.once} cannot be read ({error.strerror}): mend its permissions") from error
        for name in names:
            if match := _NAME.fullmatch(name):
                found[match[1]] = max(int(match[2]), found.get(match[1], 0))
        return found

    def _note(self, name: str, number: int, task: str) -> OnceNote:
        file = f"{name}.{number:06}"
        if file not in self._read:
            note = decode(_bytes(self._layout.once / file), self._signer)
            if note is None or chain(note.task) != name:
                return OnceNote(task=task or self._task(name, number), kind=OnceKind.UNREADABLE, owner=_NOBODY)
            self._read[file] = note
        return self._read[file]

    def _task(self, name: str, number: int) -> str:
        """Whose chain this is, by a note that can be read."""
        return next((note.task for n in range(1, number) if (note := self._note(name, n, "")).task), "")


def chain(task: str) -> str:
    """What the names of a task's notes begin with."""
    return blake3(task.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def encode(note: OnceNote, signer: Authenticator) -> bytes:
    """The bytes of a note: a signature, and JSON."""
    facts = asdict(note)
    body = json.dumps({name: facts[name] for name in _WRITTEN}).encode()
    return b"%s %s\n" % (signer.sign(body, PURPOSE).encode(), body)


def decode(data: bytes, signer: Callable[[], Authenticator]) -> OnceNote | None:
    """The note in these bytes, None where they hold none. One of others says as much, for whoever runs a task."""
    signature, _, body = data.rstrip(b"\n").partition(b" ")
    try:
        facts: dict[str, Any] = {"void": (), **json.loads(body)}  # of which older ones know nothing
        facts = {name: facts[name] for name in _WRITTEN}
        facts |= {"kind": OnceKind(facts["kind"]), "owner": Owner(**facts["owner"])}
        facts |= {name: tuple(map(str, facts[name])) for name in ("outputs", "void")}
        mine = signer().verify(body, PURPOSE, signature.decode("latin-1"))
        return OnceNote(**facts, mine=mine) if isinstance(facts["task"], str) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _bytes(path: Path) -> bytes:
    try:
        with open(open_plain(path), "rb") as file:
            return file.read(LONGEST)
    except OSError as error:
        if error.errno in _SHORT:
            raise StoreError(f"the note {path} cannot be read now ({error.strerror}): try again") from error
        return b""
