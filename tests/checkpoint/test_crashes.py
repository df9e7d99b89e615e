"""A crash at any point of what the store does loses nothing that was reported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint import atomic
from milepost.checkpoint.local import LocalStore
from milepost.model.trust import Signer
from milepost.ports import Store
from milepost.testing.crash import CrashContract
from milepost.testing.states import Notes

MINE = Signer(b"m" * 32)


class TestLocalStore(CrashContract):
    def make_store(self, top: Path) -> LocalStore:
        return LocalStore(top / "book.milepost", MINE, durable=True)

    def settle(self, store: Store) -> bool:
        return True


class TestTheHarness(CrashContract):
    """It finds what is wrong with stores that are wrong."""

    test_every_crash_is_survived = None  # type: ignore[assignment]
    durable = True
    settle = TestLocalStore.settle  # type: ignore[assignment]

    def make_store(self, top: Path) -> LocalStore:
        return LocalStore(top / "book.milepost", MINE, durable=self.durable)

    def test_nothing_synced(self, tmp_path: Path) -> None:
        self.durable = False
        self.expect("cannot be opened|missing", self.scenario_small, tmp_path)

    def test_no_folder_synced(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(atomic, "sync_folder", lambda path: None)
        self.expect("cannot be opened|missing", self.scenario_small, tmp_path)

    def test_objects_come_after_the_report(self, tmp_path: Path) -> None:
        def late(store: Any) -> bool:
            for path in (store.path / "objects").glob("*/*"):
                data = path.read_bytes()
                path.unlink()
                atomic.write_file(path, data, durable=True)
            return True

        self.settle = late  # type: ignore[assignment,method-assign]
        self.expect("cannot be opened: .*it is missing", self.scenario_large, tmp_path)

    def test_written_in_place(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: Any) -> None:
            self.scenario_large(notes, store)
            journal = next((store.path / "journal").iterdir())
            lines = journal.read_bytes()
            descriptor = os.open(journal, os.O_WRONLY | os.O_TRUNC)
            os.write(descriptor, lines)
            os.close(descriptor)

        self.expect("of .a. is missing", scenario, tmp_path)

    def test_what_goes_past_os_is_told(self, tmp_path: Path) -> None:
        def scenario(notes: Notes, store: Any) -> None:
            self.scenario_small(notes, store)
            (store.path / "extra").write_bytes(b"x")

        self.expect("not recorded: .*extra", scenario, tmp_path)

    def expect(self, words: str, scenario: Any, folder: Path) -> None:
        with pytest.raises(AssertionError, match=words):
            self.crash(scenario, folder)
