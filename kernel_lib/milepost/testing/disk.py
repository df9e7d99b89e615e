"""A folder as a file system keeps it: what is there now, and what may be there after power loss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(eq=False, slots=True)
class File:
    """One file, whatever its names: its bytes now, and those that were synced."""

    mode: int
    data: bytes = b""
    synced: bytes = b""
    times: tuple[int, int] | None = None

    @property
    def zeroed(self) -> bytes:
        """As some file systems leave it: the length is known, the bytes never came."""
        return self.synced[: len(self.data)] + bytes(max(0, len(self.data) - len(self.synced)))


@dataclass(eq=False, slots=True)
class Folder:
    """One folder: the names in it now, and those that were synced."""

    names: dict[str, Any] = field(default_factory=dict)
    synced: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


class Operation(NamedTuple):
    """One call that changed the folder: a method of `Disk` and what it was given."""

    kind: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.kind} " + " ".join(repr(item) if len(repr(item)) < 80 else "…" for item in self.args)


_Change = tuple[Folder, str, Any]


class Disk:
    """An empty folder, and what operations make of it. Paths are relative to it; files are numbered as they come."""

    def __init__(self) -> None:
        self.top = Folder()
        self.files: list[File] = []
        self._pending: list[tuple[_Change, ...]] = []

    def apply(self, operation: Operation) -> None:
        """Do one operation."""
        getattr(self, operation.kind)(*operation.args)

    def find(self, path: str) -> Any:
        """The `File`, `Folder` or `Link` with a path; `KeyError` where there is none."""
        node: Any = self.top
        for part in path.split("/") if path else ():
            node = node.names[part]
        return node

    def number(self, path: str) -> int:
        """Which file has this path."""
        return self.files.index(self.find(path))

    def create(self, path: str, mode: int) -> None:
        """A new, empty file."""
        self.files.append(File(mode))
        self._name(path, self.files[-1])

    def write(self, number: int, at: int, data: bytes) -> None:
        """Bytes at a place of a file."""
        file = self.files[number]
        file.data = file.data[:at].ljust(at, b"\0") + data + file.data[at + len(data) :]

    def truncate(self, number: int, size: int) -> None:
        """Another length of a file."""
        file = self.files[number]
        file.data = file.data[:size].ljust(size, b"\0")

    def sync(self, number: int) -> None:
        """The bytes of a file survive from now on."""
        self.files[number].synced = self.files[number].data

    def sync_folder(self, path: str) -> None:
        """The names in a folder survive from now on; with a move, those in the other folder as well."""
        reached = {id(self.find(path))}
        for group in reversed(self._pending):
            folders = {id(folder) for folder, _, _ in group}
            if folders & reached:
                reached |= folders
        later = []
        for group in self._pending:
            if any(id(folder) in reached for folder, _, _ in group):
                _settle(group, lambda folder: folder.synced)
            else:
                later.append(group)
        self._pending = later

    def mkdir(self, path: str) -> None:
        """A new folder."""
        self._name(path, Folder())

    def link(self, source: str, target: str) -> None:
        """Another name for a file."""
        self._name(target, self.find(source))

    def symlink(self, to: str, path: str) -> None:
        """A symbolic link."""
        self._name(path, Link(to))

    def rename(self, source: str, target: str) -> None:
        """A file or folder takes another name, at once."""
        node = self.find(source)
        self._change((*self._place(source), None), (*self._place(target), node))

    def unlink(self, path: str) -> None:
        """A name is gone; folders as well."""
        self._name(path, None)

    def times(self, path: str, times: tuple[int, int] | None) -> None:
        """When a file was read and changed (nanoseconds); None stands for now."""
        node = self.find(path)
        if isinstance(node, File):
            node.times = times

    def chmod(self, path: str, mode: int) -> None:
        """Who may do what with a file."""
        node = self.find(path)
        if isinstance(node, File):
            node.mode = mode

    def tree(self) -> dict[str, Any]:
        """What is there now: by path, `Folder`, `Link`, or a file's number and bytes."""
        return _flat(self.top, lambda folder: folder.names, lambda file: file.data)

    def tree_after_power_loss(
        self, content: Callable[[File], bytes], survives: Callable[[int], bool] = lambda number: False
    ) -> dict[str, Any]:
        """What may be there after power loss.

        Parameters
        ----------
        content : callable
            The bytes of a file, of which only `File.synced` are sure.
        survives : callable
            Asked for each change of names that was not synced, by its number.
        """
        names: dict[int, dict[str, Any]] = {}

        def surviving(folder: Folder) -> dict[str, Any]:
            return names.setdefault(id(folder), dict(folder.synced))

        for number, group in enumerate(self._pending):
            if survives(number):
                _settle(group, surviving)
        return _flat(self.top, surviving, content)

    @property
    def dirty(self) -> list[File]:
        """The files whose bytes would not all survive."""
        return [file for file in self.files if file.data != file.synced]

    @property
    def pending(self) -> int:
        """How many changes of names were not synced."""
        return len(self._pending)

    def _place(self, path: str) -> tuple[Folder, str]:
        parent, _, name = path.rpartition("/")
        return self.find(parent), name

    def _name(self, path: str, node: Any) -> None:
        self._change((*self._place(path), node))

    def _change(self, *changes: _Change) -> None:
        _settle(changes, lambda folder: folder.names)
        self._pending.append(changes)


def write_tree(tree: dict[str, Any], top: Path) -> None:
    """Write what `Disk.tree` gave into an empty folder."""
    written: dict[int, Path] = {}
    for name, node in tree.items():
        path = top / name
        if isinstance(node, Folder):
            path.mkdir()
        elif isinstance(node, Link):
            path.symlink_to(node.target)
        elif id(node[0]) in written:
            os.link(written[id(node[0])], path)
        else:
            written[id(node[0])] = path
            _write(path, *node)


def _write(path: Path, file: File, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(file.mode)
    if file.times:
        os.utime(path, ns=file.times)


def _settle(group: tuple[_Change, ...], names: Callable[[Folder], dict[str, Any]]) -> None:
    for folder, name, node in group:
        if node is None:
            names(folder).pop(name, None)
        else:
            names(folder)[name] = node


def _flat(top: Folder, names: Callable[[Folder], dict[str, Any]], content: Callable[[File], bytes]) -> dict[str, Any]:
    def walk(folder: Folder, prefix: str) -> Iterator[tuple[str, Any]]:
        for name, node in names(folder).items():
            yield prefix + name, (node, content(node)) if isinstance(node, File) else node
            if isinstance(node, Folder):
                yield from walk(node, f"{prefix}{name}/")

    return dict(walk(top, ""))
