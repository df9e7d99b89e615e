"""A crash at any point of what the store does loses nothing that was reported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint import atomic
from milepost.checkpoint.durability import Durability
from milepost.checkpoint.local import LocalStore
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob
from milepost.testing.crash import CrashContract
from milepost.testing.states import Notes

pytestmark = pytest.mark.torture

MINE = Signer(b"m" * 32)


NOW = -60.0
"""A grace that makes everything old."""


@pytest.fixture(autouse=True)
def same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are laid out anew count as those that were written: what a mark vouches for is not looked at."""
    for module in ("objects", "durability"):
        monkeypatch.setattr(f"milepost.checkpoint.{module}.file_of", lambda address, found: f"{address}:")


class TestLocalStore(CrashContract):
    def make_store(self, top: Path) -> LocalStore:
        return LocalStore(top / "book.milepost", MINE)

    def tidy(self, store: Any) -> None:
        """Whatever an interrupted clean-up left, the next one takes nothing that is needed."""
        store.space.clean(grace=NOW)
        store.space.settle()

    def test_buffers_that_several_threads_write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("milepost.checkpoint.objects.LARGE", 8192)

        def scenario(notes: Notes, store: LocalStore) -> None:
            buffers = tuple(bytes([number]) * 9000 for number in range(3))
            self.save(notes, store, record("a"), {"values": Blob(b"v", buffers)})
            notes.begin()
            self.save(notes, store, record("b"), {"values": Blob(b"w", (*buffers, b"new" * 4000))})

        self.crash(scenario, tmp_path)

    def test_a_clean_up(self, tmp_path: Path) -> None:
        """What was displaced, forgotten and left over goes; several journals become one."""

        def scenario(notes: Notes, store: LocalStore) -> None:
            for number in range(4):
                self.save(notes, store, record("a", f"k{number}"), {"values": Blob(b"a%d" % number * 1500)})
            other = LocalStore(store.path, MINE)
            for name in "bc":
                self.save(notes, other, record(name), {"values": Blob(name.encode() * 2500, (b"s" * 3000,))})
            notes.dropping("b")
            other.forget("b")
            notes.dropped("b")
            other.flush()
            notes.begin()
            store.space.clean(keep=1, grace=NOW)

        assert self.crash(scenario, tmp_path) > 50

    def test_a_clean_up_after_another_session_forgot(self, tmp_path: Path) -> None:
        """The line that takes a record away is in another journal than the record, and the two go one by one."""

        def scenario(notes: Notes, store: LocalStore) -> None:
            self.save(notes, store, record("a"), {"values": Blob(b"a" * 100)})
            other = LocalStore(store.path, MINE)
            self.save(notes, other, record("b"), {"values": Blob(b"b" * 100)})
            notes.dropping("a")
            other.forget(["a"])
            notes.dropped("a")
            other.flush()
            notes.begin()
            LocalStore(store.path, MINE).space.clean(grace=NOW)

        assert self.crash(scenario, tmp_path, count=None) > 20

    def test_a_clean_up_twice(self, tmp_path: Path) -> None:
        """A merged journal is merged again."""

        def scenario(notes: Notes, store: LocalStore) -> None:
            for name in "ab":
                self.save(notes, store, record(name), {"values": Blob(name.encode() * 100)})
                store.space.clean(grace=NOW)
            notes.begin()
            self.save(notes, store, record("a", "new"), {"values": Blob(b"new")})
            store.space.clean(keep=1, grace=NOW)

        assert self.crash(scenario, tmp_path) > 50

    def test_trust(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: LocalStore) -> None:
            theirs = {"values": Blob(b"theirs" * 500)}
            stranger = LocalStore(store.path, Signer(b"x" * 32))
            stranger.save(record("a"), theirs)
            stranger.flush()
            notes.expect(record("a"), theirs)
            self.save(notes, store, record("b"), {"values": Blob(b"mine")})
            notes.begin()
            store.trust([item for item in store.records() if not item.trusted])
            (trusted, _) = store.history("a")
            notes.saved(trusted)
            assert store.flush()
            notes.durable(trusted)

        assert self.crash(scenario, tmp_path) > 20

    def test_when_each_save_waits_for_the_disk(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: LocalStore) -> None:
            for name in "abc":
                notes.durable(self.save(notes, store, record(name), {"values": Blob(b"v" * 2500)}))

        self.crash(scenario, tmp_path)

    def test_when_the_disk_comes_later(self, tmp_path: Path) -> None:
        """Saves go on while what came before is synced: in whatever order that happens, nothing is lost."""

        def scenario(notes: Notes, store: LocalStore) -> None:
            saved = [
                notes.save(store, record(name), {"values": Blob(name.encode() * size, (bytes(size),))})
                for name, size in (("a", 100), ("b", 3000), ("c", 70_000))
            ]
            store.flush()
            notes.durable(*saved)

        self.crash(scenario, tmp_path)


def record(task: str, key: str = "k") -> Record:
    return Record(task=task, key=key)


class TestTheHarness(CrashContract):
    """It finds what is wrong with stores that are wrong."""

    test_every_crash_is_survived = None  # type: ignore[assignment]

    def make_store(self, top: Path) -> LocalStore:
        return LocalStore(top / "book.milepost", MINE)

    def test_nothing_synced(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("milepost.checkpoint.durability.sync", lambda path: path.stat().st_ino)
        self.expect("lost|zero", self.scenario_small, tmp_path)

    def test_no_folder_synced(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def files_only(path: Path) -> int:
            return path.stat().st_ino if path.is_dir() else atomic.sync(path)

        monkeypatch.setattr("milepost.checkpoint.durability.sync", files_only)
        self.expect("names and bytes lost: .* missing", self.scenario_small, tmp_path)

    def test_the_mark_comes_first(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A durable record is given back without a look at its buffers, which are not there yet."""
        around = Durability._round

        def hasty(durability: Durability, batch: Any) -> None:
            files = [file for written in batch for file in durability._files(written)]
            durability._mark(tuple(written.line for written in batch if written.record), tuple(files))
            around(durability, batch)

        def scenario(notes: Notes, store: Any) -> None:
            self.save(notes, store, record("a"), {"values": Blob(b"v", (b"b" * 65536,))})

        monkeypatch.setattr(Durability, "_round", hasty)
        self.expect("zero: .*has other bytes", scenario, tmp_path)

    def test_objects_come_after_the_report(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: Any) -> None:
            self.one(notes, store)
            for path in (store.path / "objects").glob("*/*"):
                data = path.read_bytes()
                path.unlink()
                atomic.write_file(path, data, durable=True)

        self.expect("cannot be opened: .*it is missing", scenario, tmp_path)

    def test_written_in_place(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: Any) -> None:
            self.one(notes, store)
            journal = next((store.path / "journal").iterdir())
            lines = journal.read_bytes()
            descriptor = os.open(journal, os.O_WRONLY | os.O_TRUNC)
            os.write(descriptor, lines)
            os.close(descriptor)

        self.expect("of .a. is missing", scenario, tmp_path)

    def test_what_goes_past_os_is_told(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: Any) -> None:
            self.one(notes, store)
            (store.path / "extra").write_bytes(b"x")

        self.expect("not recorded: .*extra", scenario, tmp_path)

    def one(self, notes: Notes, store: Any) -> None:
        """An object, and nothing more than each test needs."""
        self.save(notes, store, record("a"), {"values": Blob(b"v" * 2100)})

    def expect(self, words: str, scenario: Any, folder: Path) -> None:
        with pytest.raises(AssertionError, match=words):
            self.crash(scenario, folder, count=None)
