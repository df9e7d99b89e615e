"""What is kept of tasks that have not ended: whole, one's own, or none; and a pause that outlives its kernel."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.paused import Paused
from milepost.checkpoint.sweep import Sweeper
from milepost.checkpoint.unfinished import KEPT
from milepost.model.errors import CorruptCheckpointError, StoreUnwritableError, UntrustedError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

BLOBS = {"values": Blob(b"stream", (b"a" * 100, bytearray(b"b" * 33))), "rest": Blob(b"")}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "nb.milepost", Signer(b"k" * 32))


def record(done: int = 3, task: str = "fit it") -> Record:
    extra = {"done": done, "total": 9}
    return Record(task=task, key="key", saved_at=f"2026-01-01T00:00:{done:02}+00:00", extra=extra)


def file_of(store: LocalStore, place: str = "0") -> Path:
    return next((store.path / "partial").iterdir()) / place


def test_what_was_written_last_is_read(store: LocalStore) -> None:
    store.partials.write("0", record(1), {"values": Blob(b"older")})
    address = store.partials.write("0", record(), BLOBS)
    found = store.partials.read("fit it", "0")
    assert found is not None
    then, blobs, place = found
    assert (then, place) == (record(), address)
    assert {name: (blob.stream, *map(bytes, blob.buffers)) for name, blob in blobs.items()} == {
        "values": (b"stream", b"a" * 100, b"b" * 33),
        "rest": (b"",),
    }
    blobs["values"].buffers[0][0] = 0  # private
    assert store.partials.read("fit it", "0.1") is None
    assert store.partials.read("other", "0") is None
    assert sorted(path.name for path in file_of(store).parent.iterdir()) == ["0"], "no draft is left"


def test_what_is_damaged_or_of_others_counts_as_none(store: LocalStore) -> None:
    store.partials.write("0", record(), BLOBS)
    path = file_of(store)
    whole, chance = path.read_bytes(), random.Random(1)
    for _ in range(300):
        at, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        with pytest.raises((CorruptCheckpointError, UntrustedError)):
            store.partials.read("fit it", "0")
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises((CorruptCheckpointError, UntrustedError)):
            store.partials.read("fit it", "0")
    path.write_bytes(whole)
    stranger = LocalStore(store.path, Signer(b"s" * 32))
    with pytest.raises(UntrustedError, match="another user's key"):
        stranger.partials.read("fit it", "0")
    assert stranger.partials.unfinished() == []
    path.rename(path.with_name("1"))
    path.symlink_to("1")
    assert store.partials.read("fit it", "0") is None, "a link leads anywhere"


def test_what_is_unfinished_is_listed_and_forgotten(store: LocalStore) -> None:
    store.partials.write("0", record(3), BLOBS)
    store.partials.write("0.0", record(5), BLOBS)
    store.partials.write("0", record(1, "other"), BLOBS)
    assert sorted((item.task, item.extra["done"]) for item in store.partials.unfinished()) == [
        ("fit it", 5),
        ("other", 1),
    ]
    store.forget(["fit it"])
    assert [item.task for item in store.partials.unfinished()] == ["other"]


def test_a_clean_up_removes_what_nobody_has_gone_on_with(store: LocalStore) -> None:
    store.partials.write("0", record(), BLOBS)
    store.partials.write("0", record(task="fresh"), BLOBS)
    old = time.time() - KEPT - 7200
    folder = next(path for path in (store.path / "partial").iterdir() if path.name.startswith("fit"))
    for path in (folder / "0", folder):
        os.utime(path, (old, old))
    sweeper = Sweeper(store.layout, lambda: ())
    assert sweeper.remove_leftovers() == 1
    assert [item.task for item in store.partials.unfinished()] == ["fresh"]


def test_a_folder_that_cannot_be_written_is_told(store: LocalStore) -> None:
    store.path.write_text("no folder")
    with pytest.raises(StoreUnwritableError):
        store.partials.write("0", record(), BLOBS)
    with pytest.raises(StoreUnwritableError):
        store.paused.set(True)


def test_a_pause_is_there_until_somebody_resumes(store: LocalStore) -> None:
    store.paused.set(False)
    assert not store.path.exists(), "who only looks makes no store"
    store.paused.set(True)
    since = Paused(store.layout).since
    assert json.loads(store.layout.paused.read_text()) == {"at": since}
    store.paused.set(True)
    assert Paused(store.layout).since == since
    for damaged in (b"", b"{}", b"\xff" * 5000):
        store.layout.paused.write_bytes(damaged)
        assert Paused(store.layout).since == "an unknown time", "no task starts since a byte is wrong"
    store.paused.set(False)
    assert Paused(store.layout).since == ""
