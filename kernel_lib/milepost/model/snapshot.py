"""A snapshot: task name to result, as it was at one moment; as JSON it outlives the process."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections import Counter
from collections.abc import Iterator, KeysView, Mapping
from pathlib import Path
from typing import Any, Self

from milepost.model.entry import Entries, EntryError
from milepost.model.errors import SnapshotError, SnapshotWarning
from milepost.model.kept import Kept, Unopened, opened, succeeded
from milepost.model.lines import FORMAT, VERSION, SavedLines, is_intact, read_lines, write_line, write_text
from milepost.model.result import TaskResult

_INSTEAD = "use another copy of it, or start without a snapshot"


class Snapshot(Mapping[str, TaskResult]):
    """Results by task name; nothing else, and in particular no context. It never changes.

    Parameters
    ----------
    results : mapping of str to TaskResult
        Copied; the data in them is not.
    """

    __slots__ = ("_kept",)

    def __init__(self, results: Mapping[str, Kept] | None = None) -> None:
        self._kept = results.kept() if isinstance(results, Snapshot) else dict(results or {})
        kinds = {*map(type, self._kept.values())}  # quick: no step for each result
        if {*map(type, self._kept)} <= {str} and all(issubclass(kind, TaskResult | Unopened) for kind in kinds):
            return
        for name, result in self._kept.items():
            if not isinstance(name, str) or not isinstance(result, TaskResult | Unopened):
                raise TypeError(f"a snapshot maps names to TaskResults, not {name!r} to {type(result).__name__}")

    def kept(self) -> dict[str, Kept]:
        """A copy of what it holds, some of it still to be opened."""
        return dict(self._kept)

    def __getitem__(self, name: str) -> TaskResult:
        return opened(self._kept[name], name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, name: object) -> bool:
        return name in self._kept

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._kept.keys()

    def __repr__(self) -> str:
        counts = Counter(str(result.status) for result in self.values())
        return f"<Snapshot: {', '.join(f'{count} {status}' for status, count in counts.items()) or 'empty'}>"

    def succeeded(self) -> set[str]:
        """The names of the tasks that succeeded."""
        return succeeded(self._kept)

    def to_json(self) -> str:
        """The snapshot as JSON text.

        Plain data is JSON; other data is a pickle, signed with this user's key. A success whose data cannot be
        pickled is written as one to run again, with a `SnapshotWarning` that names it.
        """
        text, problems = self._write()
        _warn(problems)
        return text.decode()

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
        _write_file(Path(path), text)
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

    def _write(self) -> tuple[bytes, list[str]]:
        entries, problems = Entries(), []
        lines: list[bytes] = []
        for name, kept in self._kept.items():
            if isinstance(kept, SavedLines):
                lines.append(kept.line(name))
                continue
            result = opened(kept, name)
            try:
                entry = entries.write(name, result)
            except EntryError as error:
                entry = entries.write_unsaved(name, result, str(error))
                if result.ok:
                    problems.append(f"the data of task {name!r} cannot be saved ({error}); it runs again on resume")
            lines.append(write_line(name, entry))
        return write_text(lines), problems

    @classmethod
    def _read(cls, text: str | bytes) -> tuple[Self, list[str]]:
        untouched = read_lines(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
        results, bad = untouched or _read_json(text)
        words = "the saved result of task {!r} cannot be used: {}; the task runs again"
        return cls(results), [words.format(name, why) for name, why in bad.items()]


def _read_json(text: str | bytes) -> tuple[dict[str, Kept], dict[str, str]]:
    """Results, and why others cannot be used, by name."""
    data, entries = _parsed(text), Entries()
    results: dict[str, Kept] = {}
    problems: dict[str, str] = {}
    for name, entry in _checked(data).items():
        try:
            if isinstance(entry, dict) and not is_intact(name, entry, data["version"]):
                words = 'it was damaged or changed since it was saved (without its "check" it would be taken as is)'
                raise EntryError(words)
            results[name] = entries.read(name, entry)
        except EntryError as error:
            problems[name] = str(error)
    return results, problems


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
