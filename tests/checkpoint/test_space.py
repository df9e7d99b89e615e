"""What a store keeps and what it frees, beside kernels that save: every order is forced, none waited for."""

from __future__ import annotations

import itertools
import os
import random
import re
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint import atomic, cleanup, compaction, durability, reader, space, sweep
from milepost.checkpoint.eviction import needed_bytes, to_evict
from milepost.checkpoint.journal import Entry, encode
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.objects import address_of
from milepost.checkpoint.plain import open_plain
from milepost.checkpoint.usage import LINE_BYTES, Size, sizes
from milepost.checkpoint.verify import verify
from milepost.checkpoint.view import Version
from milepost.model.errors import StoreLimitError
from milepost.model.record import BlobRef, Record
from milepost.model.trust import Signer
from milepost.ports import Blob, Trouble

MINE, STRANGER = Signer(b"m" * 32), Signer(b"s" * 32)
HOUR = 3600
NOW = -1.0
"""A grace that makes everything old at once."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "book.milepost"


@pytest.fixture
def store(folder: Path) -> LocalStore:
    return LocalStore(folder, MINE)


def data(name: str, nbytes: int = 10_000) -> bytes:
    """Bytes of their own for each name."""
    return random.Random(name).randbytes(nbytes)


def save(store: LocalStore, task: str = "a", *names: str, **facts: Any) -> Record:
    """Save a result whose objects are named by `names`, else by task and key."""
    record = Record(**{"task": task, "key": "k", "seconds": 1.0, **facts})
    buffers = [data(name) for name in names or (f"{task} {record.key}",)]
    saved = store.save(record, {"values": Blob(b"stream", buffers)})
    store.flush()
    return saved


def objects(folder: Path, place: str = "objects") -> set[str]:
    return {path.name for path in (folder / place).rglob("*") if path.is_file()}


def addresses(*names: str) -> set[str]:
    return {address_of(data(name)) for name in names}


def journals(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "journal").iterdir())


def age(path: Path, seconds: float = 2 * HOUR) -> None:
    found = path.stat()
    os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))


def age_objects(folder: Path) -> None:
    for path in (folder / "objects").rglob("*"):
        age(path)


def opened(store: LocalStore, task: str = "a") -> list[bytes]:
    return [bytes(store.open(record, "values").buffers[0]) for record in store.history(task)]


class Interrupted(BaseException):
    """The process is killed."""


class TestKeeping:
    def test_versions_out_of_view_are_dropped_and_freed_at_once(self, store: LocalStore, folder: Path) -> None:
        for number in range(8):
            save(store, key=str(number))
        cleaned = store.space.clean()
        assert [record.key for record in cleaned.displaced] == ["2", "1", "0"]
        assert (cleaned.objects, cleaned.nbytes) == (3, 30_000)
        assert objects(folder) == addresses(*(f"a {number}" for number in range(3, 8)))
        assert [record.key for record in LocalStore(folder, MINE).history("a")] == ["7", "6", "5", "4", "3"]

    def test_a_task_says_how_many(self, store: LocalStore, folder: Path) -> None:
        for number in range(4):
            save(store, key=str(number), keep=2)
            save(store, "b", key=str(number))
        assert [record.key for record in store.history("a")] == ["3", "2"]
        store.space.clean()
        assert objects(folder) == addresses("a 2", "a 3", "b 0", "b 1", "b 2", "b 3")

    def test_what_was_dropped_does_not_come_back(self, store: LocalStore) -> None:
        for number in range(3):
            save(store, key=str(number), keep=1)
        store.space.clean()
        save(store, key="new", keep=5)
        assert [record.key for record in store.history("a")] == ["new", "2"]

    def test_a_clean_up_may_be_stricter(self, store: LocalStore) -> None:
        for number in range(3):
            save(store, key=str(number))
        assert len(store.space.clean(keep=1, trial=True).displaced) == 2
        assert len(store.history("a")) == 3
        store.space.clean(keep=1)
        assert [record.key for record in store.history("a")] == ["2"]

    def test_what_others_need_stays(self, store: LocalStore, folder: Path) -> None:
        save(store, "a", "shared", "old", key="old")
        save(store, "b", "shared")
        save(store, "a", "new", key="new")
        assert store.space.clean(keep=1).objects == 1
        assert objects(folder) == addresses("shared", "new")

    def test_strangers_results_stay(self, store: LocalStore, folder: Path) -> None:
        stranger = LocalStore(folder, STRANGER)
        for number in range(7):
            save(stranger, key=str(number))
        age_objects(folder)
        assert store.space.clean(keep=1, limit=0, grace=NOW).objects == 0
        assert len(objects(folder)) == 7
        assert len(LocalStore(folder, STRANGER).history("a")) == 5

    def test_strangers_that_were_forgotten_go(self, store: LocalStore, folder: Path) -> None:
        save(LocalStore(folder, STRANGER))
        assert store.forget(["a"]) == 1
        age_objects(folder)
        assert store.space.clean(grace=NOW).objects == 1
        assert objects(folder) == set()


class TestSweeping:
    def test_only_what_is_old_and_not_needed_goes(self, store: LocalStore, folder: Path) -> None:
        for task in ("kept", "old", "young"):
            save(store, task)
        store.forget(["old", "young"])
        (old,) = addresses("old k")
        age(folder / "objects" / old[:2] / old)
        trial = store.space.clean(trial=True)
        assert (trial.objects, trial.nbytes, len(objects(folder))) == (1, 10_000, 3)
        assert store.space.clean().objects == 1
        assert objects(folder) == addresses("kept k", "young k")
        assert objects(folder, "trash") == set()

    def test_what_comes_into_the_trash_while_the_journals_are_read_is_left_to_who_moved_it(
        self, store: LocalStore, folder: Path
    ) -> None:
        """A line that needs it may have come after its journal was read."""
        save(store, "a", "needed", "garbage")
        needed = address_of(data("needed"))
        layout = store.layout

        def read() -> set[str]:
            found: set[str] = set()
            os.replace(layout.object(needed), layout.trash / needed)  # another clean-up, and now a line is written
            return found

        swept = sweep.Sweeper(layout, read, NOW).sweep({needed})
        assert swept == sweep.Swept(1, 10_000)
        assert objects(folder, "trash") == {needed}
        assert objects(folder) == set()

    def test_a_missing_store_is_not_made(self, store: LocalStore, folder: Path) -> None:
        assert store.space.clean().problems == ()
        assert not folder.exists()

    def test_reading_finds_what_is_in_the_trash(self, store: LocalStore, folder: Path) -> None:
        save(store)
        (name,) = objects(folder)
        (folder / "objects" / name[:2] / name).rename(folder / "trash" / name)
        assert opened(LocalStore(folder, MINE)) == [data("a k")]

    def test_what_a_killed_clean_up_left_in_the_trash_is_sorted_out(self, store: LocalStore, folder: Path) -> None:
        save(store)
        (needed,) = objects(folder)
        save(store, "b")
        store.forget(["b"])
        for name in objects(folder):
            (folder / "objects" / name[:2] / name).rename(folder / "trash" / name)
        assert store.space.clean().objects == 1
        assert (objects(folder), objects(folder, "trash")) == ({needed}, set())

    @pytest.mark.parametrize("step", range(8))
    def test_a_save_at_any_moment_of_a_clean_up_loses_nothing(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
    ) -> None:
        """The object is garbage when the clean-up begins, and is saved again before its `step`th look or move."""
        save(store)
        store.forget(["a"])
        age_objects(folder)
        other = LocalStore(folder, MINE)
        before(monkeypatch, step, lambda: save(other))
        store.space.clean(grace=NOW)
        save(other, "b")
        assert opened(LocalStore(folder, MINE)) == [data("a k")]
        assert objects(folder) == addresses("a k", "b k")

    def test_a_clean_up_at_any_moment_of_a_save_loses_nothing(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = LocalStore(folder, MINE)
        for step in range(40):
            before(monkeypatch, step, lambda: other.space.clean(grace=NOW), saving=True)
            save(store, f"t{step}", "same", f"own {step}")
            monkeypatch.undo()
            assert [bytes(b) for b in LocalStore(folder, MINE).open(store.records()[-1], "values").buffers] == [
                data("same"),
                data(f"own {step}"),
            ]
            if step % 2:
                store.forget(record.task for record in store.records())
        assert verify(folder, store).problems == ()

    @pytest.mark.parametrize("line", [b"mp2 something else\n", None])
    def test_nothing_goes_while_something_cannot_be_read(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, line: bytes | None
    ) -> None:
        save(store)
        store.forget(["a"])
        age_objects(folder)
        (folder / "journal" / "x.jsonl").write_bytes(line or b"x")
        if line is None:
            refuse_to_open(monkeypatch, "x.jsonl")
        cleaned = store.space.clean(grace=NOW)
        assert (cleaned.objects, len(objects(folder))) == (0, 1)
        assert "x.jsonl" in cleaned.problems[0]
        assert "nothing is removed" in cleaned.problems[0]

    def test_links_lead_nowhere(self, store: LocalStore, folder: Path, tmp_path: Path) -> None:
        save(store)
        store.forget(["a"])
        age_objects(folder)
        outside = tmp_path / "outside"
        (folder / "objects").rename(outside)
        (folder / "objects").symlink_to(outside)
        assert store.space.clean(grace=NOW).objects == 0
        (folder / "objects").unlink()
        outside.rename(folder / "objects")
        (folder / "trash").rmdir()
        outside.mkdir()
        (outside / "mine").write_text("mine")
        (folder / "trash").symlink_to(outside)
        assert "symbolic link" in store.space.clean(grace=NOW).problems[0]
        assert [path.name for path in outside.iterdir()] == ["mine"]

    def test_leftovers_of_the_dead_go(self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        save(store)
        (shard,) = (folder / "objects").iterdir()
        (folder / "quarantine").mkdir()
        (folder / "quarantine" / "x").write_text("")
        for place in (folder, folder / "journal", shard):
            for name in (".tmp-old", ".tmp-new"):
                (place / name).write_text("")
            age(place / ".tmp-old")
        assert store.space.clean().leftovers == 3
        assert {path.name for path in folder.rglob(".tmp-*")} == {".tmp-new"}
        monkeypatch.setattr(sweep, "QUARANTINED", -1.0)
        assert store.space.clean(grace=NOW).leftovers == 4
        assert not list((folder / "quarantine").iterdir())


def raising(error: Exception) -> Callable[..., None]:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise error

    return fails


def before(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object], saving: bool = False) -> None:
    """Have something happen once, just before the `step`th call of what a clean-up (or a save) does to files."""
    counter = itertools.count()

    def hook(original: Callable[..., Any]) -> Callable[..., Any]:
        def hooked(*args: Any, **kwargs: Any) -> Any:
            if next(counter) == step:
                action()
            return original(*args, **kwargs)

        return hooked

    if saving:
        for name in ("open", "write", "replace", "lstat", "utime", "close"):
            monkeypatch.setattr(os, name, hook(getattr(os, name)))
    else:
        for owner, name in ((cleanup.Cleanup, "_needed"), (sweep.Sweeper, "_to_trash"), (sweep.Sweeper, "_back")):
            monkeypatch.setattr(owner, name, hook(getattr(owner, name)))
        for owner, name in ((sweep, "_remove"), (sweep, "take_back"), (compaction.Compactor, "_read")):
            monkeypatch.setattr(owner, name, hook(getattr(owner, name)))


def refuse_to_open(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refusing(path: Path) -> int:
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return open_plain(path)

    monkeypatch.setattr("milepost.checkpoint.reader.open_plain", refusing)
    monkeypatch.setattr("milepost.checkpoint.compaction.open_plain", refusing)


class TestMerging:
    @staticmethod
    def sessions(folder: Path, count: int = 3) -> list[LocalStore]:
        """Sessions that each have saved `a` and a task of their own; the journals of all are old."""
        stores = [LocalStore(folder, MINE) for _ in range(count)]
        for number, store in enumerate(stores):
            save(store, "a", key=str(number))
            save(store, f"own{number}")
        return stores

    @staticmethod
    def facts(folder: Path) -> dict[str, list[tuple[str, bool]]]:
        """What a new session sees: the versions of each task, and whether they are durable."""
        store = LocalStore(folder, MINE)
        return {r.task: [(v.key, v.durable) for v in store.history(r.task)] for r in store.records()}

    def test_journals_become_one_that_says_the_same(self, folder: Path) -> None:
        self.sessions(folder)
        facts = self.facts(folder)
        assert all(durable for versions in facts.values() for _, durable in versions)
        assert LocalStore(folder, MINE).space.clean(grace=NOW).journals == 3
        assert self.facts(folder) == facts
        assert len(journals(folder)) == 1
        assert LocalStore(folder, MINE).space.clean(grace=NOW).journals == 0

    def test_a_line_that_lacks_only_its_end_spoils_no_other(self, folder: Path) -> None:
        self.sessions(folder)
        torn = folder / "journal" / journals(folder)[0]
        torn.write_bytes(b"\n".join(torn.read_bytes().splitlines()[:2]))
        facts = self.facts(folder)
        assert LocalStore(folder, MINE).space.clean(grace=NOW).journals == 3
        assert {task: [key for key, _ in versions] for task, versions in self.facts(folder).items()} == {
            task: [key for key, _ in versions] for task, versions in facts.items()
        }
        assert LocalStore(folder, MINE).problems() == []

    def test_a_session_that_goes_on_is_seen(self, folder: Path) -> None:
        first, *_ = self.sessions(folder)
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert len(first.records()) == 4
        save(first, "later")
        assert "later" in self.facts(folder)
        assert len(first.records()) == 5

    def test_what_is_in_use_stays(self, folder: Path) -> None:
        self.sessions(folder)
        before = journals(folder)
        assert LocalStore(folder, MINE).space.clean().journals == 0
        assert journals(folder) == before

    def test_an_old_journal_is_first_put_aside(self, folder: Path) -> None:
        """Whoever looked it up before has then long written to it, or noticed."""
        self.sessions(folder, 1)
        (path,) = (folder / "journal").iterdir()
        age(path)
        facts = self.facts(folder)
        for _ in range(2):
            assert LocalStore(folder, MINE).space.clean().journals == 0
            (name,) = journals(folder)
            assert name.startswith(path.stem)
            assert name.endswith(".old.jsonl")
        assert self.facts(folder) == facts

    def test_what_counts_no_more_is_gone(self, folder: Path) -> None:
        first, second, _ = self.sessions(folder)
        second.forget(["own0"])
        first.space.clean(keep=1)
        facts = self.facts(folder)
        for _ in range(2):  # the lines that take others away go after these
            first.space.clean(grace=NOW)
        assert self.facts(folder) == facts == {"own1": [("k", True)], "a": [("2", True)], "own2": [("k", True)]}
        (path,) = (folder / "journal").iterdir()
        assert len(path.read_bytes().splitlines()) == 4

    @pytest.mark.parametrize("how", ["forget", "drop"])
    def test_what_counts_no_more_stays_away_while_its_line_is_elsewhere(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        """The line that takes it away is in an old journal, its own in one that still grows."""
        first, second = self.sessions(folder, 2)
        (young,) = (name for name in journals(folder) if "own0" in (folder / "journal" / name).read_text())
        second.forget(["own0"]) if how == "forget" else second.space.clean(keep=1)
        facts = self.facts(folder)
        was_left = compaction.Compactor._was_left
        monkeypatch.setattr(compaction.Compactor, "_was_left", lambda self, path: path.name != young)
        for _ in range(2):
            LocalStore(folder, MINE).space.clean(grace=NOW)
            assert young in journals(folder)
            assert self.facts(folder) == facts
        monkeypatch.setattr(compaction.Compactor, "_was_left", was_left)
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert self.facts(folder) == facts
        assert first.records() == LocalStore(folder, MINE).records()

    @pytest.mark.parametrize("how", ["forget", "drop"])
    def test_what_counts_no_more_stays_away_whichever_old_journals_are_left(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
    ) -> None:
        """A kill or a power loss may leave any of them, and so does one that has grown."""
        self.sessions(folder)
        other = LocalStore(folder, MINE)
        other.forget(["own0", "a"]) if how == "forget" else other.space.clean(keep=1)
        other.flush()
        facts, write, old = self.facts(folder), compaction.write_file, dict[str, bytes]()

        def remembering(path: Path, *args: Any, **options: Any) -> None:
            old.update({name: (path.parent / name).read_bytes() for name in journals(folder)})
            write(path, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(compaction, "write_file", remembering)
            LocalStore(folder, MINE).space.clean(grace=NOW)
        assert len(old) == 4
        (new,) = journals(folder)
        merged = (folder / "journal" / new).read_bytes()
        for left in itertools.chain.from_iterable(itertools.combinations(old, count) for count in range(5)):
            self.lay_out(folder, {new: merged} | {name: old[name] for name in left})
            for _ in range(3):
                assert self.facts(folder) == facts, left
                LocalStore(folder, MINE).space.clean(grace=NOW)
            (path,) = (folder / "journal").iterdir()
            assert not re.search(b'"(dropped|forgotten)":', path.read_bytes())

    def test_the_last_line_that_forgets_goes_after_the_disk_knows_what_went_before(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Power loss must not bring back a journal that an earlier merge removed."""
        save(LocalStore(folder, MINE))
        LocalStore(folder, MINE).forget(["a"])
        LocalStore(folder, MINE).space.clean(grace=NOW)
        there, synced = journals(folder), list[tuple[Path, list[str]]]()
        monkeypatch.setattr(compaction, "sync", lambda path: synced.append((path, journals(folder))))
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert synced == [(folder / "journal", there)]
        assert journals(folder) == []

    @staticmethod
    def lay_out(folder: Path, files: dict[str, bytes]) -> None:
        """Have these journals and no others."""
        for place in ("journal", "sessions"):
            for path in (folder / place).iterdir():
                path.unlink()
        for name, lines in files.items():
            (folder / "journal" / name).write_bytes(lines)

    def test_a_clean_up_that_others_overtook_brings_nothing_back(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has read the journals; then a task is forgotten, and they are merged until nothing says so any more."""
        first, *_ = self.sessions(folder)
        write = compaction.write_file

        def late(*args: Any, **options: Any) -> None:
            monkeypatch.setattr(compaction, "write_file", write)
            first.forget(["own1"])
            for _ in range(2):
                LocalStore(folder, MINE).space.clean(grace=NOW)
            write(*args, **options)

        monkeypatch.setattr(compaction, "write_file", late)
        assert LocalStore(folder, MINE).space.clean(grace=NOW).journals == 0
        assert set(self.facts(folder)) == {"a", "own0", "own2"}
        assert verify(folder, LocalStore(folder, MINE)).problems == ()

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_line_written_to_a_journal_that_goes_is_not_lost(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str
    ) -> None:
        """The clean-up comes between the opening of the journal and the look at its name."""
        save(store)
        write, other = os.write, LocalStore(folder, MINE)

        def hooked(descriptor: int, line: bytes) -> int:
            monkeypatch.setattr(atomic.os, "write", write)
            if moment == "before":
                other.space.clean(grace=NOW)
            count = write(descriptor, line)
            if moment == "after":
                other.space.clean(grace=NOW)
            return count

        monkeypatch.setattr(atomic.os, "write", hooked)
        store.write(record=Record(task="late", key="k"))
        other.space.clean(grace=NOW)
        assert set(self.facts(folder)) == {"a", "late"}
        assert store.records() == LocalStore(folder, MINE).records()

    def test_a_journal_that_is_put_aside_and_goes_on_is_not_missed(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the listing of the journals and their reading."""
        save(store)
        known, opened, orders = LocalStore(folder, MINE), reader.open_plain, [True]
        known.records()
        save(store, "b")

        def late(path: Path) -> int:
            if path.suffix == ".jsonl" and orders:
                orders.clear()
                compaction.Compactor(store.layout, MINE, time.time() + 60)._put_aside()
                store.write(record=Record(task="c" * 2_000, key="k"))
            return opened(path)

        monkeypatch.setattr(reader, "open_plain", late)
        for one in (known, LocalStore(folder, MINE)):
            orders[:] = [True]
            assert {record.task[0] for record in one.records()} == {"a", "b", "c"}
            assert not orders
            assert one.problems() == []

    @pytest.mark.parametrize("step", range(12))
    def test_a_clean_up_that_is_killed_loses_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int
    ) -> None:
        first, second, _ = self.sessions(folder)
        first.forget(["own1"])
        second.space.clean(keep=2)
        facts = self.facts(folder)
        counter = itertools.count()

        def killing(original: Callable[..., Any]) -> Callable[..., Any]:
            def killed(*args: Any, **kwargs: Any) -> Any:
                if next(counter) == step:
                    raise Interrupted
                return original(*args, **kwargs)

            return killed

        with monkeypatch.context() as patch:
            for name in ("rename", "replace", "unlink", "write"):
                patch.setattr(os, name, killing(getattr(os, name)))
            with pytest.raises(Interrupted):
                LocalStore(folder, MINE).space.clean(grace=NOW)
        assert self.facts(folder) == facts
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert self.facts(folder) == facts
        assert len(journals(folder)) == 1
        assert verify(folder, LocalStore(folder, MINE)).problems == ()

    @pytest.mark.parametrize("step", range(7))
    def test_two_clean_ups_at_once_lose_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        first, second, _ = self.sessions(folder)
        first.forget(["own1"])
        facts = self.facts(folder)
        before(monkeypatch, step, lambda: second.space.clean(grace=NOW))
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert self.facts(folder) == facts
        assert verify(folder, first).problems == ()

    def test_a_journal_that_grows_while_it_is_merged_stays(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its session has opened it before it was put aside, and writes its line only now."""
        self.sessions(folder)
        late = encode(Entry("2030-01-01", 1, Record(task="late", key="k", saved_at="2030-01-01")), MINE)
        write = compaction.write_file

        def growing(path: Path, *args: Any, **options: Any) -> None:
            write(path, *args, **options)
            with (folder / "journal" / next(name for name in journals(folder) if name != path.name)).open("ab") as file:
                file.write(late)

        monkeypatch.setattr(compaction, "write_file", growing)
        assert LocalStore(folder, MINE).space.clean(grace=NOW).journals == 2
        assert set(self.facts(folder)) == {"a", "own0", "own1", "own2", "late"}

    def test_strangers_and_newer_lines_stay(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sessions(folder)
        stranger = LocalStore(folder, STRANGER)
        for number in range(8):
            save(stranger, "theirs", key=str(number))
        facts = self.facts(folder)
        theirs = LocalStore(folder, STRANGER).history("theirs")
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert self.facts(folder) == facts
        assert LocalStore(folder, STRANGER).history("theirs") == theirs
        (folder / "journal" / "newer.jsonl").write_bytes(b"mp2 something\n")
        LocalStore(folder, MINE).space.clean(grace=NOW)
        assert b"mp2 something\n" in b"".join(path.read_bytes() for path in (folder / "journal").iterdir())

    def test_strangers_are_bounded(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader, "OF_OTHERS", 4_500)
        self.sessions(folder)
        stranger = LocalStore(folder, STRANGER)
        for number in range(30):
            save(stranger, f"t{number}")
        mine = {task for task in self.facts(folder) if not task.startswith("t")}
        LocalStore(folder, MINE).space.clean(grace=NOW)
        kept = self.facts(folder).keys() - mine
        assert mine <= self.facts(folder).keys()
        assert kept == {"t29", "t28"}

    def test_who_writes_much_into_the_store_of_others_does_not_stop_its_clean_up(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """More short lines than are listed: they are merged to as many, and then what nothing needs is freed."""
        monkeypatch.setattr(reader, "OF_OTHERS", 100_000)
        (mine,) = self.sessions(folder, 1)
        mine.forget(["own0"])
        self.flood(folder, 300, 10)
        first, second = (LocalStore(folder, MINE).space.clean(grace=NOW) for _ in range(2))
        assert "more of others" in first.problems[0]
        assert second.problems == ()
        assert second.objects == 1
        assert 50 < len(self.facts(folder)) < 200

    def test_memory_is_bounded_whatever_others_wrote(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader, "OF_OTHERS", 100_000)
        (mine,) = self.sessions(folder, 1)
        self.flood(folder, 500, 10_000)
        tracemalloc.start()
        try:
            assert compaction.compact(mine.layout, lambda: MINE, time.time() + 60) == 2
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()

    @staticmethod
    def flood(folder: Path, count: int, nbytes: int) -> None:
        """A journal of so many lines of a stranger's, each with so many bytes of code."""
        records = (Record(task=f"t{number}", key="k", code="x" * nbytes) for number in range(count))
        lines = [encode(Entry(f"2026-{number:05}", 0, record), STRANGER) for number, record in enumerate(records)]
        (folder / "journal" / "flood.jsonl").write_bytes(b"".join(lines))

    def test_a_line_of_others_that_is_not_looked_at_is_not_lost(self, folder: Path) -> None:
        """Nor what it needs: who can read it finds it, and cleans up."""
        theirs = LocalStore(folder, STRANGER)
        save(theirs, "theirs", code="x" * 1_200_000)
        self.sessions(folder)
        for _ in range(2):
            cleaned = LocalStore(folder, MINE).space.clean(grace=NOW)
            assert "nothing is removed" in cleaned.problems[0]
        assert opened(LocalStore(folder, STRANGER), "theirs")
        assert not (folder / "quarantine").exists()
        assert LocalStore(folder, STRANGER).space.clean(grace=NOW).problems == ()
        assert opened(LocalStore(folder, STRANGER), "theirs")

    def test_a_damaged_journal_is_put_into_quarantine(self, folder: Path) -> None:
        self.sessions(folder)
        path = folder / "journal" / journals(folder)[0]
        path.write_bytes(b"junk\n" + path.read_bytes())
        facts = self.facts(folder)
        store = LocalStore(folder, MINE)
        store.space.clean(grace=NOW)
        assert self.facts(folder) == facts
        (item,) = (folder / "quarantine").iterdir()
        assert item.name.startswith(path.stem)
        report = verify(folder, store)
        assert (report.problems, report.quarantine) == ((), (item.name,))

    def test_a_long_journal_is_continued_in_another(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("milepost.checkpoint.local.LONGEST_JOURNAL", 3_000)
        for number in range(10):
            save(store, f"t{number}")
        assert 2 < len(journals(folder)) < 10
        assert len(LocalStore(folder, MINE).records()) == 10

    def test_the_size_limit_and_what_was_evicted_stay_known(self, store: LocalStore, folder: Path) -> None:
        save(store)
        store.space.limit = 5_000
        store.space.clean()
        for _ in range(2):
            store.write(forgotten=("x",))
            LocalStore(folder, MINE).space.clean(grace=NOW)
            new = LocalStore(folder, MINE)
            assert (new.space.limit, new.view().known(["a"])) == (5_000, [])
            assert new.view().evicted("a")


class TestEvicting:
    @staticmethod
    def versions(*facts: tuple[str, float, dict[str, int]]) -> list[Version]:
        """Versions by task, seconds and objects (with sizes), the oldest first; a stranger's tasks are capital."""
        return [
            Version(
                Entry(
                    f"2026-01-01T{number:02}",
                    1,
                    Record(
                        task=task,
                        key=str(number),
                        seconds=seconds,
                        blobs={"values": BlobRef(buffers=tuple(sized), buffer_bytes=tuple(sized.values()), inline="")},
                    ),
                    sum=f"{task}{number}",
                    trusted=task.islower(),
                )
            )
            for number, (task, seconds, sized) in enumerate(facts)
        ]

    @staticmethod
    def chosen(versions: Iterable[Version], limit: int) -> list[str]:
        versions = list(versions)
        return [version.sum for version in to_evict(versions, limit)]

    def test_what_saves_least_for_its_bytes_goes_first(self) -> None:
        versions = self.versions(
            ("slow", 900.0, {"1": 100_000}), ("quick", 1.0, {"2": 100_000}), ("small", 1.0, {"3": 1000})
        )
        total = 201_000 + 3 * LINE_BYTES
        assert needed_bytes(versions) == total
        assert self.chosen(versions, total) == []
        assert self.chosen(versions, total - 1) == ["quick1"]
        assert self.chosen(versions, 110_000) == ["quick1"]
        assert self.chosen(versions, 100_000) == ["quick1", "small2", "slow0"]

    def test_the_newest_version_goes_last(self) -> None:
        versions = self.versions(("a", 900.0, {"1": 1000}), ("a", 1.0, {"2": 1000}), ("b", 10.0, {"3": 1000}))
        assert self.chosen(versions, 0) == ["b2", "a0", "a1"]

    def test_what_is_shared_frees_nothing(self) -> None:
        versions = self.versions(
            ("a", 1.0, {"x": 100_000}), ("b", 2.0, {"x": 100_000}), ("c", 5.0, {"z": 10_000}), ("d", 90.0, {"w": 9})
        )
        assert self.chosen(versions, 100_000) == ["c2", "a0", "b1"]

    def test_strangers_stay_and_cost_nothing(self) -> None:
        versions = self.versions(("A", 0.0, {"x": 1 << 60, "y": 9}), ("b", 1.0, {"y": 9_000}), ("c", 2.0, {"z": 9_000}))
        assert needed_bytes(versions) == 9_000 + 2 * LINE_BYTES
        assert self.chosen(versions, 0) == ["c2", "b1"]

    def test_against_the_plain_way(self) -> None:
        """The same choice as by reckoning everything anew after each step."""
        rng = random.Random(4)
        for _ in range(60):
            facts = [
                (rng.choice("abcdE"), rng.choice([0.0, 1.0, 5.0, 60.0]), {rng.choice("12345"): 1000 for _ in range(2)})
                for _ in range(12)
            ]
            versions, limit = self.versions(*facts), rng.randrange(20_000)
            for line in self.chosen(versions, limit):
                assert needed_bytes(versions) > limit
                assert line in least(versions)
                versions = [version for version in versions if version.sum != line]
            assert needed_bytes(versions) <= limit or not least(versions)

    def test_a_save_beyond_the_limit_makes_room(self, store: LocalStore, folder: Path) -> None:
        troubles: list[Trouble] = []
        store.on_trouble(troubles.append)
        store.space.limit = 100_000
        for number in range(12):
            save(store, f"t{number}", seconds=float(number + 1))
        assert {record.task for record in store.records()} >= {"t10", "t11"}
        assert sum((folder / "objects" / name[:2] / name).stat().st_size for name in objects(folder)) <= 100_000
        gone = [trouble.record.task for trouble in troubles]
        assert gone == [f"t{number}" for number in range(len(gone))]
        assert gone
        assert "had to make room" in troubles[0].text
        assert "100 kB" in troubles[0].text
        assert store.view().evicted("t0")
        assert not store.view().evicted("t11")

    def test_another_session_keeps_the_limit_too(self, store: LocalStore, folder: Path) -> None:
        store.space.limit = 50_000
        other = LocalStore(folder, MINE)
        for number in range(10):
            save(other if number % 2 else store, f"t{number}", seconds=float(number + 1))
        assert needed_bytes(store.view().versions()) <= 60_000

    def test_what_other_sessions_saved_meanwhile_is_counted(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A session that has counted once, and has room left by that."""
        store.space.limit = 60_000
        save(store, "first", seconds=100.0)
        other = LocalStore(folder, MINE)
        for number in range(4):
            save(other, f"t{number}", seconds=float(number + 1))
        save(store, "second", seconds=100.0)
        assert needed_bytes(store.view().versions()) > 60_000  # it looks again only after a while
        monkeypatch.setattr(space, "LOOK_AGAIN", 0.0)
        save(store, "third", seconds=100.0)
        assert needed_bytes(store.view().versions()) <= 60_000
        assert {"first", "second", "third"} <= {record.task for record in store.records()}

    def test_what_is_worth_the_least_is_not_saved_and_says_so(self, store: LocalStore, folder: Path) -> None:
        for number in range(4):
            save(store, f"t{number}", seconds=100.0)
        store.space.limit = 50_000
        with pytest.raises(StoreLimitError, match=r"'quick' has 10 kB, .* may take 50 kB .*all else in it saves more"):
            save(store, "quick", seconds=0.1)
        assert {record.task for record in store.records()} == {"t0", "t1", "t2", "t3"}
        assert objects(folder) == addresses(*(f"t{number} k" for number in range(4)))

    @pytest.mark.parametrize("hindrance", ["newer line", "missing journal", "broken disk", "bug"])
    def test_a_save_stands_whatever_hinders_the_clean_up(
        self, store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, hindrance: str
    ) -> None:
        store.space.limit = 35_000
        for number in range(3):
            save(store, f"t{number}", seconds=float(number + 1))
        troubles: list[Trouble] = []
        store.on_trouble(troubles.append)
        if hindrance == "newer line":
            (folder / "journal" / "x.jsonl").write_bytes(b"mp2 something\n")
        elif hindrance == "missing journal":
            (folder / "sessions" / "20200101T000000Z-1-aa").write_bytes(b"")
        else:
            error = OSError(5, "Input/output error") if hindrance == "broken disk" else RuntimeError("changed size")
            monkeypatch.setattr(sweep.Sweeper, "sweep", raising(error))
        assert save(store, "new", seconds=99.0).task == "new"
        left = {record.task for record in LocalStore(folder, MINE).records()}
        assert "new" in left
        assert {"t0", "t1", "t2"} - left == {trouble.record.task for trouble in troubles}

    def test_what_is_worth_the_least_says_so_even_where_it_could_not_be_freed(
        self, store: LocalStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.space.limit = 15_000
        save(store, "old", seconds=100.0)
        monkeypatch.setattr(sweep.Sweeper, "sweep", raising(OSError(5, "Input/output error")))
        with pytest.raises(StoreLimitError, match="'quick'"):
            save(store, "quick", seconds=0.1)
        assert [record.task for record in store.records()] == ["old"]

    def test_no_other_thread_adds_to_what_is_counted(self, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
        store.space.limit = 1 << 30
        free: list[bool] = []

        def counting(versions: Iterable[Version]) -> int:
            thread = threading.Thread(target=lambda: free.append(store._lock.acquire(blocking=False)))
            thread.start()
            thread.join()
            return needed_bytes(versions)

        monkeypatch.setattr("milepost.checkpoint.space.needed_bytes", counting)
        save(store)
        assert free == [False]

    def test_what_is_too_large_is_not_even_written(self, store: LocalStore, folder: Path) -> None:
        store.space.limit = 9_000
        with pytest.raises(StoreLimitError, match=r"'a' has 10 kB, and .* may take 9.0 kB .*size-limit"):
            save(store)
        assert objects(folder) == set()
        store.space.limit = None
        save(store)


class TestByItself:
    @pytest.fixture
    def cleaned(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        calls: list[str] = []
        monkeypatch.setattr("milepost.checkpoint.space.Space.clean", lambda self, **_: calls.append("cleaned"))
        return calls

    def test_an_old_store_is_cleaned_up_at_the_first_save(
        self, store: LocalStore, folder: Path, cleaned: list[str]
    ) -> None:
        save(store)
        age(folder / "format", 30 * HOUR)
        for _ in range(2):
            other = LocalStore(folder, MINE)
            other.records()
            save(other)
            save(other)
            other.space.settle()
        assert cleaned == ["cleaned"] * 2
        (folder / "cleaned").write_bytes(b"")
        save(other := LocalStore(folder, MINE))
        other.space.settle()
        assert cleaned == ["cleaned"] * 2

    def test_who_writes_much_cleans_up(
        self, store: LocalStore, cleaned: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("milepost.checkpoint.space.WRITTEN", 25_000)
        for number in range(7):
            save(store, key=str(number))
            store.space.settle()
        assert cleaned == ["cleaned"] * 2

    def test_it_cleans_up_and_remembers(self, store: LocalStore, folder: Path) -> None:
        for number in range(7):
            save(store, key=str(number))
        age(folder / "format", 30 * HOUR)
        other = LocalStore(folder, MINE)
        save(other, "b")
        other.space.settle()
        assert len(objects(folder)) == 6
        assert (folder / "cleaned").exists()


def test_sizes_tell_own_from_shared(store: LocalStore) -> None:
    save(store, "a", "x", "y")
    save(store, "a", "x", "z", key="new")
    save(store, "b", "z")
    assert sizes(store.versions()) == {"a": Size(20_012, 10_000), "b": Size(6, 10_000)}


def least(left: list[Version]) -> set[str]:
    """Those of the oldest versions of each task that save the least for their bytes."""
    oldest: dict[str, Version] = {}
    for version in left:
        if version.trusted:
            oldest.setdefault(version.task, version)
    worth = {version.sum: version.record.seconds / freed(version, left) for version in oldest.values()}
    return {line for line, value in worth.items() if value == min(worth.values())}


def freed(version: Version, left: list[Version]) -> int:
    others = [name for other in left if other is not version for name in other.record.blobs["values"].buffers]
    return LINE_BYTES + sum(n for name, n in version.record.blobs["values"].objects.items() if name not in others)


@pytest.mark.parametrize("what", ["put aside", "merged"])
def test_what_a_clean_up_moves_before_it_is_synced_becomes_durable(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The journal has another name, or is merged, when it is about to be synced."""
    sync, synced, other = durability.sync, set[int](), LocalStore(folder, MINE)
    steps: list[Callable[[], object]] = [
        (lambda: compaction.Compactor(store.layout, MINE, time.time() + 60)._put_aside())
        if what == "put aside"
        else (lambda: other.space.clean(grace=NOW))
    ]

    def late(path: Path) -> int:
        if path == folder and steps:
            steps.pop()()
        found = sync(path)
        synced.add(path.stat().st_ino)
        return found

    monkeypatch.setattr(durability, "sync", late)
    save(store)
    assert store.flush()
    assert not steps
    holding = [path for path in (folder / "journal").iterdir() if b'"record"' in path.read_bytes()]
    assert [path.name[-10:] for path in holding] == [".old.jsonl"]
    assert what == "merged" or holding[0].stat().st_ino in synced
    assert [record.durable for record in LocalStore(folder, MINE).history("a")] == [True]
