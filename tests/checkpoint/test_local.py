"""The store in a folder: damage, strangers, other processes, and places that cannot be written."""

from __future__ import annotations

import ctypes
import errno
import gc
import itertools
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from milepost.checkpoint import objects as objects_module
from milepost.checkpoint import reader
from milepost.checkpoint.drafts import Drafts
from milepost.checkpoint.layout import marker, store_path
from milepost.checkpoint.local import LocalStore
from milepost.model.errors import (
    CorruptCheckpointError,
    NewerFormatError,
    StoreError,
    StoreUnwritableError,
    UnreadableError,
    UntrustedError,
)
from milepost.model.record import BlobRef, Record
from milepost.model.trust import Signer
from milepost.ports import Blob

MINE = Signer(b"m" * 32)
LARGE = bytes(range(256)) * 1024
STREAM = b"stream" * 1024
"""Too long to lie in the line of its record."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "book.milepost"


@pytest.fixture
def only_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals hold the lines that the test has written, and no marks between them."""
    monkeypatch.setattr(LocalStore, "_mark", lambda self, lines, files: None)


@pytest.fixture
def store(folder: Path) -> LocalStore:
    return LocalStore(folder, MINE)


def record(task: str = "a", **facts: Any) -> Record:
    return Record(**{"task": task, "key": "k", **facts})


def journals(folder: Path) -> list[Path]:
    return sorted((folder / "journal").iterdir())


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "objects").rglob("*") if path.is_file())


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    rewrite(path, bytes(data))


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


class TestFolder:
    def test_lies_beside_the_notebook(self) -> None:
        assert store_path(Path("/x/book.v2.ipynb")) == Path("/x/book.v2.milepost")

    def test_in_one_folder_for_all_notebooks_of_one_name_are_kept_apart(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MILEPOST_STORE", "stores")
        first, second = store_path(Path("/a/book.ipynb")), store_path(Path("/b/book.ipynb"))
        assert first != second
        assert {first.parent, second.parent} == {tmp_path / "stores"}
        assert first.name.startswith("book.")
        monkeypatch.chdir("/")
        assert store_path(Path("/a/book.ipynb")) == first

    def test_reading_creates_nothing(self, store: LocalStore, folder: Path) -> None:
        store.records(), store.history("a"), store.problems(), store.forget(["a"])
        assert not folder.exists()

    def test_reading_changes_nothing(self, store: LocalStore, folder: Path) -> None:
        saved = store.save(record(), {"values": Blob(b"s", (LARGE,))})
        store.flush()
        flip(objects(folder)[0], 0)
        before = snapshot(folder)
        other = LocalStore(folder, MINE)
        other.records(), other.history("a"), other.problems()
        with pytest.raises(CorruptCheckpointError):
            other.open(saved, "values")
        assert snapshot(folder) == before

    def test_holds_what_git_and_backups_look_for(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {"values": Blob(STREAM)})
        assert (folder / ".gitignore").read_bytes() == b"*\n"
        assert (folder / "CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
        assert (folder / "format").read_bytes() == b"milepost 1 74f6f59a2c9522ef\n" == marker(1)
        assert objects(folder)[0].stat().st_mode & 0o777 == 0o444

    def test_leaves_no_temporary_files(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {"values": Blob(b"s", (LARGE,))})
        assert not list(folder.rglob(".tmp-*"))

    def test_equal_bytes_are_stored_once(self, store: LocalStore, folder: Path) -> None:
        store.save(record("a"), {"values": Blob(b"s", (LARGE,))})
        inodes = [path.stat().st_ino for path in objects(folder)]
        store.save(record("b"), {"values": Blob(b"s", (LARGE, LARGE))})
        assert [path.stat().st_ino for path in objects(folder)] == inodes

    def test_a_deleted_folder_is_made_again(self, store: LocalStore, folder: Path) -> None:
        import shutil

        store.save(record("a"), {})
        store.flush()
        shutil.rmtree(folder)
        assert store.records() == []
        store.save(record("b"), {"values": Blob(b"s")})
        assert [item.task for item in LocalStore(folder, MINE).records()] == ["b"]


class TestFormat:
    def test_a_newer_format_is_refused(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {})
        (folder / "format").write_bytes(marker(2))
        other = LocalStore(folder, MINE)
        for call in (other.records, lambda: other.save(record(), {}), lambda: other.history("a"), other.problems):
            with pytest.raises(NewerFormatError, match=r"store format 2.*Upgrade"):
                call()

    def test_a_marker_that_changes_is_seen(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {})
        for age in (3600, 1800):
            (folder / "format").unlink()
            (folder / "format").write_bytes(marker(1))
            os.utime(folder / "format", (time.time() - age,) * 2)
            assert len(store.records()) == 1
            (folder / "format").write_bytes(marker(2))
            with pytest.raises(NewerFormatError):
                store.records()

    def test_a_newer_line_costs_only_itself(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {})
        with journals(folder)[0].open("ab") as file:
            file.write(b"mp2 something else\n")
        assert [item.task for item in store.records()] == ["a"]
        assert "newer Milepost" in store.problems()[0]

    @pytest.mark.parametrize(
        "data", [b"\0\0", b"", None, marker(1).replace(b"1", b"3", 1), b"milepost 10\n", b"x" * 999]
    )
    def test_a_damaged_marker_costs_nothing(self, store: LocalStore, folder: Path, data: bytes | None) -> None:
        store.save(record(), {})
        (folder / "format").unlink()
        if data is not None:
            (folder / "format").write_bytes(data)
        other = LocalStore(folder, MINE)
        assert len(other.records()) == 1
        assert "which format" in other.problems()[0]
        other.save(record(), {})
        assert (folder / "format").read_bytes() == marker(1)
        assert other.problems() == []


@pytest.mark.usefixtures("only_records")
class TestDamage:
    @pytest.mark.parametrize("which", range(3))
    @pytest.mark.parametrize("damage", ["flip", "truncate", "append", "delete", "empty", "link"])
    def test_a_damaged_object_is_never_opened(self, store: LocalStore, folder: Path, which: int, damage: str) -> None:
        saved = store.save(record("bad"), {"values": Blob(STREAM, (LARGE, b"small" * 9))})
        good = store.save(record("good"), {"values": Blob(b"other", (LARGE[::-1],))})
        store.flush()
        ref = saved.blobs["values"]
        hurt(folder, (ref.stream, *ref.buffers)[which], damage)
        with pytest.raises(CorruptCheckpointError, match="'bad'"):
            store.open(saved, "values")
        assert store.open(good, "values").stream == b"other"
        assert any("object" in line for line in store.problems())

    @pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "link"])
    def test_saving_again_heals(self, store: LocalStore, folder: Path, damage: str) -> None:
        blob = Blob(b"s", (LARGE,))
        saved = store.save(record(), {"values": blob})
        store.flush()
        hurt(folder, saved.blobs["values"].buffers[0], damage)
        with pytest.raises(CorruptCheckpointError):
            store.open(saved, "values")
        again = store.save(record(), {"values": blob})
        assert bytes(store.open(again, "values").buffers[0]) == LARGE
        assert store.problems() == []
        assert (folder / "quarantine").exists() == (damage != "delete")

    @pytest.mark.parametrize("at", [0, 2, 5, 30, 40, 90, 120, 200])
    def test_a_flipped_line_costs_only_itself(self, store: LocalStore, folder: Path, at: int) -> None:
        for name in "abc":
            store.save(record(name), {})
        first = journals(folder)[0].read_bytes().index(b"\n") + 1
        flip(journals(folder)[0], first + at)
        other = LocalStore(folder, MINE)
        assert [item.task for item in other.records()] == ["a", "c"]
        assert "line 2" in other.problems()[0]

    def test_a_torn_tail_costs_only_the_last(self, store: LocalStore, folder: Path) -> None:
        for name in "abc":
            store.save(record(name), {})
        whole = journals(folder)[0].read_bytes()
        last = whole[:-1].rindex(b"\n") + 1
        for end in range(last + 1, len(whole)):
            rewrite(journals(folder)[0], whole[:end])
            other = LocalStore(folder, MINE)
            assert [item.task for item in other.records()] == ["a", "b"]
            assert "incomplete" in other.problems()[0]

    def test_a_line_seen_half_written_is_read_when_whole(self, store: LocalStore, folder: Path) -> None:
        store.save(record("a"), {})
        whole = journals(folder)[0].read_bytes()
        rewrite(journals(folder)[0], whole[:50])
        reader = LocalStore(folder, MINE)
        assert reader.records() == []
        rewrite(journals(folder)[0], whole)
        assert len(reader.records()) == 1
        assert reader.problems() == []

    def test_a_line_that_changes_after_it_was_read_is_seen(self, store: LocalStore, folder: Path) -> None:
        for name in "ab":
            store.save(record(name), {})
        assert len(store.records()) == 2
        flip(journals(folder)[0], 50)
        assert [item.task for item in store.records()] == ["b"]

    @pytest.mark.parametrize("how", ["delete", "empty"])
    def test_a_journal_that_is_gone_is_told(self, store: LocalStore, folder: Path, how: str) -> None:
        store.save(record("a"), {}, durable=True)
        other = LocalStore(folder, MINE)
        other.save(record("b"), {"values": Blob(b"b" * 3000)}, durable=True)
        (path,) = [path for path in journals(folder) if b'"task":"b"' in path.read_bytes()]
        path.unlink()
        if how == "empty":
            path.touch()
        fresh = LocalStore(folder, MINE)
        assert [item.task for item in fresh.records()] == ["a"]
        assert path.name in fresh.problems()[0]
        before = objects(folder)
        # It may come back from a backup: nothing is removed before that was told.
        assert path.name in fresh.space.clean(grace=-60.0).problems[0]
        assert objects(folder) == before
        fresh.space.clean(grace=-60.0)
        assert LocalStore(folder, MINE).problems() == []
        assert objects(folder) == []

    @pytest.mark.parametrize("what", ["link", "file"])
    def test_no_clean_up_takes_a_lost_folder_for_an_empty_one(self, store: LocalStore, folder: Path, what: str) -> None:
        store.save(record("a"), {"values": Blob(b"a" * 3000)}, durable=True)
        (folder / "journal").rename(folder.with_name("moved"))
        if what == "link":
            (folder / "journal").symlink_to(folder.with_name("moved"))
        else:
            (folder / "journal").touch()
        for _ in range(2):
            LocalStore(folder, MINE).space.clean(grace=-60.0)
        assert len(objects(folder)) == 1
        assert any("is no folder" in problem for problem in LocalStore(folder, MINE).problems())

    def test_a_folder_that_cannot_be_listed_is_a_clear_error(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.save(record("a"), {"values": Blob(b"a" * 3000)}, durable=True)

        def refuse(path: Any) -> Any:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("milepost.checkpoint.reader.os.listdir", refuse)
        with pytest.raises(StoreError, match="cannot be listed: Permission denied"):
            LocalStore(folder, MINE).records()

    @pytest.mark.parametrize("junk", [b"\n", b"junk\n", b"mp1\n", b"mp1 x y z\n", b"\0" * 600 + b"\n", b"\xff\xfe\n"])
    def test_junk_costs_nothing_else(self, store: LocalStore, folder: Path, junk: bytes) -> None:
        store.save(record("a"), {})
        with journals(folder)[0].open("ab") as file:
            file.write(junk)
        store.save(record("b"), {})
        other = LocalStore(folder, MINE)
        assert [item.task for item in other.records()] == ["a", "b"]
        assert len(other.problems()) == 1


def test_what_could_not_be_read_for_want_of_a_key_is_read_later(
    folder: Path, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(record(), {})
    key = tmp_path / "key"
    key.write_bytes(b"short")
    key.chmod(0o600)
    monkeypatch.setenv("MILEPOST_KEY_FILE", str(key))
    other = LocalStore(folder)
    for _ in range(2):
        with pytest.raises(StoreError, match="the signing key"):
            other.records()
    key.write_bytes(b"m" * 32)
    assert [found.task for found in other.records()] == ["a"]


@pytest.mark.parametrize("part", [0.0, 0.3, 0.75])
def test_nothing_follows_an_older_state_of_the_journal(folder: Path, store: LocalStore, part: float) -> None:
    """As when a tool that keeps folders equal brings back half a copy: what follows a torn line would be lost."""
    for task in "ab":
        store.save(record(task), {})
    store.flush()
    (journal,) = journals(folder)
    data = journal.read_bytes()
    journal.write_bytes(data[: int(len(data) * part)])
    for task in "cd":
        store.save(record(task), {})
    store.flush()
    assert {found.task for found in LocalStore(folder, MINE).records()} >= {"c", "d"}
    assert len(journals(folder)) == 2


def test_an_equal_value_of_another_user_is_used(
    folder: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the owner of a file, or who may write to it, may give it a fresh time."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    store.save(record("a"), {"values": Blob(STREAM, (LARGE,))})
    found = objects(folder)
    monkeypatch.setattr("milepost.checkpoint.objects.os.utime", refuse)
    other = LocalStore(folder, MINE)
    saved = other.save(record("b"), {"values": Blob(STREAM, (LARGE,))})
    assert other.flush()
    assert objects(folder) == found
    assert other.open(saved, "values").stream == STREAM


def test_a_folder_that_may_not_be_entered_is_a_clear_error(
    folder: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(layout: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "format"))

    monkeypatch.setattr("milepost.checkpoint.layout.Layout.require_readable", refuse)
    for look in (store.records, lambda: store.history("a"), lambda: store.save(record(), {})):
        with pytest.raises(StoreError, match=r"format cannot be read \(Permission denied\): mend its permissions"):
            look()


def hurt(folder: Path, address: str, how: str) -> None:
    path = folder / "objects" / address[:2] / address
    data = path.read_bytes()
    changes: dict[str, Callable[[], Any]] = {
        "flip": lambda: flip(path, len(data) // 2),
        "truncate": lambda: rewrite(path, data[:-1]),
        "append": lambda: rewrite(path, data + b"x"),
        "empty": lambda: rewrite(path, b""),
        "delete": path.unlink,
        "link": lambda: (path.rename(folder / "elsewhere"), path.symlink_to(folder / "elsewhere")),
    }
    changes[how]()


@pytest.mark.usefixtures("only_records")
class TestStrangers:
    def test_a_record_of_another_key_is_listed_and_not_opened(self, store: LocalStore, folder: Path) -> None:
        LocalStore(folder, Signer(b"x" * 32)).save(record(), {"values": Blob(b"cos\nsystem\n")})
        (found,) = store.records()
        assert not found.trusted
        with pytest.raises(UntrustedError, match="'a'"):
            store.open(found, "values")

    def test_a_strangers_record_hides_nothing(self, store: LocalStore, folder: Path) -> None:
        store.save(record(key="mine"), {"values": Blob(b"s")})
        stranger = LocalStore(folder, Signer(b"x" * 32))
        stranger.save(record(key="theirs"), {})
        assert [(item.key, item.trusted) for item in store.records()] == [("mine", True)]
        assert [item.key for item in store.history("a")] == ["mine", "theirs"]

    def test_a_stranger_cannot_forget_for_us(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {})
        LocalStore(folder, Signer(b"x" * 32)).forget(["a"])
        assert len(store.records()) == 1

    def test_forgetting_what_a_stranger_says_will_be_saved_tomorrow(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("milepost.checkpoint.local.next_time", lambda last: "9999-12-31")
            LocalStore(folder, Signer(b"x" * 32)).save(record(), {})
        assert store.forget(["a"]) == 1
        assert store.records() == []

    def test_a_forged_record_is_not_trusted(self, store: LocalStore, folder: Path) -> None:
        store.save(record(), {"values": Blob(b"good")})
        mark, _, signature, body = journals(folder)[0].read_bytes().rstrip(b"\n").split(b" ", 3)
        forged = signature + b" " + body.replace(b'"task":"a"', b'"task":"b"')
        line = mark + b" " + blake3(forged).hexdigest()[:32].encode() + b" " + forged + b"\n"
        (folder / "journal" / "other.jsonl").write_bytes(line)
        assert {item.task: item.trusted for item in store.records()} == {"a": True, "b": False}

    def test_trust_signs_them(self, store: LocalStore, folder: Path) -> None:
        LocalStore(folder, Signer(b"x" * 32)).save(record(), {"values": Blob(b"v")})
        assert store.trust(store.records()) == 1
        (found,) = LocalStore(folder, MINE).records()
        assert found.trusted
        assert store.open(found, "values").stream == b"v"

    @pytest.mark.parametrize("address", ["../../../etc/passwd", "/etc/passwd", "", "a" * 63, "A" * 64, "a" * 64 + "\n"])
    def test_an_address_leads_nowhere_else(self, store: LocalStore, address: str) -> None:
        bad = record(blobs={"values": BlobRef(stream=address, stream_bytes=1)})
        with pytest.raises(CorruptCheckpointError, match="no object address"):
            store.open(bad, "values")

    def test_a_claimed_size_takes_no_memory(self, store: LocalStore) -> None:
        saved = store.save(record(), {"values": Blob(STREAM)})
        bomb = record(blobs={"values": BlobRef(stream=saved.blobs["values"].stream, stream_bytes=1 << 60)})
        with pytest.raises(CorruptCheckpointError, match="6144 bytes instead of"):
            store.open(bomb, "values")

    @pytest.mark.parametrize("name", ["objects", "shard"])
    def test_a_linked_folder_is_refused(self, store: LocalStore, folder: Path, tmp_path: Path, name: str) -> None:
        saved = store.save(record(), {"values": Blob(STREAM)})
        place = folder / "objects" if name == "objects" else objects(folder)[0].parent
        place.rename(tmp_path / "outside")
        place.symlink_to(tmp_path / "outside")
        with pytest.raises(UnreadableError, match="symbolic link"):
            store.open(saved, "values")

    def test_a_linked_journal_or_pipe_is_not_read(self, store: LocalStore, folder: Path, tmp_path: Path) -> None:
        store.save(record(), {})
        journals(folder)[0].rename(tmp_path / "outside.jsonl")
        (folder / "journal" / "x.jsonl").symlink_to(tmp_path / "outside.jsonl")
        os.mkfifo(folder / "journal" / "y.jsonl")
        assert LocalStore(folder, MINE).records() == []

    @pytest.mark.parametrize("facts", [{}, [], 1, {"record": 1}, {"record": {"task": 1}}, {"record": {"inputs": [1]}}])
    def test_entries_of_any_shape_are_only_listed(self, store: LocalStore, folder: Path, facts: Any) -> None:
        store.save(record(), {})
        signed = b"0" * 64 + b" " + json.dumps(facts).encode()
        line = b"mp1 " + blake3(signed).hexdigest()[:32].encode() + b" " + signed + b"\n"
        (folder / "journal" / "other.jsonl").write_bytes(line)
        assert [item.task for item in store.records()] == ["a"]
        assert len(store.problems()) == 1


class TestUnwritable:
    def test_a_file_in_the_place_of_the_folder(self, store: LocalStore, folder: Path) -> None:
        folder.write_text("mine")
        for call in (store.records, lambda: store.save(record(), {"values": Blob(b"v")})):
            with pytest.raises(StoreUnwritableError, match=r"book\.milepost is a file.*MILEPOST_STORE"):
                call()
        assert folder.read_text() == "mine"

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EIO])
    @pytest.mark.parametrize("call", ["open", "write", "replace"])
    def test_what_the_system_refuses(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
    ) -> None:
        saved = store.save(record(key="old"), {"values": Blob(b"old")})

        def refuse(*args: Any, **kwargs: Any) -> Any:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(f"milepost.checkpoint.atomic.os.{call}", refuse)
            with pytest.raises(StoreUnwritableError, match=os.strerror(code)):
                store.save(record(key="new"), {"values": Blob(b"new", (LARGE,))})
        assert [item.key for item in store.records()] == ["old"]
        assert store.open(saved, "values").stream == b"old"
        assert not list(folder.rglob(".tmp-*"))

    def test_a_short_write_of_a_line_harms_no_other(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        store.save(record("a"), {})
        write = os.write
        with monkeypatch.context() as patch:
            patch.setattr("milepost.checkpoint.atomic.os.write", lambda fd, data: write(fd, data[:60]))
            with pytest.raises(StoreUnwritableError):
                store.save(record("b"), {})
        store.save(record("c"), {})
        assert [item.task for item in LocalStore(store.path, MINE).records()] == ["a", "c"]

    def test_short_writes_of_objects_go_on(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        write = os.write
        patch = lambda fd, data: write(fd, data[: max(1000, len(data) // 2)])  # noqa: E731
        monkeypatch.setattr("milepost.checkpoint.atomic.os.write", patch)
        saved = store.save(record(), {"values": Blob(LARGE, (LARGE[::-1],))})
        assert store.open(saved, "values").stream == LARGE


class TestLargeBuffers:
    """They are hashed and written at the same time, by several threads."""

    LARGE = (bytes(4 << 20), b"\1" * (4 << 20), b"small", b"\2" * (5 << 20))

    def blob(self) -> Blob:
        return Blob(STREAM, self.LARGE)

    def test_a_failed_save_leaves_no_cycle_with_views(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        """A view of a view in a cycle of garbage crashes CPython 3.11."""

        def full(*args: Any, **options: Any) -> Path:
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr("milepost.checkpoint.atomic._write_new", full)
        for _ in range(10):
            with pytest.raises(StoreUnwritableError) as caught:
                store.save(record(), {"values": Blob(b"", [memoryview(item) for item in self.LARGE])})
            del caught
            gc.collect()

    def test_they_come_back(self, store: LocalStore, folder: Path) -> None:
        saved = store.save(record(), {"values": self.blob()})
        assert [bytes(buffer) for buffer in store.open(saved, "values").buffers] == list(self.LARGE)
        assert len(objects(folder)) == 5
        assert not list(folder.rglob(".tmp-*"))

    def test_equal_ones_are_stored_once(self, store: LocalStore, folder: Path, drafts: list[int]) -> None:
        store.save(record("a"), {"values": Blob(b"", (self.LARGE[0], self.LARGE[0]))})
        assert len(objects(folder)) == 1
        assert not list(folder.rglob(".tmp-*"))
        drafts.clear()
        for one in (store, LocalStore(folder, MINE)):
            one.save(record("b"), {"values": Blob(b"", (self.LARGE[0],))})
            assert drafts == []

    def test_what_another_process_wrote_meanwhile_is_used(self, store: LocalStore, folder: Path) -> None:
        store.save(record("a"), {"values": Blob(b"", (bytes(6 << 20),))})
        LocalStore(folder, MINE).save(record("b"), {"values": self.blob()})
        numbers = [path.stat().st_ino for path in objects(folder)]
        saved = store.save(record("c"), {"values": self.blob()})
        assert [path.stat().st_ino for path in objects(folder)] == numbers
        assert not list(folder.rglob(".tmp-*"))
        assert [bytes(buffer) for buffer in store.open(saved, "values").buffers] == list(self.LARGE)

    @pytest.mark.parametrize("good", range(3))
    def test_nothing_is_left_of_a_save_that_fails(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, good: int
    ) -> None:
        store.save(record(key="old"), {})
        publish, count = objects_module.publish, itertools.count()

        def refuse(draft: Path, path: Path) -> None:
            if next(count) == good:
                raise OSError(errno.ENOSPC, "full")
            publish(draft, path)

        monkeypatch.setattr(objects_module, "publish", refuse)
        with pytest.raises(StoreUnwritableError, match="full"):
            store.save(record(key="new"), {"values": self.blob()})
        assert not list(folder.rglob(".tmp-*"))
        monkeypatch.undo()
        saved = store.save(record(key="new"), {"values": self.blob()})
        assert [bytes(buffer) for buffer in store.open(saved, "values").buffers] == list(self.LARGE)

    def test_a_full_disk_is_known_before_anything_is_written(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int, mode: int, start: int, size: int) -> int:
            ctypes.set_errno(errno.ENOSPC)
            return -1

        monkeypatch.setattr("milepost.checkpoint.atomic._fallocate", full)
        with pytest.raises(StoreUnwritableError, match="No space left"):
            store.save(record(), {"values": self.blob()})
        assert not list(folder.rglob(".tmp-*"))

    def test_a_file_system_that_reserves_nothing_will_do(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(descriptor: int, mode: int, start: int, size: int) -> int:
            ctypes.set_errno(errno.EOPNOTSUPP)
            return -1

        monkeypatch.setattr("milepost.checkpoint.atomic._fallocate", unknown)
        saved = store.save(record(), {"values": self.blob()})
        assert [bytes(buffer) for buffer in store.open(saved, "values").buffers] == list(self.LARGE)

    def test_without_threads_they_are_stored_one_by_one(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*args: Any, **options: Any) -> None:
            raise RuntimeError("can't start new thread at interpreter shutdown")

        monkeypatch.setattr(Drafts, "begin", refuse)
        saved = store.save(record(), {"values": self.blob()})
        assert [bytes(buffer) for buffer in store.open(saved, "values").buffers] == list(self.LARGE)


@pytest.fixture
def drafts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what was written before its address was known."""
    sizes: list[int] = []
    begin = Drafts.begin

    def note(self: Drafts, data: memoryview, *, write: bool) -> None:
        sizes.extend([len(data)] * write)
        begin(self, data, write=write)

    monkeypatch.setattr(Drafts, "begin", note)
    return sizes


class TestSeveral:
    def test_two_stores_see_each_other(self, store: LocalStore, folder: Path) -> None:
        other = LocalStore(folder, MINE)
        store.save(record("a"), {"values": Blob(b"1")})
        other.save(record("b"), {"values": Blob(b"2")})
        store.save(record("b", key="newest"), {"values": Blob(b"3")})
        for one in (store, other):
            assert [(item.task, item.key) for item in one.records()] == [("a", "k"), ("b", "newest")]
            assert one.open(one.records()[1], "values").stream == b"3"
        other.forget(["a"])
        assert [item.task for item in store.records()] == ["b"]
        assert len(journals(folder)) == 2

    def test_a_clock_that_goes_back_hides_nothing(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        store.save(record(key="k1"), {})

        class Early(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime(2001, 1, 1, tzinfo=tz)

        monkeypatch.setattr("milepost.checkpoint.view.datetime", Early)
        store.save(record(key="k2"), {})
        assert [item.key for item in store.history("a")] == ["k2", "k1"]

    def test_a_forked_child_writes_its_own_journal(self, store: LocalStore, folder: Path) -> None:
        store.save(record("a"), {})
        child = multiprocessing.get_context("fork").Process(target=store.save, args=(record("b"), {}))
        child.start()
        child.join()
        store.save(record("c"), {})
        assert [item.task for item in store.records()] == ["a", "b", "c"]
        assert len(journals(folder)) == 2

    def test_many_processes_lose_nothing(self, store: LocalStore, folder: Path) -> None:
        context = multiprocessing.get_context("fork")
        children = [context.Process(target=_save_many, args=(folder, name)) for name in "abcd"]
        for child in children:
            child.start()
        for child in children:
            child.join()
        found = store.records()
        assert len(found) == 100
        assert all(store.open(item, "values").stream == item.task[1:].encode() for item in found)
        assert store.problems() == []

    def test_a_journal_that_gets_another_name_meanwhile_is_not_missed(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A listing made while a clean-up renames may show neither name."""
        store.save(record("a"), {})
        listed = os.listdir
        for known in (LocalStore(folder, MINE), store):
            answers = [lambda path: []]
            with monkeypatch.context() as patch:
                patch.setattr(os, "listdir", lambda path: (answers.pop() if answers else listed)(path))  # noqa: B023
                assert [item.task for item in known.records()] == ["a"]
            assert not answers

    def test_a_journal_that_gets_another_name_before_it_is_read_is_not_missed(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.save(record("a"), {})
        (path,) = journals(folder)
        opened = reader.open_plain

        def late(asked: Path) -> int:
            if asked == path and path.exists():
                path.rename(path.with_suffix(".old.jsonl"))
            return opened(asked)

        monkeypatch.setattr(reader, "open_plain", late)
        assert [item.task for item in LocalStore(folder, MINE).records()] == ["a"]

    def test_history_is_limited(self, store: LocalStore) -> None:
        for number in range(8):
            store.save(record(key=str(number)), {})
        assert [item.key for item in store.history("a")] == ["7", "6", "5", "4", "3"]

    def test_what_did_not_change_is_not_read_again(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        store.save(record(), {})
        store.records()
        monkeypatch.setattr("milepost.checkpoint.reader.decode", None)
        assert len(store.records()) == 1


def _save_many(folder: Path, name: str) -> None:
    store = LocalStore(folder, MINE)
    for number in range(25):
        store.save(record(f"{name}{number}"), {"values": Blob(b"%d" % number)})


def test_what_is_forgotten_leaves_no_log(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    store.save(record("a"), {})
    for task in ("a", "never saved", "stays"):
        store.log(task).write_text("printed")
    store.forget(task for task in ("a", "never saved"))
    assert [path.name for path in (folder / "logs").iterdir()] == [store.log("stays").name]


def test_a_link_in_the_place_of_the_logs_is_not_followed(store: LocalStore, folder: Path, tmp_path: Path) -> None:
    store.save(record("a"), {})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.log").write_text("of another program")
    (folder / "logs").symlink_to(tmp_path / "elsewhere")
    store.forget(["a"])
    assert (tmp_path / "elsewhere" / "a.log").exists()


def test_what_is_known_to_be_sound_is_bounded(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milepost.checkpoint.objects._MOST_KNOWN", 3)
    for number in range(10):
        store.save(record("a"), {"values": Blob(b"", (b"%d" % number,))}, durable=True)
        assert 0 < len(store._objects._sound) <= 3
