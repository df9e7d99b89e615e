"""Instant restores: what is given back at once is verified afterwards, and damage is told."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint import objects
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.sweep import take_back
from milepost.model.errors import CorruptCheckpointError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob, Trouble, TroubleKind

MINE = Signer(b"m" * 32)
LARGE, OTHER, SMALL = bytes(range(256)) * 1024, bytes(range(255, -1, -1)) * 1024, bytes(60_000)
STREAM = b"stream" * 1024
BLOBS = {"values": Blob(STREAM, (LARGE, OTHER, SMALL))}


def record(task: str = "a") -> Record:
    return Record(task=task, key="k")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "book.milepost"


@pytest.fixture
def saved(folder: Path) -> Record:
    return LocalStore(folder, MINE).save(record(), BLOBS, durable=True)


@pytest.fixture
def store(folder: Path, saved: Record) -> LocalStore:
    """As after a restart."""
    return LocalStore(folder, MINE)


@pytest.fixture
def troubles(store: LocalStore) -> list[Trouble]:
    told: list[Trouble] = []
    store.on_trouble(told.append)
    return told


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what was hashed at once, before it was given back."""
    sizes: list[int] = []
    address_of = objects.address_of
    monkeypatch.setattr(objects, "address_of", lambda data: (sizes.append(len(data)), address_of(data))[1])
    return sizes


def hurt(store: LocalStore, saved: Record, which: int, *, at: int = 1000) -> Path:
    path = store.object_file(saved.blobs["values"].buffers[which])
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    # As a disk does it, behind everybody's back: what was changed otherwise is seen at once.
    LocalStore(store.path, MINE)._mark((), files(store))
    return path


def saved_again(store: LocalStore) -> Record:
    """The record as a store reads it: durable."""
    (found,) = store.records()
    assert found.durable
    return found


def files(store: LocalStore) -> tuple[str, ...]:
    """Which files hold the objects, as a mark says it."""
    found = (store.path / "objects").glob("*/*")
    return tuple(objects.file_of(path.name, path.lstat()) for path in found)


def buffers(store: LocalStore) -> list[Any]:
    (found,) = store.records()
    return [bytes(buffer) for buffer in store.open(found, "values").buffers]


class TestWhatIsSound:
    def test_only_the_stream_and_small_buffers_are_hashed_first(self, store: LocalStore, hashed: list[int]) -> None:
        assert buffers(store) == [LARGE, OTHER, SMALL]
        assert sorted(hashed) == [len(STREAM), len(SMALL)]

    def test_all_is_hashed_first_without_the_mark(self, folder: Path, hashed: list[int]) -> None:
        saved = LocalStore(folder, MINE).save(record(), BLOBS)
        hashed.clear()
        LocalStore(folder, MINE).open(saved, "values")
        assert sorted(hashed) == sorted(map(len, (STREAM, LARGE, OTHER, SMALL)))

    def test_a_strangers_mark_is_not_enough(
        self, folder: Path, hashed: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "_mark", lambda self, lines, files: None)
            store = LocalStore(folder, MINE)
            store.save(record(), BLOBS)
            assert store.flush()
        line = next((folder / "journal").iterdir()).read_bytes().split(b" ")[1].decode()
        LocalStore(folder, Signer(b"x" * 32))._mark((line,), files(store))
        hashed.clear()
        assert buffers(store) == [LARGE, OTHER, SMALL]
        assert len(hashed) == 4

    @pytest.mark.parametrize("exchanged", [False, True])
    def test_what_was_changed_since_is_never_given_back(
        self, store: LocalStore, saved: Record, exchanged: bool, troubles: list[Trouble]
    ) -> None:
        """Nor where the time of the last writing was set back, as programs do that unpack or copy."""
        path = store.object_file(saved.blobs["values"].buffers[0])
        before = path.stat()
        if exchanged:
            path.rename(path.with_name("kept"))
        else:
            path.chmod(0o644)
        path.write_bytes(OTHER)
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # the clock ticks slowly
            path.chmod(0o644)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(CorruptCheckpointError, match="not those that were saved"):
            store.open(saved_again(store), "values")
        assert troubles == []

    def test_what_a_clean_up_moved_and_put_back_is_hashed_first(self, store: LocalStore, hashed: list[int]) -> None:
        """A move changes the time of a file's change: that costs a look at it, and no result."""
        (found,) = store.records()
        for address in found.blobs["values"].buffers[:2]:
            before = store.object_file(address).stat()
            while store.object_file(address).stat().st_ctime_ns == before.st_ctime_ns:
                os.replace(store.object_file(address), store.layout.trash / address)
                assert take_back(store.layout, address)
        assert buffers(store) == [LARGE, OTHER, SMALL]
        assert {len(LARGE), len(OTHER)} <= set(hashed)

    def test_a_store_that_was_copied_is_hashed_first(
        self, store: LocalStore, folder: Path, hashed: list[int], tmp_path: Path
    ) -> None:
        shutil.copytree(folder, tmp_path / "copy.milepost")
        copy = LocalStore(tmp_path / "copy.milepost", MINE)
        assert buffers(copy) == [LARGE, OTHER, SMALL]
        assert {len(LARGE), len(OTHER)} <= set(hashed)

    def test_nor_is_more_hashed_after_journals_were_merged(
        self, store: LocalStore, folder: Path, hashed: list[int]
    ) -> None:
        LocalStore(folder, MINE).save(record("b"), {"values": Blob(b"", (LARGE,))}, durable=True)
        LocalStore(folder, MINE).space.clean(grace=-60.0)
        hashed.clear()
        for found in store.records():
            store.open(found, "values")
        assert sorted(hashed) == [len(STREAM), len(SMALL)]

    def test_nothing_is_told(self, store: LocalStore, troubles: list[Trouble]) -> None:
        buffers(store)
        store.settle()
        assert troubles == []

    def test_what_was_verified_is_not_read_again(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        buffers(store)
        store.settle()
        monkeypatch.setattr(objects, "_address_of_file", None)
        buffers(store)
        store.settle()
        assert not store.problems()


class TestDamage:
    def test_it_is_told_with_the_task_and_what_to_do(
        self, store: LocalStore, saved: Record, troubles: list[Trouble]
    ) -> None:
        hurt(store, saved, 0)
        assert buffers(store)[1:] == [OTHER, SMALL]
        store.settle()
        (trouble,) = troubles
        assert (trouble.kind, trouble.record) == (TroubleKind.DAMAGED, saved)
        for words in ("task 'a'", "its bytes are not those that were saved", "run the task again"):
            assert words in trouble.text

    def test_it_is_told_once_a_record(self, store: LocalStore, saved: Record, troubles: list[Trouble]) -> None:
        hurt(store, saved, 0), hurt(store, saved, 1)
        buffers(store)
        store.settle()
        assert len(troubles) == 1

    def test_without_a_listener_it_is_logged(
        self, store: LocalStore, saved: Record, caplog: pytest.LogCaptureFixture
    ) -> None:
        hurt(store, saved, 0)
        buffers(store)
        store.settle()
        assert "task 'a' was given back from a checkpoint that is damaged" in caplog.text

    def test_it_is_put_aside_and_not_given_back_again(
        self, store: LocalStore, saved: Record, troubles: list[Trouble], folder: Path
    ) -> None:
        path = hurt(store, saved, 0)
        buffers(store)
        store.settle()
        assert (folder / "quarantine" / path.name).exists()
        for one in (store, LocalStore(folder, MINE)):
            with pytest.raises(CorruptCheckpointError, match=r"'a'.*missing"):
                buffers(one)

    def test_where_nothing_can_be_written_it_is_told_all_the_same(
        self, store: LocalStore, saved: Record, troubles: list[Trouble], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hurt(store, saved, 0)
        buffers(store)
        monkeypatch.setattr("milepost.checkpoint.objects.os.replace", _read_only)
        store.settle()
        assert len(troubles) == 1
        with pytest.raises(CorruptCheckpointError, match="its bytes are not those"):
            buffers(store)

    def test_saving_again_heals(self, store: LocalStore, saved: Record, troubles: list[Trouble], folder: Path) -> None:
        path = hurt(store, saved, 0)
        buffers(store)
        store.settle()
        store.save(record(), BLOBS, durable=True)
        assert buffers(store) == [LARGE, OTHER, SMALL]
        store.settle()
        assert len(troubles) == 1
        assert (folder / "quarantine" / path.name).exists()
        assert store.problems() == []

    @pytest.mark.parametrize("which", [0, 2])
    def test_saving_over_damage_that_nobody_has_seen_heals(
        self, store: LocalStore, saved: Record, which: int, folder: Path
    ) -> None:
        path = hurt(store, saved, which)
        store.save(record("b"), BLOBS)
        assert path.read_bytes() == BLOBS["values"].buffers[which]
        assert (folder / "quarantine" / path.name).exists()

    def test_another_process_that_healed_it_is_not_undone(
        self, store: LocalStore, saved: Record, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = hurt(store, saved, 0)
        with monkeypatch.context() as patch:
            patch.setattr("milepost.checkpoint.objects.os.replace", _read_only)
            buffers(store)
            store.settle()
        LocalStore(folder, MINE).save(record("b"), BLOBS)
        number = path.stat().st_ino
        store.save(record("c"), {})
        assert path.stat().st_ino == number
        assert buffers_of(store, "b") == [LARGE, OTHER, SMALL]

    @pytest.mark.parametrize("change", [lambda path: os.truncate(path, 5), Path.unlink], ids=["truncated", "missing"])
    def test_a_wrong_size_is_seen_at_once(
        self, store: LocalStore, saved: Record, change: Callable[[Path], None]
    ) -> None:
        path = store.object_file(saved.blobs["values"].buffers[0])
        path.chmod(0o644)
        change(path)
        with pytest.raises(CorruptCheckpointError):
            buffers(store)

    def test_what_was_forgotten_meanwhile_is_no_trouble(
        self, store: LocalStore, saved: Record, troubles: list[Trouble], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begin, check = threading.Event(), objects.Objects.check
        monkeypatch.setattr(objects.Objects, "check", lambda *args: (begin.wait(30), check(*args))[1])
        path = hurt(store, saved, 0)
        buffers(store)
        store.forget(["a"])
        path.unlink()
        begin.set()
        store.settle()
        assert troubles == []


def _read_only(*args: Any) -> None:
    raise OSError(errno.EROFS, "read-only")


def buffers_of(store: LocalStore, task: str) -> list[bytes]:
    return [bytes(buffer) for buffer in store.open(store.history(task)[0], "values").buffers]


def test_maps_leave_files_to_open_for_others(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    most = len(objects._maps) + 1
    monkeypatch.setattr(objects, "_most_maps", lambda: most)
    (found,) = store.records()
    blob = store.open(found, "values")
    assert [type(buffer).__name__ for buffer in blob.buffers] == ["mmap", "bytearray", "bytearray"]
    assert [bytes(buffer) for buffer in blob.buffers] == [LARGE, OTHER, SMALL]


def test_a_process_may_end_while_it_verifies(folder: Path, saved: Record) -> None:
    script = """
import sys
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.sweep import take_back
from milepost.model.trust import Signer

store = LocalStore(sys.argv[1], Signer(b"m" * 32))
for _ in range(200):
    store._objects._sound.clear()
    blob = store.open(store.records()[0], "values")
"""
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, timeout=60)
