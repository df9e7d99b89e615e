"""What was saved, synced, dropped and forgotten: one append-only file a session, merged when read.

A line is ``mp1 <sum> <signature> <entry>`` and a newline: 32 hex digits of the BLAKE3 hash of all that follows
them, 64 of the signature of the entry, and the entry as JSON. A damaged line costs only itself. Later lines refer to
an earlier one by its sum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, NoReturn, Protocol

from blake3 import blake3

from milepost.model.errors import StoreError
from milepost.model.record import Record

PURPOSE = "milepost journal entry 1"
LONGEST = 16 << 20
"""Bytes that a line has at most."""

LONGEST_OF_OTHERS = 1 << 20
"""Bytes that a line of a stranger has at most: to look at it takes many times as much memory."""

_SIGNATURE_DIGITS = 64
_MARK = b"mp1"
_SUM_DIGITS = 32
_START = _MARK + b" "
_SUM = slice(len(_START), len(_START) + _SUM_DIGITS)
_SIGNATURE = slice(_SUM.stop + 1, _SUM.stop + 1 + _SIGNATURE_DIGITS)
_compact = json.JSONEncoder(separators=(",", ":")).encode
_LISTS = ("forgotten", "durable", "files", "dropped", "evicted")
_RECORD = rb'"record":(\{"task":"([^"\\]*(?:\\.[^"\\]*)*)","key":.*\})'
_DURABLE = rb'"durable":\["([0-9a-f",]+)"\](?:,"files":\["([0-9a-f:",]+)"\])?'
_OWN = re.compile(rb'\{"at":"([^"\\]{1,40})","sequence":(\d{1,18}),(?:%s|%s)\}' % (_RECORD, _DURABLE), re.DOTALL)
"""A line of ours with a record, or with a mark, in the form in which `encode` writes it: nearly all lines."""


class Authenticator(Protocol):
    """What signs entries and knows its own signatures; `milepost.model.trust.Signer` is one."""

    def sign(self, data: bytes, purpose: str) -> str:
        """The signature, in hex."""

    def verify(self, data: bytes | memoryview, purpose: str, signature: str) -> bool:
        """Whether the signature is one's own."""


class Unread(NamedTuple):
    """The record of a line, as it stands there: it is built when somebody asks for it."""

    task: str
    body: bytes
    trusted: bool = True

    def read(self, only: Collection[str] = ()) -> Record:
        """The record, or `only` some of its fields. What makes none is listed like a stranger's, and never opened."""
        try:
            facts = json.loads(self.body)
            facts = {name: facts[name] for name in only if name in facts} if only else facts
            return Record.from_json(facts, trusted=self.trusted)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            return Record(task=self.task, key="", notes=(f"its record cannot be read: {error}",), trusted=False)


class Entry(NamedTuple):
    """One line of a journal: a record, or the names of tasks that were forgotten, or what became of earlier lines.

    `durable` and `dropped` are sums of lines with records: those that had been synced, objects and all, before this
    line was written, and those that count no more; `files` says which files held their large objects then
    (`objects.file_of`); `evicted` names the tasks of those among them that had to make room.
    `settings` are the store's from then on. `at` (ISO 8601, UTC, microseconds) and then `sequence`, which
    grows within a session, order all entries. `sum` is that of the line, and no part of it. A record that was read
    from a line is `unread` instead. Of a stranger's entry only the record counts, so it has nothing else.
    """

    at: str
    sequence: int
    record: Record | None = None
    forgotten: tuple[str, ...] = ()
    durable: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    trusted: bool = True
    sum: str = ""
    unread: Unread | None = None
    evicted: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    settings: Mapping[str, Any] | None = None

    @property
    def task(self) -> str | None:
        """The task whose record this is, if it is one."""
        saved = self.record or self.unread
        return saved.task if saved else None

    @property
    def order(self) -> tuple[str, int, str]:
        """What entries are sorted by; the sum only so that all readers agree."""
        return self.at, self.sequence, self.sum


class LineError(Exception):
    """Why a line cannot be used."""


class UnknownLineError(LineError):
    """A line that says what this Milepost does not know, or does not look at; its owner may need it."""


class NewerLineError(UnknownLineError):
    """A line that a newer Milepost wrote: it may say anything."""


def encode(entry: Entry, signer: Authenticator) -> bytes:
    """The line of an entry, newline included."""
    facts: dict[str, Any] = {"at": entry.at, "sequence": entry.sequence}
    if entry.record:
        facts["record"] = entry.record.to_json()
    facts |= {name: names for name in (*_LISTS, "settings") if (names := getattr(entry, name))}
    body = _compact(facts).encode()
    signed = signer.sign(body, PURPOSE).encode() + b" " + body
    line = b"%s %s %s\n" % (_MARK, _sum(signed), signed)
    if len(line) > LONGEST:
        task = f"task {entry.record.task!r}: its record" if entry.record else "an entry of the journal"
        raise StoreError(f"{task} has {len(line):,} bytes without the values, and may have {LONGEST:,}")
    return line


def sum_of(line: bytes) -> str:
    """The sum of a line that `encode` gave."""
    return line.split(b" ", 2)[1].decode()


def decode(line: bytes, signer: Callable[[], Authenticator]) -> Entry:
    """The entry of a line; `signer()` is asked for only once the line is whole."""
    if not line.startswith(_START):
        _refuse_mark(line.partition(b" ")[0])
    end = len(line) - line.endswith(b"\n")
    # No copies: a stranger's line may be long.
    view, total = memoryview(line)[:end], line[_SUM]
    if line[_SUM.stop : _SIGNATURE.start] != b" " or total != _sum(view[_SIGNATURE.start :]):
        raise LineError("does not hold the bytes that were written")
    begin = _SIGNATURE.stop + 1
    trusted = signer().verify(view[begin:], PURPOSE, line[_SIGNATURE].decode("latin-1"))
    if not trusted and len(line) > LONGEST_OF_OTHERS:
        raise UnknownLineError(
            f"is not yours and has {len(line):,} bytes: more than {LONGEST_OF_OTHERS:,} are not looked at"
        )
    return _entry(line[begin:end], trusted, total.decode())


def _refuse_mark(mark: bytes) -> NoReturn:
    if mark.startswith(b"mp") and mark[2:].isdigit() and mark != _MARK:
        raise NewerLineError("was written by a newer Milepost (upgrade this one)")
    raise LineError("is no line of a journal")


def _sum(data: bytes | memoryview) -> bytes:
    return blake3(data).hexdigest()[:_SUM_DIGITS].encode()


def _entry(body: bytes, trusted: bool, total: str) -> Entry:
    if trusted and (own := _OWN.fullmatch(body)):
        at, sequence, record, task, lines, files = own.groups()
        if record is None:
            return Entry(at.decode(), int(sequence), sum=total, durable=_names(lines), files=_names(files))
        name = json.loads(b'"%s"' % task) if b"\\" in task else task.decode()
        return Entry(at.decode(), int(sequence), sum=total, unread=Unread(name, record))
    # A stranger's entry has a right checksum and any content, so no shape is taken for granted.
    try:
        facts = json.loads(body)
        unread, words = _unread(facts, trusted), _words(facts) if trusted else {}
        entry = Entry(facts["at"], facts["sequence"], trusted=trusted, sum=total, unread=unread, **words)
        _require_order(entry)
        return entry
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnknownLineError(f"holds no record that this Milepost knows ({error})") from error


def _names(found: bytes | None) -> tuple[str, ...]:
    return tuple(found.decode().split('","')) if found else ()


def _unread(facts: dict[str, Any], trusted: bool) -> Unread | None:
    if "record" not in facts:
        return None
    record = Record.from_json(facts["record"], trusted=trusted)
    return Unread(record.task, _compact(facts["record"]).encode(), trusted)


def _words(facts: dict[str, Any]) -> dict[str, Any]:
    """What an entry of this user's says besides its record."""
    found: dict[str, Any] = {name: tuple(facts[name]) for name in _LISTS if name in facts}
    if not all(isinstance(name, str) for names in found.values() for name in names):
        raise ValueError("a name is no text")
    if "settings" in facts:
        found["settings"] = dict(facts["settings"])
    return found


def _require_order(entry: Entry) -> None:
    if type(entry.at) is not str or len(entry.at) > 40 or type(entry.sequence) is not int or entry.sequence < 0:
        raise ValueError("it has no time and number")
