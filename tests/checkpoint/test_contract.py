"""Every store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.memory import MemoryStore
from milepost.model.trust import Signer
from milepost.testing.store import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self) -> MemoryStore:
        return MemoryStore()


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
