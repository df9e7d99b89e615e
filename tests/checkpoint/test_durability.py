"""Saved, then durable: the order of syncs, what is told when the disk fails, forks, and the end of a process."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint import atomic, background, durability
from milepost.checkpoint.drafts import Drafts
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import Objects
from milepost.model.errors import CorruptCheckpointError, StoreError, StoreUnwritableError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob, Trouble, TroubleKind

MINE = Signer(b"m" * 32)
LARGE = bytes(range(256)) * 1024
BLOBS = {"values": Blob(b"s", (LARGE,)), "display": Blob(b"[]")}
Sync = Callable[[Path], int]


def record(task: str = "a", **facts: object) -> Record:
    return Record(**{"task": task, "key": "k", **facts})  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "book.milepost"


@pytest.fixture
def store(folder: Path) -> LocalStore:
    return LocalStore(folder, MINE)


@pytest.fixture
def troubles(store: LocalStore) -> list[Trouble]:
    told: list[Trouble] = []
    store.on_trouble(told.append)
    return told


def change_between_hash_and_write(monkeypatch: pytest.MonkeyPatch, value: bytearray) -> None:
    """As another thread may: each buffer is written only after it was hashed and then changed."""
    begin, write = Drafts.begin, atomic._write_new

    def hashed_first(self: Drafts, data: memoryview, *, write: bool) -> None:
        begin(self, data, write=False)
        self._addresses[-1].result()
        self._drafts[-1] = self._threads.submit(self._write, data) if write else None

    def late(path: Path, data: Any, mode: int, durable: bool) -> None:
        if mode == 0o444:
            value[7] = 1
        write(path, data, mode, durable)

    monkeypatch.setattr(Drafts, "begin", hashed_first)
    monkeypatch.setattr(atomic, "_write_new", late)


class Disk:
    """Syncs as the real one, notes what, and fails or waits where it is told to."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync
        self.synced: list[Path] = []
        self.fail: Callable[[Path], OSError | None] = lambda path: None
        self.go_on = threading.Event()
        self.go_on.set()
        self.reached = threading.Event()
        self.confirmed = threading.Event()

    def __call__(self, path: Path) -> int:
        if len(path.name) == 64:  # an object: synced while it is verified, and here after that
            assert self.confirmed.wait(30)
        self.reached.set()
        assert self.go_on.wait(30)
        if error := self.fail(path):
            raise error
        self.synced.append(path)
        return self._sync(path)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made, confirm = Disk(durability.sync), Objects.confirm

    def noted(self: Objects, *args: Any) -> bool:
        try:
            return confirm(self, *args)
        finally:
            made.confirmed.set()

    monkeypatch.setattr(Objects, "confirm", noted)
    monkeypatch.setattr(durability, "sync", made)
    return made


def journal(folder: Path) -> Path:
    (found,) = (folder / "journal").iterdir()
    return found


def durable(folder: Path) -> dict[str, bool]:
    return {item.task: item.durable for item in LocalStore(folder, MINE).records()}


class TestMarks:
    def test_a_save_is_durable_after_a_flush(self, store: LocalStore, folder: Path) -> None:
        saved = store.save(record(), BLOBS)
        assert not saved.durable
        assert store.flush()
        assert durable(folder) == {"a": True}
        assert [item.durable for item in store.records()] == [True]

    def test_a_save_does_not_wait_for_the_disk(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        disk.go_on.clear()
        store.save(record(), BLOBS)
        assert durable(folder) == {"a": False}
        assert not store.flush(timeout=0.0)
        disk.go_on.set()
        assert store.flush()
        assert durable(folder) == {"a": True}

    def test_a_durable_save_waits(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), BLOBS, durable=True)
        assert durable(folder) == {"a": True}

    def test_objects_then_their_folders_then_the_journal_then_the_mark(
        self, store: LocalStore, folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saved = store.save(record(), BLOBS, durable=True)
        (address,) = saved.blobs["values"].buffers
        path = store.object_file(address)
        objects = [path, path.parent, folder / "objects", folder]
        journals = [journal(folder), folder / "journal", folder.parent]
        assert disk.synced == [*objects, *journals]
        assert b'"durable"' in journal(folder).read_bytes().splitlines()[1]

    def test_a_small_result_is_one_line_and_one_sync(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        store.save(record("first"), {}, durable=True)
        disk.synced.clear()
        store.save(record(), {"values": Blob(b"s" * 2048)}, durable=True)
        assert disk.synced == [journal(folder)]
        assert not list((folder / "objects").iterdir())

    def test_small_results_that_follow_at_once_share_a_mark(self, store: LocalStore, folder: Path) -> None:
        store.save(record("first"), {}, durable=True)
        before = len(journal(folder).read_bytes().splitlines())
        store._durability._marks._delay = 60
        for number in range(20):
            store.save(record(str(number)), {}, durable=True)
        assert store.flush()
        assert len(journal(folder).read_bytes().splitlines()) <= before + 22
        assert set(durable(folder).values()) == {True}

    def test_what_comes_meanwhile_is_synced_together(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        disk.go_on.clear()
        store.save(record("first"), BLOBS)
        assert disk.reached.wait(30)
        for number in range(20):
            store.save(record(str(number)), {"values": Blob(b"", (LARGE, b"%d" % number))})
        disk.go_on.set()
        assert store.flush()
        assert disk.synced.count(journal(folder)) == 2
        marks = [line for line in journal(folder).read_bytes().splitlines() if b'"durable"' in line]
        assert len(marks) <= 2
        assert set(durable(folder).values()) == {True}

    def test_two_journals_of_one_round_are_both_synced(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        disk.go_on.clear()
        store.save(record("a"), {})
        assert disk.reached.wait(30)
        store.save(record("b"), {})
        store._session = ""
        store.save(record("c"), {})
        disk.go_on.set()
        assert store.flush()
        assert set(durable(folder).items()) == {("a", True), ("b", True), ("c", True)}
        assert {path for path in disk.synced if path.suffix == ".jsonl"} == set((folder / "journal").iterdir())

    def test_a_large_object_is_synced_while_it_is_verified(
        self, store: LocalStore, folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        confirm = Objects.confirm

        def once_the_disk_works(self: Objects, *args: Any) -> bool:
            assert disk.reached.wait(30)
            return confirm(self, *args)

        monkeypatch.setattr(Objects, "confirm", once_the_disk_works)
        disk.confirmed.set()
        store.save(record(), BLOBS, durable=True)
        assert durable(folder) == {"a": True}

    def test_the_mark_speaks_of_files_as_they_were_before_they_were_synced(
        self, store: LocalStore, folder: Path, disk: Disk
    ) -> None:
        """One that comes in their place while the disk is busy was never confirmed, and is not given back unread."""

        def exchange(path: Path) -> None:
            if len(path.name) == 64:
                path.with_name("other").write_bytes(LARGE[::-1])
                os.replace(path.with_name("other"), path)

        disk.fail = exchange
        store.save(record(), BLOBS, durable=True)
        fresh = LocalStore(folder, MINE)
        (found,) = fresh.records()
        assert found.durable
        with pytest.raises(CorruptCheckpointError, match="not those that were saved"):
            fresh.open(found, "values")

    def test_what_is_forgotten_is_synced_and_not_marked(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        store.save(record(), BLOBS, durable=True)
        disk.synced.clear()
        store.forget(["a"])
        assert store.flush()
        assert disk.synced == [journal(folder)]
        assert len(journal(folder).read_bytes().splitlines()) == 3

    def test_what_a_stranger_wrote_gets_no_mark(self, store: LocalStore, folder: Path) -> None:
        LocalStore(folder, Signer(b"x" * 32)).save(record(), BLOBS, durable=True)
        assert store.trust(store.records()) == 1
        assert store.flush()
        assert durable(folder) == {"a": False}


class TestFailures:
    @pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
    @pytest.mark.parametrize("which", ["object", "folder", "journal"])
    def test_what_cannot_be_synced_is_told_and_not_marked(
        self, store: LocalStore, folder: Path, disk: Disk, troubles: list[Trouble], code: int, which: str
    ) -> None:
        suffix = {"object": 64, "folder": 2, "journal": 0}[which]
        failing = lambda path: len(path.name) == suffix or (not suffix and path.suffix == ".jsonl")  # noqa: E731
        disk.fail = lambda path: OSError(code, os.strerror(code)) if failing(path) else None
        saved = store.save(record(), BLOBS)
        assert not store.flush()
        (trouble,) = troubles
        assert (trouble.kind, trouble.record) == (TroubleKind.NOT_DURABLE, saved)
        assert "task 'a': it is saved, and survives the end of this process, but perhaps no power loss" in trouble.text
        assert os.strerror(code) in trouble.text
        assert durable(folder) == {"a": False}
        assert bytes(store.open(store.records()[0], "values").buffers[0]) == LARGE

    def test_a_durable_save_says_so(self, store: LocalStore, disk: Disk, troubles: list[Trouble]) -> None:
        disk.fail = lambda path: OSError(errno.EIO, "bad")
        with pytest.raises(StoreUnwritableError, match=r"task 'a': it is saved.*no power loss"):
            store.save(record(), {}, durable=True)
        assert [item.task for item in store.records()] == ["a"]

    def test_a_failed_file_is_not_synced_again(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        """The system tells of lost bytes once, and calls them safe the next time."""
        disk.fail = lambda path: OSError(errno.EIO, "bad") if len(path.name) == 64 else None
        store.save(record("a"), BLOBS)
        store.flush()
        disk.fail = lambda path: None
        store.save(record("b"), BLOBS)
        store.save(record("c"), {"values": Blob(b"")})
        store.flush()
        assert durable(folder) == {"a": False, "b": False, "c": True}

    def test_another_journal_follows_one_that_failed(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        disk.fail = lambda path: OSError(errno.EIO, "bad") if path.suffix == ".jsonl" else None
        store.save(record("a"), {})
        store.flush()
        disk.fail = lambda path: None
        store.save(record("b"), {})
        store.flush()
        assert durable(folder) == {"a": False, "b": True}
        assert len(list((folder / "journal").iterdir())) == 2

    def test_one_that_fails_does_not_hold_up_others(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        disk.go_on.clear()
        store.save(record("first"), {})
        assert disk.reached.wait(30)
        bad = store.save(record("bad"), BLOBS).blobs["values"].buffers[0]
        store.save(record("good"), {"values": Blob(b"", (LARGE[::-1],))})
        disk.fail = lambda path: OSError(errno.EIO, "bad") if path.name == bad else None
        disk.go_on.set()
        store.flush()
        assert durable(folder) == {"first": True, "bad": False, "good": True}

    def test_without_a_listener_it_is_logged(
        self, store: LocalStore, disk: Disk, caplog: pytest.LogCaptureFixture
    ) -> None:
        disk.fail = lambda path: OSError(errno.EIO, "bad")
        store.save(record(), {})
        store.flush()
        assert "task 'a': it is saved" in caplog.text

    def test_a_folder_that_is_deleted_meanwhile_stays_so(
        self, store: LocalStore, folder: Path, disk: Disk, troubles: list[Trouble]
    ) -> None:
        disk.go_on.clear()
        store.save(record(), BLOBS)
        assert disk.reached.wait(30)
        shutil.rmtree(folder)
        disk.go_on.set()
        assert not store.flush()
        assert not folder.exists()
        assert troubles == []
        store.save(record("b"), BLOBS)
        store.flush()
        assert durable(folder) == {"b": True}

    def test_an_object_that_is_deleted_meanwhile_is_told(
        self, store: LocalStore, disk: Disk, troubles: list[Trouble]
    ) -> None:
        disk.go_on.clear()
        saved = store.save(record(), BLOBS)
        assert disk.reached.wait(30)
        store.object_file(saved.blobs["values"].buffers[0]).unlink()
        disk.go_on.set()
        store.flush()
        assert [trouble.record for trouble in troubles] == [saved]

    @pytest.mark.parametrize("nbytes", [70_000, 5 << 20])
    def test_a_value_that_changes_while_it_is_saved_is_told_and_spoils_no_other(
        self, store: LocalStore, folder: Path, troubles: list[Trouble], monkeypatch: pytest.MonkeyPatch, nbytes: int
    ) -> None:
        value = bytearray(nbytes)
        before = bytes(value)
        change_between_hash_and_write(monkeypatch, value)
        store.save(record("busy"), {"values": Blob(b"", (value,))})
        assert not store.flush()
        assert [(trouble.kind, trouble.record.task) for trouble in troubles] == [(TroubleKind.DAMAGED, "busy")]
        assert "another thread changed it" in troubles[0].text
        assert durable(folder) == {}
        monkeypatch.undo()
        store.save(record("innocent"), {"values": Blob(b"", (before,))})
        store.flush()
        fresh = LocalStore(folder, MINE)
        (found,) = fresh.records()
        assert found.durable
        assert bytes(fresh.open(found, "values").buffers[0]) == before

    def test_what_was_not_written_as_it_was_is_not_taken_for_another(
        self, store: LocalStore, folder: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Before the thread in the background has seen it."""
        disk.go_on.clear()
        store.save(record("first"), {})
        assert disk.reached.wait(30)
        value = bytearray(5 << 20)
        before = bytes(value)
        with monkeypatch.context() as patch:
            change_between_hash_and_write(patch, value)
            store.save(record("busy"), {"values": Blob(b"", (value,))})
        saved = store.save(record("innocent"), {"values": Blob(b"", (before,))})
        assert bytes(store.open(saved, "values").buffers[0]) == before
        disk.go_on.set()
        store.flush()
        assert bytes(LocalStore(folder, MINE).open(saved, "values").buffers[0]) == before

    def test_who_waits_hears_of_a_value_that_changed(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        value = bytearray(70_000)
        change_between_hash_and_write(monkeypatch, value)
        with pytest.raises(StoreError, match=r"task 'busy'.*another thread changed it"):
            store.save(record("busy"), {"values": Blob(b"", (value,))}, durable=True)

    def test_a_mark_that_cannot_be_written_is_no_trouble(
        self, store: LocalStore, folder: Path, troubles: list[Trouble], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        append = LocalStore._append

        def refuse(self: LocalStore, entry: object) -> object:
            if entry.durable:  # type: ignore[attr-defined]
                raise OSError(errno.ENOSPC, "full")
            return append(self, entry)  # type: ignore[arg-type]

        monkeypatch.setattr(LocalStore, "_append", refuse)
        store.save(record(), BLOBS)
        assert store.flush()
        assert troubles == []
        assert durable(folder) == {"a": False}


class TestProcesses:
    def test_a_forked_child_leaves_the_parents_work_alone(self, store: LocalStore, folder: Path, disk: Disk) -> None:
        disk.go_on.clear()
        store.save(record("a"), BLOBS)
        assert disk.reached.wait(30)
        child = os.fork()
        if not child:  # its own save works, although no thread of the parent's lives here
            signal.alarm(60)
            disk.go_on.set()
            store.save(record("b"), BLOBS, durable=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert durable(folder) == {"a": False, "b": True}
        disk.go_on.set()
        assert store.flush()
        assert durable(folder) == {"a": True, "b": True}

    def test_a_fork_while_another_thread_holds_the_store(self, store: LocalStore, folder: Path) -> None:
        held, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            with store._lock:
                held.set()
                go_on.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(30)
        child = os.fork()
        if not child:
            signal.alarm(60)
            store.save(record("b"), BLOBS, durable=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        go_on.set()
        thread.join()
        assert durable(folder) == {"b": True}

    def test_the_end_of_a_script_waits_for_the_disk(self, folder: Path) -> None:
        script = """
import sys, threading
from milepost.checkpoint import durability
from milepost.checkpoint.background import Background
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import Objects
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

awaited, sync, wait = threading.Event(), durability.sync, Background.wait
durability.sync = lambda path: (awaited.wait(), sync(path))[1]
Background.wait = lambda self, timeout: (awaited.set(), wait(self, timeout))[1]
store = LocalStore(sys.argv[1], Signer(b"m" * 32))
for number in range(3):
    store.save(Record(task=str(number), key="k"), {"values": Blob(b"", (b"%d" % number * 100_000,))})
"""
        subprocess.run([sys.executable, "-c", script, str(folder)], check=True, timeout=60)
        assert durable(folder) == {"0": True, "1": True, "2": True}

    def test_a_disk_that_hangs_does_not_keep_the_process(self, folder: Path) -> None:
        script = """
import sys, threading
from milepost.checkpoint import durability
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import Objects
from milepost.model.record import Record
from milepost.model.trust import Signer

durability.sync = lambda path: threading.Event().wait()
store = LocalStore(sys.argv[1], Signer(b"m" * 32))
store._durability._background.patience = 0.1
store.save(Record(task="a", key="k"), {})
"""
        subprocess.run([sys.executable, "-c", script, str(folder)], check=True, timeout=60)
        assert durable(folder) == {"a": False}

    def test_a_save_at_the_very_end_is_durable_too(self, folder: Path) -> None:
        script = """
import atexit, sys

def late():
    store.save(Record(task="late", key="k"), {}, durable=True)

atexit.register(lambda: late())
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import Objects
from milepost.model.record import Record
from milepost.model.trust import Signer

store = LocalStore(sys.argv[1], Signer(b"m" * 32))
"""
        subprocess.run([sys.executable, "-c", script, str(folder)], check=True, timeout=60)
        assert durable(folder) == {"late": True}


def test_a_forgotten_store_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LINGER", 0.0)
    store = LocalStore(folder, MINE)
    store.save(record(), BLOBS, durable=True)
    for thread in threading.enumerate():
        if thread.name.startswith("milepost-"):
            thread.join(30)
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("milepost-")]
