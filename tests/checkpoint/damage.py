"""Ways to damage a folder, drawn by a seed. A damaged file is a new one, as the old may still be mapped."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path


class Damager:
    """Damages the folder `root` and mends it again, so that its files are the very same."""

    def __init__(self, root: Path, draw: random.Random) -> None:
        self._root = root
        self._draw = draw
        self._whole = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        self._times = {path: path.stat().st_mtime_ns for path in self._whole}
        self._kept = {path: root.with_name("kept") / str(number) for number, path in enumerate(self._whole)}
        root.with_name("kept").mkdir(exist_ok=True)
        for path, kept in self._kept.items():
            kept.unlink(missing_ok=True)
            os.link(path, kept)
        self._rotten: Path | None = None

    def hurt(self) -> str:
        """One damage; what it was, in words."""
        kind = self._draw.choice(sorted(_KINDS))
        return f"{kind} {_KINDS[kind](self)}"

    def mend(self) -> None:
        """As it was."""
        for path in [path for path in self._root.rglob("*") if path.is_file() and path not in self._whole]:
            path.unlink(missing_ok=True)  # a store that is about to end may tidy up at the same time
        if self._rotten:
            self._in_place(self._rotten, self._whole[self._rotten])
            self._rotten = None
        for path, kept in self._kept.items():
            if not path.exists() or not path.samefile(kept):
                path.unlink(missing_ok=True)
                os.link(kept, path)
            if path.stat().st_mtime_ns != self._times[path]:
                os.utime(path, ns=(self._times[path], self._times[path]))

    def _in_place(self, path: Path, data: bytes) -> None:
        # By its second name: the first may have been moved into quarantine.
        with self._kept[path].open("r+b") as file:
            file.write(data)
        os.utime(self._kept[path], ns=(self._times[path], self._times[path]))

    def _file(self, kind: str = "") -> Path:
        """A file; journals, objects and markers equally often."""
        kind = kind or self._draw.choice(("journal", "objects", "objects", ""))
        found = [path for path in self._whole if path.relative_to(self._root).parts[0] == kind]
        return self._draw.choice(found or [path for path in self._whole if path.parent == self._root])

    def _rewrite(self, change: Callable[[bytes], bytes], kind: str = "") -> str:
        path = self._file(kind)
        data = self._whole[path]
        _put(path, change(data))
        return str(path.relative_to(self._root))

    def _place(self, data: bytes) -> int:
        return self._draw.randrange(max(1, len(data)))

    def flip(self) -> str:
        return self._rewrite(lambda data: _spliced(data, at := self._place(data), self._flipped(data[at : at + 1])))

    def _flipped(self, byte: bytes) -> bytes:
        return bytes(value ^ 1 << self._draw.randrange(8) for value in byte)

    def rot(self) -> str:
        """A bit flips on the disk, and neither the name nor the time of the file tells."""
        path = self._rotten = self._file()
        data = self._whole[path]
        at = self._place(data)
        self._in_place(path, _spliced(data, at, self._flipped(data[at : at + 1])))
        return str(path.relative_to(self._root))

    def truncate(self) -> str:
        return self._rewrite(lambda data: data[: self._place(data)])

    def empty(self) -> str:
        return self._rewrite(lambda data: b"")

    def append(self) -> str:
        return self._rewrite(lambda data: data + self._draw.choice((b"\n", b"\0" * 512, b"junk", data[-700:], data)))

    def zero(self) -> str:
        def change(data: bytes) -> bytes:
            size = self._draw.choice((1, 16, 512, 4096))
            at = self._place(data) // size * size
            return _spliced(data, at, bytes(len(data[at : at + size])))

        return self._rewrite(change)

    def noise(self) -> str:
        return self._rewrite(
            lambda data: _spliced(data, at := self._place(data), self._draw.randbytes(len(data[at:][:64])))
        )

    def cut(self) -> str:
        return self._rewrite(lambda data: data[: (at := self._place(data))] + data[at + self._draw.choice((1, 512)) :])

    def delete(self) -> str:
        path = self._file()
        path.unlink()
        return str(path.relative_to(self._root))

    def swap(self) -> str:
        one, other = self._file(), self._file()
        _put(one, self._whole[other])
        _put(other, self._whole[one])
        return f"{one.relative_to(self._root)} {other.relative_to(self._root)}"

    def replace(self) -> str:
        other = self._file()
        return self._rewrite(lambda data: self._whole[other])

    def duplicate(self) -> str:
        path = self._file()
        copy = path.with_name(f"{self._draw.randrange(10**6)}{path.suffix}")
        _put(copy, self._whole[path])
        return str(path.relative_to(self._root))

    def duplicate_line(self) -> str:
        return self._rewrite_lines(
            lambda lines: lines.insert(self._draw.randrange(len(lines)), self._draw.choice(lines))
        )

    def delete_line(self) -> str:
        return self._rewrite_lines(lambda lines: lines.pop(self._draw.randrange(len(lines))))

    def shuffle_lines(self) -> str:
        return self._rewrite_lines(self._draw.shuffle)

    def join_lines(self) -> str:
        def change(data: bytes) -> bytes:
            lines = data.splitlines(keepends=True)
            at = self._draw.randrange(len(lines))
            return b"".join([*lines[:at], lines[at].rstrip(b"\n"), *lines[at + 1 :]])

        return self._rewrite(change, "journal")

    def graft_lines(self) -> str:
        """The beginning of one line, the end of another."""

        def change(data: bytes) -> bytes:
            lines = data.splitlines(keepends=True)
            first, second = self._draw.choice(lines), self._draw.choice(lines)
            at = self._place(first)
            return b"".join([*lines, first[:at] + second[at:]])

        return self._rewrite(change, "journal")

    def _rewrite_lines(self, change: Callable[[list[bytes]], object]) -> str:
        def changed(data: bytes) -> bytes:
            lines = data.splitlines(keepends=True)
            change(lines)
            return b"".join(lines)

        return self._rewrite(changed, "journal")


_KINDS: dict[str, Callable[[Damager], str]] = {
    name: method for name, method in vars(Damager).items() if not name.startswith("_") and name not in ("hurt", "mend")
}


def _spliced(data: bytes, at: int, part: bytes) -> bytes:
    return data[:at] + part + data[at + len(part) :]


def _put(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)
