"""A snapshot: task name to result, as it was at one moment; as JSON it outlives the process."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from milepost.model.entry import Entries, EntryError
from milepost.model.errors import SnapshotError, SnapshotWarning
from milepost.model.result import TaskResult

FORMAT = "milepost-snapshot"
VERSION = 1

_INSTEAD = "use another copy of it, or start without a snapshot"


class Snapshot(Mapping[str, TaskResult]):
    """Results by task name; nothing else, and in particular no context. It never changes.

    Parameters
    ----------
    results : mapping of str to TaskResult
        Copied; the data in them is not.
    """

    __slots__ = ("_results",)

    def __init__(self, results: Mapping[str, TaskResult] | None = None) -> None:
        self._results = dict(results or {})
        for name, result in self._results.items():
            if not isinstance(name, str) or not isinstance(result, TaskResult):
                raise TypeError(f"a snapshot maps names to TaskResults, not {name!r} to {type(result).__name__}")

    def __getitem__(self, name: str) -> TaskResult:
        return self._results[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        counts = Counter(str(result.status) for result in self._results.values())
        return f"<Snapshot: {', '.join(f'{count} {status}' for status, count in counts.items()) or 'empty'}>"

    def to_json(self) -> str:
        """The snapshot as JSON text.

        Plain data is JSON; other data is a pickle, signed with this user's key. A success whose data cannot be
        pickled is written as one to run again, with a `SnapshotWarning` that names it.
        """
        text, problems = self._write()
        _warn(problems)
        return text

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The snapshot that `to_json` wrote.

        An entry that is damaged, or holds a pickle that this user's key did not sign, is left out with a
        `SnapshotWarning` that names it: its task runs again.

        Raises
        ------
        SnapshotError
            When the text is no snapshot, is damaged or truncated as a whole, or of a newer format.
        """
        snapshot, problems = cls._read(text)
        _warn(problems)
        return snapshot

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_json` to a file; at any instant the file is the old one or the new one."""
        text, problems = self._write()
        _write_file(Path(path), text.encode())
        _warn(problems)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; errors and warnings as for `from_json`, and `OSError` when there is no such file."""
        data = Path(path).read_bytes()
        try:
            snapshot, problems = cls._read(data)
        except SnapshotError as error:
            raise SnapshotError(f"{os.fspath(path)}: {error}") from error
        _warn(problems)
        return snapshot

    def _write(self) -> tuple[str, list[str]]:
        entries, problems = Entries(), []
        written: dict[str, Any] = {}
        for name, result in self._results.items():
            try:
                written[name] = entries.write(name, result)
            except EntryError as error:
                written[name] = entries.write_unsaved(name, result, str(error))
                if result.ok:
                    problems.append(f"the data of task {name!r} cannot be saved ({error}); it runs again on resume")
        return _text(written), problems

    @classmethod
    def _read(cls, text: str | bytes) -> tuple[Self, list[str]]:
        entries, problems = Entries(), []
        results: dict[str, TaskResult] = {}
        for name, entry in _checked(_parsed(text)).items():
            try:
                results[name] = entries.read(name, entry)
            except EntryError as error:
                problems.append(f"the saved result of task {name!r} cannot be used: {error}; the task runs again")
        return cls(results), problems


def _text(entries: Mapping[str, Any]) -> str:
    """JSON with a line for each entry: short, and still good to read and compare."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    return f'{{"format": "{FORMAT}", "version": {VERSION}, "results": {{\n{lines}\n}}}}\n'


def _parsed(text: str | bytes) -> Any:
    """The JSON data in the text; says how it is broken when it is."""
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        if not decoded.strip():
            raise SnapshotError(f"the snapshot is empty; {_INSTEAD}")
        return json.loads(decoded)
    except UnicodeDecodeError as error:
        raise SnapshotError(f"the snapshot is not text ({error}); {_INSTEAD}") from error
    except json.JSONDecodeError as error:
        torn = error.pos >= len(decoded.rstrip()) or error.msg.startswith("Unterminated")
        what = "is truncated" if torn else "is malformed"
        raise SnapshotError(f"the snapshot {what}, it is no complete JSON ({error}); {_INSTEAD}") from error
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"the snapshot is malformed ({error}); {_INSTEAD}") from error


def _checked(data: Any) -> dict[str, Any]:
    """The entries of a snapshot of a format that is known here."""
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise SnapshotError(f'this is no Milepost snapshot: it does not say "format": "{FORMAT}"; {_INSTEAD}')
    version = data.get("version")
    if type(version) is not int or version < 1:
        raise SnapshotError(f"the snapshot is malformed: its version is {version!r}, not a number; {_INSTEAD}")
    if version > VERSION:
        raise SnapshotError(
            f"the snapshot is of the newer format {version}, and this Milepost reads formats up to {VERSION}; "
            "upgrade Milepost to read it"
        )
    if not isinstance(data.get("results"), dict):
        raise SnapshotError(f'the snapshot is malformed: it has no "results"; {_INSTEAD}')
    return dict(data["results"])


def _warn(problems: list[str]) -> None:
    for problem in problems:
        warnings.warn(problem, SnapshotWarning, stacklevel=3)


def _write_file(path: Path, data: bytes) -> None:
    """Write beside the file, sync, then take its name; a link keeps pointing where it did."""
    path = Path(os.path.realpath(path))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(draft, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
