"""Hostile stores, and a watch over what opening them does."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blake3 import blake3

from milepost.checkpoint.journal import PURPOSE
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.verify import verify
from milepost.model.errors import StoreError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.notebook.log import Log
from milepost.ports import Blob

MINE = Signer(b"m" * 32)
STRANGER = Signer(b"x" * 32)
LARGE = bytes(range(256)) * 400

_FOLLOW = {"open": 0, "os.listdir": 0, "os.scandir": 0, "os.utime": 0, "os.chmod": 0, "os.truncate": 0}
_AT = {
    "os.remove": (0,),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.rename": (0, 1),
    "os.link": (0, 1),
    "os.symlink": (1,),
}
_RUN = {"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "marshal.loads"}


@dataclass
class Watch:
    """What happened outside of a folder while it was watched, and what was run."""

    folder: Path
    outside: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """One audit event."""
        if event in _RUN:
            self.ran.append(f"{event} {args!r:.200}")
        places = (
            [(args[_FOLLOW[event]], True)] if event in _FOLLOW else [(args[at], False) for at in _AT.get(event, ())]
        )
        for path, follow in places:
            if isinstance(path, str | bytes | os.PathLike) and self._is_outside(os.fsdecode(path), follow):
                self.outside.append(f"{event} {os.fsdecode(path)}")

    def _is_outside(self, path: str, follow: bool) -> bool:
        head, name = os.path.split(path)
        real = os.path.realpath(path) if follow else os.path.join(os.path.realpath(head), name)
        if follow and real == str(self.folder.parent):
            return False  # synced, for the name of the store in it
        own = (str(self.folder), sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]))
        return not any(real == place or real.startswith(place + os.sep) for place in own)


_watching: list[Watch] = []
_installed: list[bool] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if _watching and (event in _FOLLOW or event in _AT or event in _RUN):
        watch = _watching.pop()  # what looking itself does is not seen
        try:
            watch.see(event, args)
        finally:
            _watching.append(watch)


@contextlib.contextmanager
def watched(folder: Path, seconds: int = 30) -> Iterator[Watch]:
    """Watch what is done while the block runs, which must not hang."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)

    def hang(*args: object) -> None:
        raise TimeoutError(f"the store did not answer for {seconds} seconds")

    before = signal.signal(signal.SIGALRM, hang)
    watch = Watch(Path(os.path.realpath(folder)))
    signal.alarm(seconds)
    _watching.append(watch)
    try:
        yield watch
    finally:
        _watching.clear()
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class Life:
    """What a user got of a store, and what went wrong."""

    opened: dict[tuple[str, str], bytes] = field(default_factory=dict)
    listed: dict[str, bool] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def live(folder: Path) -> Life:
    """Do everything with a store that a user does."""
    life = Life()
    store = LocalStore(folder, MINE)
    _read(store, life)
    for number, blob in enumerate((Blob(b"small"), Blob(LARGE, (LARGE[::-1],)))):
        with _refusing(life):
            store.save(Record(task=f"new{number}", key="k"), {"values": blob})
    for task in life.listed:
        with _refusing(life):
            log = Log(store.log(task))
            log.stream("stdout", "text")
            log.close()
    with _refusing(life):
        store.forget(["new0", "nothing"])
    for work in (store.flush, store.settle, lambda: store.space.clean(grace=-60.0), lambda: verify(folder, store)):
        with _refusing(life):
            work()
    fresh = LocalStore(folder, MINE)
    _read(fresh, life)
    life.problems = list(fresh.problems())
    for one in (store, fresh):
        rest(one)
    return life


def rest(store: LocalStore) -> None:
    """Wait until nothing is done in the background."""
    store.flush()
    store.settle()
    store.space.settle()


def _read(store: LocalStore, life: Life) -> None:
    records = list(store.records())
    life.listed |= {record.task: record.trusted for record in records}
    for record in [*records, *(older for newest in records for older in store.history(newest.task))]:
        assert record.nbytes >= 0
        json.dumps(record.to_json())
        for part in record.blobs:
            with _refusing(life):
                blob = store.open(record, part)
                life.opened[record.task, part] = b"".join([blob.stream, *(bytes(item) for item in blob.buffers)])


@contextlib.contextmanager
def _refusing(life: Life) -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        life.refused.append(str(error))


def line(facts: Any, signer: Signer = STRANGER) -> bytes:
    """A line of a journal, whatever it says, as its signer would write it."""
    body = facts if isinstance(facts, bytes) else json.dumps(facts, separators=(",", ":")).encode()
    return sealed(signer.sign(body, PURPOSE).encode() + b" " + body)


def sealed(signed: bytes) -> bytes:
    """A line with the right sum."""
    return b"mp1 " + blake3(signed).hexdigest()[:32].encode() + b" " + signed + b"\n"


def entry(at: str = "2030-01-01T00:00:00.000000+00:00", sequence: Any = 1, **record: Any) -> dict[str, Any]:
    """What a line with a record says."""
    return {"at": at, "sequence": sequence, "record": {"task": "theirs", "key": "k", **record}}


def blob_of(stream: bytes, folder: Path) -> dict[str, Any]:
    """How a record refers to an object, which is written."""
    address = blake3(stream).hexdigest()
    place = folder / "objects" / address[:2]
    place.mkdir(parents=True, exist_ok=True)
    (place / address).write_bytes(stream)
    return {"stream": address, "stream_bytes": len(stream), "buffers": [], "buffer_bytes": []}


def inline(stream: bytes) -> dict[str, Any]:
    """How a record holds a small stream itself."""
    return {"stream": "", "stream_bytes": len(stream), "inline": base64.b64encode(stream).decode()}


def add(folder: Path, *lines: bytes) -> None:
    """Another journal in the store."""
    (folder / "journal" / f"{len(list((folder / 'journal').iterdir()))}.jsonl").write_bytes(b"".join(lines))
