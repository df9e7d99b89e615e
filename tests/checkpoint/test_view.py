"""What the lines of all journals say together, in whatever order they come."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from blake3 import blake3

from milepost.checkpoint.journal import PURPOSE, Entry, Unread, decode, encode, sum_of
from milepost.checkpoint.view import View
from milepost.model.record import Record
from milepost.model.trust import Signer

MINE, STRANGER = Signer(b"m" * 32), Signer(b"s" * 32)
_numbers = itertools.count(1)


def line(signer: Signer = MINE, at: str = "2026-01-01", **facts: object) -> Entry:
    """An entry as it is read back from its line."""
    entry = Entry(at, next(_numbers), **facts)  # type: ignore[arg-type]
    return decode(encode(entry, signer), lambda: MINE)


def saved(task: str = "a", key: str = "k", signer: Signer = MINE, at: str = "2026-01-01") -> Entry:
    return line(signer, at, record=Record(task=task, key=key))


def durable(entries: Iterable[Entry]) -> list[tuple[str, bool]]:
    return [(record.key, record.durable) for record in View(entries).history("a")]


def test_a_record_may_be_marked_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    (version,) = View([saved()]).of("a")
    read = Unread.read

    def hasty(unread: Unread) -> Record:
        version.mark_durable()  # as another thread does, at this moment
        return read(unread)

    monkeypatch.setattr(Unread, "read", hasty)
    assert version.record.key == "k"
    assert version.record.durable


@pytest.mark.parametrize(
    "facts",
    [
        {"record": Record(task='"a\\" \u00e9\n', key="k", notes=("}]}",), extra={"durable": ["b" * 32]})},
        {"durable": ("a" * 32,)},
        {"durable": ("a" * 32, "b" * 32), "files": ("c" * 64 + ":1:2", "d" * 64 + ":3:4")},
        {"durable": ('","]',), "files": ("]",)},
        {"durable": ("a",), "dropped": ("b",), "evicted": ("c",)},
        {"forgotten": ("a", "b")},
        {"settings": {"size_limit": 1}},
    ],
)
def test_what_is_read_is_what_was_written(facts: dict[str, Any]) -> None:
    entry = Entry("2026-01-01", 7, **facts)
    read = line(at="2026-01-01", **facts)
    assert read.unread is None or read.unread.read() == entry.record
    assert read.task == entry.task
    assert read._replace(sequence=7, sum="", unread=None) == entry._replace(record=None)


def test_an_entry_knows_the_sum_of_its_line() -> None:
    data = encode(Entry("2026-01-01", 1, durable=("a" * 32,), dropped=("b" * 32,)), MINE)
    entry = decode(data, lambda: MINE)
    assert entry.sum == sum_of(data)
    assert len(entry.sum) == 32
    assert (entry.durable, entry.dropped, entry.record, entry.forgotten) == (("a" * 32,), ("b" * 32,), None, ())


def test_a_mark_says_that_a_record_is_durable() -> None:
    first, second = saved(key="1"), saved(key="2")
    mark = line(durable=(first.sum, "unknown"))
    assert durable([first, second, mark]) == [("2", False), ("1", True)]
    assert durable([first, second]) == [("2", False), ("1", False)]


def test_a_mark_may_come_before_its_line() -> None:
    late = saved(at="2026-02-01")
    assert durable([line(at="2026-01-01", durable=(late.sum,)), late]) == [("k", True)]
    assert durable([line(at="2026-01-01", dropped=(late.sum,)), late]) == []


def test_a_mark_may_come_alone_later() -> None:
    first = saved()
    view = View([first])
    view.add(line(durable=(first.sum,)))
    assert [record.durable for record in view.newest()] == [True]


def test_a_dropped_version_is_gone() -> None:
    first, second = saved(key="1"), saved(key="2")
    assert durable([first, second, line(dropped=(second.sum,))]) == [("1", False)]
    view = View([first, second, line(dropped=(second.sum, first.sum))])
    assert (view.newest(), view.history("a"), view.known(["a"])) == ([], [], [])


def test_marks_of_strangers_count_for_nothing() -> None:
    mine, theirs = saved(), saved("b", signer=STRANGER)
    for at in ("2025-01-01", "2026-12-31"):
        marks = [line(STRANGER, at, durable=(mine.sum, theirs.sum)), line(STRANGER, at, dropped=(mine.sum,))]
        view = View([mine, theirs, *marks])
        assert {record.task: record.durable for record in view.newest()} == {"a": False, "b": False}


def test_a_line_may_come_twice() -> None:
    first, second = saved(key="1"), saved(key="2")
    mark = line(durable=(first.sum,))
    assert durable([first, second, first, mark, mark]) == [("2", False), ("1", True)]
    assert durable([first, first, line(dropped=(first.sum,))]) == []


def test_what_is_forgotten_stays_so_and_may_be_marked_late() -> None:
    first = saved()
    forgotten = line(forgotten=("a",))
    assert durable([first, forgotten, line(durable=(first.sum,)), line(dropped=(first.sum,))]) == []
    again = saved(key="new")
    assert durable([first, forgotten, first, again]) == [("new", False)]


def test_durable_is_no_part_of_a_record() -> None:
    record = Record(task="a", key="k", durable=True)
    assert "durable" not in record.to_json()
    assert record == Record(task="a", key="k")
    assert not Record.from_json({**record.to_json(), "durable": True}).durable


def test_entries_may_come_in_any_order() -> None:
    first, second, third = (saved(key=str(number), at=f"2026-01-0{number}") for number in (1, 2, 3))
    other = saved("b", at="2026-01-01")
    marks = [
        line(at="2026-01-04", durable=(second.sum, third.sum)),
        line(at="2026-01-01T12", forgotten=("a", "b")),
        line(at="2026-01-05", dropped=(third.sum,)),
    ]
    entries = [first, second, third, other, *marks]
    for order in itertools.islice(itertools.permutations(entries), 0, None, 7):
        view = View(order)
        assert [(record.key, record.durable) for record in view.history("a")] == [("2", True)]
        assert view.known(["a", "b"]) == ["a"]


def test_a_record_is_built_when_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(saved(task, at=f"2026-01-0{number}") for number, task in enumerate("abc"))
    built: list[str] = []
    read = Unread.read
    monkeypatch.setattr(Unread, "read", lambda self, *only: built.append(self.task) or read(self, *only))
    records = view.newest()
    assert (len(records), built) == (3, [])
    assert (records[1].task, records[1].task, built) == ("b", "b", ["b"])
    assert [record.task for record in records[1:]] == ["b", "c"]
    assert list(view.history("a")) == [records[0]]
    assert sorted(built) == ["a", "b", "c"]


def test_a_line_of_ours_that_makes_no_record_is_listed_and_not_opened() -> None:
    body = b'{"at":"2026-01-01","sequence":1,"record":{"task":"a","key":1,"inputs":7}}'
    signed = MINE.sign(body, PURPOSE).encode() + b" " + body
    whole = b"mp1 " + blake3(signed).hexdigest()[:32].encode() + b" " + signed + b"\n"
    (record,) = View([decode(whole, lambda: MINE)]).newest()
    assert (record.task, record.trusted, record.blobs) == ("a", False, {})


@pytest.mark.parametrize("turn", [1, -1])
def test_the_newest_settings_count_whichever_line_is_read_last(turn: int) -> None:
    entries = [line(at=f"2026-01-0{day}", settings={"size_limit": day}) for day in (1, 2)]
    assert View(entries[::turn]).settings == {"size_limit": 2}
