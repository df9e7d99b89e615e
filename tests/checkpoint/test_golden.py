"""Stores of each released format are read, with all values."""

from __future__ import annotations

import hmac
import json
import os
import zipfile
from pathlib import Path

import pytest
from blake3 import blake3

from milepost.checkpoint.layout import FORMAT_VERSION, marker
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.verify import verify
from milepost.model.errors import NewerFormatError, UntrustedError
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

from .golden import make

STORES = sorted(make.HERE.glob("format-*.zip"))


@pytest.fixture(params=STORES, ids=lambda path: path.stem)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(tmp_path / "book.milepost")
    return tmp_path / "book.milepost"


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def require_values(store: LocalStore) -> None:
    records = {record.task: record for record in store.records()}
    assert set(records) == {*make.VALUES, *make.BUFFERS, "theirs"}
    for task, value in make.VALUES.items():
        assert make.SERIALIZER.load(store.open(records[task], "values")) == {"value": value}
    for task, buffers in make.BUFFERS.items():
        blob = store.open(records[task], "values")
        assert (blob.stream, *map(bytes, blob.buffers)) == (task.encode(), *buffers)


def test_there_is_one_of_this_format() -> None:
    assert f"format-{FORMAT_VERSION}.zip" in {path.name for path in STORES}


def test_all_values_come_back_and_nothing_is_changed(folder: Path) -> None:
    before = everything(folder)
    store = LocalStore(folder, Signer(make.KEY))
    require_values(store)
    assert store.problems() == []
    assert verify(folder, store).problems == ()
    assert everything(folder) == before


def test_all_facts_come_back(folder: Path) -> None:
    store = LocalStore(folder, Signer(make.KEY))
    newest, theirs = store.history("small")
    assert {name: getattr(newest, name) for name in make.FACTS} == make.FACTS
    assert (newest.task, newest.key, newest.trusted, newest.durable) == ("small", "k", True, True)
    assert (theirs.task, theirs.trusted) == ("small", False)
    assert [item.key for item in store.history("overwritten")] == ["k3", "k2"]
    assert store.history("forgotten") == []
    assert store.space.limit == 1_000_000_000


def test_what_others_signed_is_listed_and_not_loaded(folder: Path) -> None:
    store = LocalStore(folder, Signer(make.KEY))
    (theirs,) = store.history("theirs")
    with pytest.raises(UntrustedError):
        store.open(theirs, "values")
    other = LocalStore(folder, Signer(b"another key, that signed none of it"))
    assert not any(record.trusted for record in other.records())


def test_the_bytes_are_as_documented(folder: Path) -> None:
    """What the table in ARCHITECTURE.md says, without any code of ours."""
    label = b"milepost journal entry 1"
    found = set()
    for journal in (folder / "journal").iterdir():
        for line in journal.read_bytes().splitlines():
            assert (line[:4], line[36:37], line[101:102]) == (b"mp1 ", b" ", b" ")
            assert line[4:36] == blake3(line[37:]).digest()[:16].hex().encode()
            body = line[102:]
            assert [*json.loads(body)][:2] == ["at", "sequence"]
            said = len(label).to_bytes(8, "big") + label + body
            macs = {hmac.new(key, said, "sha256").hexdigest().encode(): key for key in (make.KEY, make.THEIRS)}
            found.add(macs[line[37:101]])
    assert found == {make.KEY, make.THEIRS}
    for path in (folder / "objects").glob("*/*"):
        assert path.parent.name == path.name[:2]
        assert path.name == blake3(path.read_bytes()).hexdigest()
    marked = b"milepost 1"
    assert (folder / "format").read_bytes() == marked + b" " + blake3(marked).digest()[:8].hex().encode() + b"\n"


def test_it_can_be_saved_to_and_cleaned(folder: Path) -> None:
    store = LocalStore(folder, Signer(make.KEY))
    store.save(Record(task="new", key="k"), {"values": Blob(b"new", (make.LARGE,))}, durable=True)
    store.forget(["new"])
    store.space.clean(grace=-60.0)
    require_values(LocalStore(folder, Signer(make.KEY)))


def test_a_newer_format_is_refused_and_left_alone(folder: Path) -> None:
    (folder / "format").write_bytes(marker(FORMAT_VERSION + 1))
    before = everything(folder)
    store = LocalStore(folder, Signer(make.KEY))
    for call in (
        store.records,
        store.problems,
        lambda: store.history("small"),
        lambda: store.save(Record(task="new", key="k"), {}),
        lambda: store.forget(["small"]),
        lambda: store.space.clean(grace=-60.0),
        lambda: store.log("small"),
    ):
        with pytest.raises(NewerFormatError, match=rf"store format {FORMAT_VERSION + 1}.*Upgrade"):
            call()
    assert everything(folder) == before
    assert not os.path.exists(folder / "logs")
