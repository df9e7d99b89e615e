"""Whatever becomes of the bytes of a store: no value is wrong, no other is lost, and every loss is told.

A few hundred damages are drawn here; MILEPOST_TEST_DAMAGES=20000 draws as many.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.errors import StoreError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Trouble

from .damage import Damager

pytestmark = pytest.mark.torture

MINE = Signer(b"m" * 32)
SERIALIZER = NotebookSerializer({"__name__": "__main__"})
COUNT = int(os.environ.get("MILEPOST_TEST_DAMAGES", "300"))
SHARED = np.arange(20_000.0)
NOISE = random.Random(0)


def value(number: int) -> Any:
    """Small, inline, large or shared, by turns."""
    kinds = (
        {"number": number},
        NOISE.randbytes(6000),
        SHARED + number,
        [SHARED, number],
        np.arange(3000) * number,
        {"text": f"{number} " * 1500, "more": (SHARED[:9000] - number)},
    )
    return kinds[number % len(kinds)]


VALUES = {f"task {number}": value(number) for number in range(30)}
OLDER = {name: [name, "older"] for name in list(VALUES)[::7]}


def save(store: LocalStore, name: str, key: str, saved: Any) -> None:
    store.save(Record(task=name, key=key), {"values": SERIALIZER.dump({"x": saved}).blob})


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty tasks, some with an older version, saved by three sessions; and one that was forgotten."""
    folder = tmp_path_factory.mktemp("whole") / "book.milepost"
    for turn in range(3):
        store = LocalStore(folder, MINE)
        for name in list(VALUES)[turn::3]:
            if name in OLDER:
                save(store, name, "older", OLDER[name])
            save(store, name, "newest", VALUES[name])
        save(store, "gone", "newest", turn)
        store.forget(["gone"])
        store.flush()
    return folder


@pytest.fixture(scope="module", autouse=True)
def rotting_disk() -> Iterator[None]:
    """The time of a file's change cannot be set back, as if a disk had rotted: here that of its last writing counts."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("objects", "durability"):
            name = f"milepost.checkpoint.{module}.file_of"
            patch.setattr(name, lambda address, found: f"{address}:{found.st_ino:x}:{found.st_mtime_ns:x}")
        yield


@pytest.fixture
def folder(pristine: Path) -> Path:
    """The very store, as a copy's files are others, of which all would be hashed before they are given back."""
    return pristine


def restored(store: LocalStore, rotten: bool = False) -> dict[str, str]:
    """What the store gives back of each task: the key of its newest version. What is wrong fails.

    Large buffers are given back at once where their file is as it was, and verified soon after: then what has `rotten`
    there is told, and not given back again.
    """
    troubles: list[Trouble] = []
    store.on_trouble(troubles.append)
    found, wrong = {}, {}
    for record in store.records():
        try:
            loaded = SERIALIZER.load(store.open(record, "values"))["x"]
        except StoreError:
            continue
        if record.task == "gone":
            continue
        expected = {"newest": VALUES, "older": OLDER}[record.key][record.task]
        (found if same(loaded, expected) else wrong)[record.task] = record
    store.settle()
    told = [trouble.record for trouble in troubles]
    for record in wrong.values():
        assert rotten, f"{record.task} is wrong"
        assert record.durable, f"{record.task} is wrong"
        assert record in told, f"{record.task} is wrong, and nothing says so"
        with pytest.raises(StoreError):
            store.open(record, "values")
    return {task: record.key for task, record in found.items()}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


def test_nothing_is_lost_of_a_whole_store(folder: Path) -> None:
    store = LocalStore(folder, MINE)
    assert restored(store) == dict.fromkeys(VALUES, "newest")
    assert store.problems() == []


@pytest.mark.parametrize("part", range(4))
def test_damage_costs_only_what_it_hits(folder: Path, part: int) -> None:
    draw = random.Random(part)
    damager = Damager(folder, draw)
    needs = Needs(folder)
    for _ in range(COUNT // 4):
        what = damager.hurt()
        try:
            lost = require_small_loss(folder, what, needs)
            if draw.random() < 0.1:
                require_healing(folder, lost)
        except Exception as error:
            raise AssertionError(f"after {what}: {type(error).__name__}: {error}") from error
        finally:
            damager.mend()


def require_small_loss(folder: Path, what: str, needs: Needs) -> set[str]:
    """Only what the damage hit is lost, and something says so."""
    store = LocalStore(folder, MINE)
    found = restored(store, what.startswith("rot"))
    lost = {name for name in VALUES if found.get(name) != "newest"}
    hit = needs.hit(folder)
    assert lost <= hit, f"{sorted(lost - hit)} are lost, and were not hit"
    if lost and not (_without_trace(what)):
        assert store.problems(), f"{sorted(lost)} are lost and nothing says so"
    return lost


def require_healing(folder: Path, lost: set[str]) -> None:
    """What was lost can be saved again, whatever lies in its way."""
    store = LocalStore(folder, MINE)
    for name in sorted(lost):
        save(store, name, "newest", VALUES[name])
    assert restored(LocalStore(folder, MINE)) == dict.fromkeys(VALUES, "newest")


class Needs:
    """What each task's newest version needs of a whole store: its line, and the files of its objects."""

    def __init__(self, folder: Path) -> None:
        self._lines = {}
        for line in lines_of(folder):
            saved = json.loads(line.split(b" ", 3)[3]).get("record")
            if saved and saved["key"] == "newest":
                self._lines[saved["task"]] = line
        self._objects = {
            item.task: {name for blob in item.blobs.values() for name in (blob.stream, *blob.buffers) if name}
            for item in LocalStore(folder, MINE).records()
        }
        self._whole = {path.name: path.read_bytes() for path in (folder / "objects").glob("*/*")}

    def hit(self, folder: Path) -> set[str]:
        """Tasks that miss something of it."""
        lines = lines_of(folder)
        broken = {name for name, data in self._whole.items() if _read(folder / "objects" / name[:2] / name) != data}
        return {name for name in VALUES if self._lines[name] not in lines or self._objects[name] & broken}


def lines_of(folder: Path) -> set[bytes]:
    whole = (path.read_bytes().split(b"\n")[:-1] for path in (folder / "journal").glob("*.jsonl"))
    return {line for lines in whole for line in lines}


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _without_trace(what: str) -> bool:
    """Whole lines that are gone, and nothing else, leave nothing that could tell."""
    return what.startswith(("delete_line", "truncate journal", "cut journal", "replace journal"))
