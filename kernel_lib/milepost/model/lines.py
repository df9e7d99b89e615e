"""The text of a snapshot: JSON, a line an entry, with a checksum over it all and one over each entry.

A text that nobody touched is read by its lines, and an entry is parsed when it is first looked at. Anything else is
read as JSON, whatever its layout, and each entry is checked by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from milepost.model.entry import PICKLED, Entries, EntryError
from milepost.model.errors import SnapshotError
from milepost.model.kept import Kept, Unopened
from milepost.model.plain import plain_text
from milepost.model.result import TaskResult

FORMAT = "milepost-snapshot"
VERSION = 2

_HEAD = f'{{"format": "{FORMAT}", "version": {VERSION}, "check": "%s", "results": {{\n'
_HEAD_LENGTH = len(_HEAD % ("0" * 64))
_TAIL = b"\n}}\n"
_SUCCESS = b'"status": "success"'
_CHECK = b', "check": "%s"}'
_CHECK_LENGTH = len(_CHECK % (b"0" * 16))


class SavedLines(Unopened):
    """Lines of a text that is known to be whole, by name; the results in them hold no pickle."""

    __slots__ = ("_lines",)

    def __init__(self, lines: Mapping[str, bytes]) -> None:
        end = -_CHECK_LENGTH
        super().__init__([name for name, line in lines.items() if line.endswith(_SUCCESS, 0, end)])
        self._lines = lines

    def __repr__(self) -> str:
        return f"<{len(self._lines)} saved lines>"

    def line(self, name: str) -> bytes:
        """As it was written."""
        return self._lines[name]

    def _open(self, name: str) -> TaskResult:
        try:
            return _read(name, self._lines[name], Entries())
        except EntryError as error:  # only where someone wrote nonsense and its right checksum
            raise SnapshotError(f"the saved result of task {name!r} cannot be used: {error}") from error


def write_line(name: str, entry: str) -> bytes:
    """A line of the text: the name and the entry (JSON text of an object), to which its checksum is added."""
    body = f"{plain_text(name)}: {entry[:-1]}".encode()
    return body + _CHECK % _checksum(body).encode()


def write_text(lines: Iterable[bytes]) -> bytes:
    """All lines as one JSON text."""
    body = b",\n".join(lines) + _TAIL
    return (_HEAD % sha256(body).hexdigest()).encode() + body


def read_lines(text: bytes) -> tuple[dict[str, Kept], dict[str, str]] | None:
    """Results, and why others cannot be used, by name; None where the text is not what `write_text` gave."""
    body = text[_HEAD_LENGTH:]
    if text[:_HEAD_LENGTH] != (_HEAD % sha256(body).hexdigest()).encode() or len(body) == len(_TAIL):
        return None
    lines = {_name(line): line for line in body[: -len(_TAIL)].split(b",\n")}
    results: dict[str, Kept] = dict.fromkeys(lines, SavedLines(lines))
    problems: dict[str, str] = {}
    entries = Entries()
    for name in _with_pickle(lines, body):  # now, so that one which cannot be used is known before anything runs
        try:
            results[name] = _read(name, lines[name], entries)
        except EntryError as error:
            del results[name]
            problems[name] = str(error)
    return results, problems


def _with_pickle(lines: dict[str, bytes], text: bytes) -> list[str]:
    mark = PICKLED.encode()
    return [name for name, line in lines.items() if mark in line] if mark in text else []


def is_intact(name: str, entry: dict[str, Any], version: int) -> bool:
    """Whether a parsed entry is what was written under this name; one without a checksum is taken as it is."""
    body = {key: value for key, value in sorted(entry.items()) if key != "check"}
    text = f"{json.dumps(name)}: {json.dumps(body)[:-1]}"
    if version == 1:
        text = json.dumps([name, body], sort_keys=True)
    return "check" not in entry or entry["check"] == _checksum(text.encode())


def _name(line: bytes) -> str:
    name = line[1 : line.index(b'": {')].decode()
    if "\\" in name:  # what looked like its end may be part of it
        return str(json.JSONDecoder().raw_decode(line.decode())[0])
    return name


def _read(name: str, line: bytes, entries: Entries) -> TaskResult:
    return entries.read(name, json.loads(b"{%s}" % line)[name])


def _checksum(text: bytes) -> str:
    """Against damage, not against forgery."""
    return sha256(text).hexdigest()[:16]
