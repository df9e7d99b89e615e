"""A disk without room: a small one of its own is mounted, and filled to the last page."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.checkpoint.small_disk import MEBIBYTE, fill, small_disk

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.verify import verify
from milepost.model.errors import StoreUnwritableError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

MINE = Signer(b"m" * 32)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def store(disk: Path) -> LocalStore:
    return LocalStore(disk / "book.milepost", MINE)


def save(store: LocalStore, task: str, key: str = "k", nbytes: int = 300_000, **facts: float) -> Record:
    data = random.Random(task + key).randbytes(nbytes)
    return store.save(Record(task=task, key=key, **facts), {"values": Blob(b"", (data,))})  # type: ignore[arg-type]


def save_all(store: LocalStore, task: str = "") -> list[str]:
    """Save until nothing more goes in; the keys, or else the tasks, that did."""
    done: list[str] = []
    while saved(store, task or str(len(done)), str(len(done))):
        done.append(str(len(done)))
    assert done
    return done


def saved(store: LocalStore, task: str, key: str) -> bool:
    try:
        save(store, task, key)
    except StoreUnwritableError as error:
        message = str(error)
    else:
        return True
    assert "No space left" in message
    assert "what was saved before is unharmed" in message
    return False


def test_what_was_saved_before_stays_good(store: LocalStore, disk: Path) -> None:
    done = save_all(store)
    fill(disk)
    with pytest.raises(StoreUnwritableError):
        save(store, "0", "new")
    assert not list(disk.rglob(".tmp-*"))
    again = LocalStore(store.path, MINE)
    assert [record.task for record in again.records()] == done
    assert [record.key for record in again.history("0")] == ["0"]
    report = verify(store.path, again)
    assert [problem.text for problem in report.problems if problem.tasks] == []
    assert all(again.open(record, "values").buffers for record in again.records())


def test_a_clean_up_makes_room(store: LocalStore, disk: Path) -> None:
    save_all(store, "a")
    fill(disk)
    cleaned = LocalStore(store.path, MINE).space.clean(keep=1)
    assert cleaned.problems == ()
    assert cleaned.objects >= 4
    save(store, "b")
    assert [record.task for record in LocalStore(store.path, MINE).records()] == ["a", "b"]


def test_objects_make_room_for_the_line_that_drops_them(
    store: LocalStore, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room for a single line."""
    save_all(store, "a")
    fill(disk)
    write = LocalStore.write

    def without_slack(self: LocalStore, **facts: object) -> None:
        if not os.statvfs(disk).f_bavail:
            raise StoreUnwritableError("no page is left") from OSError(errno.ENOSPC, "full")
        write(self, **facts)

    monkeypatch.setattr(LocalStore, "write", without_slack)
    assert LocalStore(store.path, MINE).space.clean(keep=1).problems == ()
    again = LocalStore(store.path, MINE)
    assert len(again.history("a")) == 1
    assert verify(store.path, again).problems == ()


def test_a_size_limit_is_kept_to_on_a_full_disk(store: LocalStore, disk: Path) -> None:
    tasks = save_all(store)
    fill(disk)
    cleaned = LocalStore(store.path, MINE).space.clean(limit=MEBIBYTE)
    assert cleaned.problems == ()
    assert len(cleaned.evicted) == len(tasks) - len(store.records()) > 3
    save(store, "new")
    assert verify(store.path, store).problems == ()


def test_the_trash_of_a_clean_up_needs_no_room(store: LocalStore, disk: Path) -> None:
    saved = save_all(store)
    store.forget(saved[:4])
    for path in (store.path / "objects").rglob("*"):
        os.utime(path, (0, 0))
    fill(disk)
    cleaned = LocalStore(store.path, MINE).space.clean()
    assert (cleaned.objects, cleaned.problems) == (4, ())
