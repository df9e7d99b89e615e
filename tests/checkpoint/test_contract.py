"""Every store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.memory import MemoryStore
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob
from milepost.testing.store import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self) -> MemoryStore:
        return MemoryStore()

    def test_what_is_dropped_takes_no_memory(self) -> None:
        store = self.make_store()
        for number in range(9):
            store.save(Record(task="a", key="k", keep=2), {"values": Blob(b"%d" % number, (b"shared",))})
        store.save(Record(task="b", key="k"), {"values": Blob(b"b", (b"shared",))})
        assert sorted(store._objects.values()) == [b"7", b"8", b"b", b"shared"]
        store.forget(["a"])
        assert sorted(store._objects.values()) == [b"b", b"shared"]
        store.forget(["b"])
        assert not store._objects


class TestLocalStore(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "book.milepost"

    def make_store(self) -> LocalStore:
        return LocalStore(self.folder, Signer(b"k" * 32))


class TestDurableLocalStore(TestLocalStore):
    def make_store(self) -> LocalStore:
        return LocalStore(self.folder, Signer(b"k" * 32), durable=True)


class TestReopenedLocalStore(TestLocalStore):
    """Each call goes to a store that was opened just now, as after a restart."""

    def make_store(self) -> LocalStore:
        folder = self.folder

        class Reopened(LocalStore):
            def __getattribute__(self, name: str) -> object:
                if name in ("records", "history", "open", "forget", "save", "flush", "problems"):
                    return getattr(LocalStore(folder, Signer(b"k" * 32)), name)
                return super().__getattribute__(name)

        return Reopened(folder, Signer(b"k" * 32))
