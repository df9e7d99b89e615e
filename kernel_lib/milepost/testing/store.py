"""What every store must do; inherit `StoreContract` and say how to make one."""

from __future__ import annotations

from typing import Any

import pytest

from milepost.model.errors import UntrustedError
from milepost.model.record import Input, Output, Record
from milepost.ports import Blob, Store, Trouble

_LARGE = bytes(range(256)) * 1024
"""A buffer large enough for any store to treat as large, in bytes: 256 KiB."""


class StoreContract:
    """The tests. A subclass overrides `make_store`, which gives a new, empty store."""

    def make_store(self) -> Store:
        """A new, empty store."""
        raise NotImplementedError("say how to make the store")

    @pytest.fixture
    def store(self) -> Store:
        """The store under test."""
        return self.make_store()

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert list(store.records()) == []
        assert list(store.history("a")) == []
        assert list(store.problems()) == []

    def test_is_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    def test_what_was_saved_comes_back(self, store: Store) -> None:
        saved = store.save(_record("a"), {"values": Blob(b"stream", (_LARGE, b"small", b""))})
        (found,) = store.records()
        blob = store.open(found, "values")
        assert found == saved
        assert blob.stream == b"stream"
        assert [bytes(buffer) for buffer in blob.buffers] == [_LARGE, b"small", b""]

    def test_all_facts_of_a_record_are_kept(self, store: Store) -> None:
        record = _record(
            "a",
            code="x = 1",
            inputs=(Input(name="b", kind="task", digest="d", source="t"),),
            outputs=(Output(name="x", digest="e", unsaved="a socket"),),
            extra={"images": [1, 2.5, None]},
            notes=("ü",),
        )
        store.save(record, {})
        (found,) = store.records()
        assert found.to_json() == {**record.to_json(), "saved_at": found.saved_at}

    def test_saving_sets_the_time_and_the_blobs(self, store: Store) -> None:
        saved = store.save(_record("a", saved_at="", trusted=False), {"values": Blob(b"12345", (b"123",))})
        assert saved.saved_at.endswith("+00:00")
        assert saved.trusted
        assert saved.nbytes == 8

    def test_restored_buffers_are_writable_and_private(self, store: Store) -> None:
        record = store.save(_record("a"), {"values": Blob(b"", (_LARGE, b"small"))})
        for buffer in store.open(record, "values").buffers:
            memoryview(buffer)[0:1] = b"\xff"
        assert [bytes(buffer) for buffer in store.open(record, "values").buffers] == [_LARGE, b"small"]

    def test_what_is_saved_does_not_change_with_its_buffer(self, store: Store) -> None:
        buffer = bytearray(_LARGE)
        record = store.save(_record("a"), {"values": Blob(b"", (buffer,))})
        buffer[0:4] = b"\xff\xff\xff\xff"
        assert bytes(store.open(record, "values").buffers[0]) == _LARGE

    def test_buffers_may_have_any_shape(self, store: Store) -> None:
        view: Any = memoryview(bytearray(_LARGE)).cast("B", (512, 512))
        record = store.save(_record("a"), {"values": Blob(b"", (view,))})
        assert bytes(store.open(record, "values").buffers[0]) == _LARGE

    @pytest.mark.parametrize("size", [0, 1, 2048, 2049, 5000])
    def test_a_stream_may_have_any_size(self, store: Store, size: int) -> None:
        stream = bytes(range(256)) * (size // 256) + bytes(size % 256)
        record = store.save(_record("a"), {"values": Blob(stream), "display": Blob(stream, (b"buffer",))})
        assert store.open(record, "values").stream == store.open(record, "display").stream == stream
        assert record.nbytes == 2 * size + 6

    def test_what_is_saved_can_be_made_durable(self, store: Store) -> None:
        store.save(_record("a"), {"values": Blob(b"v", (_LARGE,))})
        assert store.flush(timeout=60)
        store.save(_record("b"), {"values": Blob(b"w", (_LARGE,))}, durable=True)
        assert store.flush()

    def test_what_is_durable_comes_back_whole(self, store: Store) -> None:
        store.save(_record("a"), {"values": Blob(b"v", (_LARGE, b"small"))}, durable=True)
        (record,) = store.records()
        troubles: list[Trouble] = []
        store.on_trouble(troubles.append)
        for buffer in store.open(record, "values").buffers:
            memoryview(buffer)[0:1] = b"\xff"
        assert [bytes(buffer) for buffer in store.open(record, "values").buffers] == [_LARGE, b"small"]
        store.settle()
        assert troubles == []

    def test_the_newest_record_counts(self, store: Store) -> None:
        for key in ("k1", "k2", "k3"):
            store.save(_record("a", key=key), {})
        assert [record.key for record in store.records()] == ["k3"]
        assert [record.key for record in store.history("a")] == ["k3", "k2", "k1"]

    def test_a_task_says_how_many_versions_are_kept(self, store: Store) -> None:
        for number in range(4):
            store.save(_record("a", key=str(number), keep=2), {"values": Blob(b"%d" % number)})
            store.save(_record("b", key=str(number)), {"values": Blob(b"%d" % number)})
        assert [store.open(record, "values").stream for record in store.history("a")] == [b"3", b"2"]
        assert [store.open(record, "values").stream for record in store.history("b")] == [b"3", b"2", b"1", b"0"]

    def test_older_versions_are_not_kept_for_ever(self, store: Store) -> None:
        for number in range(20):
            store.save(_record("a", key=str(number)), {"values": Blob(b"%d" % number)})
        assert len(store.history("a")) < 20

    def test_each_version_keeps_its_values(self, store: Store) -> None:
        for number in range(3):
            store.save(_record("a"), {"values": Blob(b"%d" % number)})
        assert [store.open(item, "values").stream for item in store.history("a")] == [b"2", b"1", b"0"]

    def test_records_come_oldest_first(self, store: Store) -> None:
        for name in ("b", "a", "c", "b"):
            store.save(_record(name), {})
        assert [record.task for record in store.records()] == ["a", "c", "b"]

    def test_what_was_forgotten_is_gone(self, store: Store) -> None:
        for name in ("a", "b", "a"):
            store.save(_record(name), {})
        assert store.forget(["a", "unknown", "a"]) == 1
        assert [record.task for record in store.records()] == ["b"]
        assert list(store.history("a")) == []

    def test_what_was_forgotten_can_be_saved_again(self, store: Store) -> None:
        store.save(_record("a", key="old"), {"values": Blob(b"v")})
        store.forget(["a"])
        record = store.save(_record("a", key="new"), {"values": Blob(b"v")})
        assert [item.key for item in store.history("a")] == ["new"]
        assert store.open(record, "values").stream == b"v"

    def test_forgetting_nothing_is_fine(self, store: Store) -> None:
        assert store.forget([]) == 0
        assert store.forget(["a"]) == 0

    def test_an_unknown_part_is_a_key_error(self, store: Store) -> None:
        record = store.save(_record("a"), {"values": Blob(b"v")})
        with pytest.raises(KeyError):
            store.open(record, "display")

    def test_an_untrusted_record_is_not_opened(self, store: Store) -> None:
        record = store.save(_record("a"), {"values": Blob(b"v")})
        with pytest.raises(UntrustedError, match="'a'"):
            store.open(Record.from_json(record.to_json(), trusted=False), "values")

    @pytest.mark.parametrize("name", ["ü ☃", "../../etc/passwd", "a\nb", "con", "x" * 500, " "])
    def test_any_name_will_do(self, store: Store, name: str) -> None:
        store.save(_record(name), {"values": Blob(name.encode())})
        (record,) = store.records()
        assert record.task == name
        assert store.open(record, "values").stream == name.encode()


def _record(task: str, **facts: Any) -> Record:
    return Record(**{"task": task, "key": "k", **facts})
