"""What was saved goes while a kernel runs: another process forgets it, or somebody deletes the store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.keys import signing_key
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

from milepost.checkpoint.local import LocalStore
from milepost.model.record import Record
from milepost.model.trust import Signer

pytestmark = pytest.mark.slow

CELL = "%%task first\nfirst = 1"


@pytest.fixture
def kernel(start: Start, tmp_path: Path) -> Kernel:
    """With two saved tasks."""
    made = start(MILEPOST_KEY_FILE=signing_key(tmp_path / "key"))
    made.run_ok(CELL)
    made.run_ok("%%task second\nsecond = first + 1")
    return made


def other(folder: Path) -> LocalStore:
    """Another process of the same user."""
    return LocalStore(folder / "nb.milepost", Signer.load(folder / "key"))


def saved(kernel: Kernel) -> dict[str, bool]:
    return {name: row["saved"] for name, row in kernel.status().items()}


def test_what_another_process_forgot_is_not_saved_any_more(kernel: Kernel, tmp_path: Path) -> None:
    assert saved(kernel) == {"first": True, "second": True}
    other(tmp_path).forget(["first"])
    row = kernel.status()["first"]
    assert (row["state"], row["saved"], row["durable"], row["bytes"]) == ("success", False, False, 0)
    assert (row["saved_at"], row["age"]) == (None, None)
    assert "not saved any more" in row["why"]["text"]
    assert "not saved any more" in kernel.run_ok("%tasks why first").stdout
    assert saved(kernel) == {"first": False, "second": True}


def test_an_older_version_is_saved_all_the_same(kernel: Kernel, tmp_path: Path) -> None:
    before = kernel.status()["first"]
    other(tmp_path).save(Record(task="first", key="another"), {})
    assert kernel.status()["first"]["saved_at"] == before["saved_at"]
    assert saved(kernel)["first"]


@pytest.mark.parametrize("left", ["nothing", "a file"])
def test_a_store_that_is_deleted_never_breaks_a_cell(kernel: Kernel, tmp_path: Path, left: str) -> None:
    store = tmp_path / "nb.milepost"
    shutil.rmtree(store)
    if left == "a file":
        store.write_text("in its place")
        reply = kernel.run_ok("%%task third\nthird = 3")
        assert any("not saved: " in stamp and "is a file" in stamp for stamp in reply.stamps)
        store.unlink()
    assert saved(kernel)["first"] is False
    assert kernel.value("first + second") == 3
    kernel.run_ok(CELL)
    assert (saved(kernel)["first"], saved(kernel)["second"]) == (True, False)
    assert [record.task for record in other(tmp_path).records()] == ["first"]
