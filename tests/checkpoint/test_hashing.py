"""Hashing in a process that was forked from one that has hashed."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from milepost.analysis.digest import digest
from milepost.checkpoint.local import LocalStore
from milepost.hashing import LARGE, hexdigest, large_hasher
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

DATA = bytes(2 * LARGE)
CONTEXT = multiprocessing.get_context("fork")


def fed() -> None:
    hasher = large_hasher()
    hasher.update(DATA)
    hasher.hexdigest()


@pytest.mark.parametrize("work", [lambda: hexdigest(DATA), fed, lambda: digest(bytearray(DATA), {})])
def test_nothing_waits_for_threads_that_are_not_there(work: object) -> None:
    hexdigest(DATA)  # starts the threads
    ends(CONTEXT.Process(target=work))


def test_a_large_result_is_saved_in_a_fork(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "s", Signer(bytes(32)))
    store.save(Record(task="a", key="k"), {"values": Blob(b"", (DATA,))})
    other = bytes([1]) * len(DATA)
    ends(CONTEXT.Process(target=lambda: store.save(Record(task="b", key="k"), {"values": Blob(b"", (other,))})))
    assert {record.task for record in store.records()} == {"a", "b"}


def ends(process: multiprocessing.process.BaseProcess) -> None:
    process.start()
    process.join(30)
    still = process.is_alive()
    process.kill()
    process.join()
    assert not still, "it hangs"
    assert process.exitcode == 0
