"""Writes down each operation on files below a folder, whoever does it and in whatever thread."""

from __future__ import annotations

import functools
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from milepost.testing.disk import Disk, File, Folder, Operation

_Real = Callable[..., Any]


class Recorder:
    """Records operations below `top`, an empty folder, by taking the place of functions of `os`.

    `operations` holds them in order. What goes past `os` (a file that the built-in `open` writes, say) is told at the
    end as an `AssertionError`.
    """

    def __init__(self, top: Path) -> None:
        self.operations: list[Operation] = []
        self._top = Path(os.path.realpath(top))
        self._disk = Disk()
        self._open: dict[int, str | int] = {}
        self._lock = threading.RLock()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record while the block runs. Whatever thread it started must have come to rest at its end."""
        with ExitStack() as patches:
            for name, method in self._methods().items():
                if hasattr(os, name):
                    patches.enter_context(mock.patch.object(os, name, self._wrapped(method, getattr(os, name))))
            yield
        self._require_complete()

    def _methods(self) -> dict[str, Callable[..., Any]]:
        methods = {name[1:-1]: getattr(self, name) for name in dir(self) if name.endswith("_") and name[1] != "_"}
        methods |= dict.fromkeys(("fsync", "fdatasync"), self._sync_)
        methods |= dict.fromkeys(("rename", "replace"), self._rename_)
        return methods | dict.fromkeys(("unlink", "remove", "rmdir"), self._unlink_)

    def _wrapped(self, method: Callable[..., Any], real: _Real) -> _Real:
        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            # One at a time, so that the order written down is the order in which they happened.
            with self._lock:
                return method(real, *args, **kwargs)

        return call

    def _note(self, kind: str, *args: Any) -> None:
        operation = Operation(kind, args)
        self._disk.apply(operation)
        self.operations.append(operation)

    def _inside(self, path: Any, folder: int | None = None) -> str | None:
        """The path below the top, if it is there; `folder` is an open one that it may be relative to."""
        if isinstance(path, int):
            return None
        parent = self._open.get(folder) if folder is not None else None
        base = self._top / parent if isinstance(parent, str) else Path.cwd()
        whole = Path(os.path.normpath(base / os.fsdecode(path)))
        whole = Path(os.path.realpath(whole.parent)) / whole.name
        return str(whole.relative_to(self._top)) if self._top in whole.parents else None

    def _file(self, descriptor: int) -> int | None:
        known = self._open.get(descriptor)
        return known if isinstance(known, int) else None

    def _open_(self, real: _Real, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        inside = self._inside(path, dir_fd)
        existed = inside is None or os.path.lexists(self._top / inside)
        descriptor: int = real(path, flags, mode, dir_fd=dir_fd)
        self._open.pop(descriptor, None)  # closed by a file object, past `os.close`
        if not existed:
            self._note("create", inside, stat.S_IMODE(os.fstat(descriptor).st_mode))
        if inside is not None:
            node = self._disk.find(inside)
            self._open[descriptor] = self._disk.number(inside) if isinstance(node, File) else inside
            if flags & os.O_TRUNC and isinstance(node, File) and node.data:
                self._note("truncate", self._disk.number(inside), 0)
        elif Path(os.path.realpath(path)) == self._top:
            self._open[descriptor] = ""
        return descriptor

    def _close_(self, real: _Real, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        real(descriptor)

    def _write_(self, real: _Real, descriptor: int, data: Any) -> int:
        count: int = real(descriptor, data)
        self._note_write(descriptor, os.lseek, memoryview(data).cast("B")[:count])
        return count

    def _writev_(self, real: _Real, descriptor: int, buffers: Any) -> int:
        count: int = real(descriptor, buffers)
        self._note_write(descriptor, os.lseek, b"".join(buffers)[:count])
        return count

    def _pwrite_(self, real: _Real, descriptor: int, data: Any, at: int) -> int:
        count: int = real(descriptor, data, at)
        self._note_write(descriptor, lambda *_: at + count, memoryview(data).cast("B")[:count])
        return count

    def _note_write(self, descriptor: int, end: Callable[[int, int, int], int], data: Any) -> None:
        number = self._file(descriptor)
        if number is not None:
            self._note("write", number, end(descriptor, 0, os.SEEK_CUR) - len(data), bytes(data))

    def _ftruncate_(self, real: _Real, descriptor: int, size: int) -> None:
        real(descriptor, size)
        number = self._file(descriptor)
        if number is not None:
            self._note("truncate", number, size)

    def _truncate_(self, real: _Real, path: Any, size: int) -> None:
        if isinstance(path, int):
            return self._ftruncate_(real, path, size)
        real(path, size)
        inside = self._inside(path)
        if inside is not None:
            self._note("truncate", self._disk.number(inside), size)
        return None

    def _sync_(self, real: _Real, descriptor: int) -> None:
        os.fstat(descriptor)  # fails as a sync would; the disk itself is not waited for
        known = self._open.get(descriptor)
        if isinstance(known, int):
            self._note("sync", known)
        elif known is not None:
            self._note("sync_folder", known)

    def _rename_(
        self, real: _Real, source: Any, target: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        names = self._inside(source, src_dir_fd), self._inside(target, dst_dir_fd)
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        self._note_pair("rename", *names)

    def _link_(
        self,
        real: _Real,
        source: Any,
        target: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        names = self._inside(source, src_dir_fd), self._inside(target, dst_dir_fd)
        folders = {"src_dir_fd": src_dir_fd, "dst_dir_fd": dst_dir_fd}
        real(source, target, **folders, follow_symlinks=follow_symlinks)
        self._note_pair("link", *names)

    def _note_pair(self, kind: str, source: str | None, target: str | None) -> None:
        if source is not None and target is not None:
            self._note(kind, source, target)
        else:
            assert source is target is None, f"{kind} across the border of {self._top} cannot be recorded"

    def _symlink_(self, real: _Real, to: Any, path: Any, *args: Any, dir_fd: int | None = None) -> None:
        real(to, path, *args, dir_fd=dir_fd)
        inside = self._inside(path, dir_fd)
        if inside is not None:
            self._note("symlink", os.fsdecode(to), inside)

    def _unlink_(self, real: _Real, path: Any, *, dir_fd: int | None = None) -> None:
        inside = self._inside(path, dir_fd)
        real(path, dir_fd=dir_fd)
        if inside is not None:
            self._note("unlink", inside)

    def _mkdir_(self, real: _Real, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real(path, mode, dir_fd=dir_fd)
        inside = self._inside(path, dir_fd)
        if inside is not None:
            self._note("mkdir", inside)

    def _utime_(
        self, real: _Real, path: Any, times: Any = None, *, ns: Any = None, dir_fd: int | None = None, **options: Any
    ) -> None:
        given = {"ns": ns} if ns is not None else {"times": times}
        real(path, **given, dir_fd=dir_fd, **options)
        stamps = ns or (times and tuple(int(item * 10**9) for item in times))
        self._note_facts("times", path, dir_fd, stamps)

    def _chmod_(self, real: _Real, path: Any, mode: int, *, dir_fd: int | None = None, **options: Any) -> None:
        real(path, mode, dir_fd=dir_fd, **options)
        self._note_facts("chmod", path, dir_fd, mode)

    def _fchmod_(self, real: _Real, descriptor: int, mode: int) -> None:
        real(descriptor, mode)
        self._note_facts("chmod", descriptor, None, mode)

    def _note_facts(self, kind: str, path: Any, folder: int | None, fact: Any) -> None:
        inside = self._path_of(path) if isinstance(path, int) else self._inside(path, folder)
        if inside is not None:
            self._note(kind, inside, fact)

    def _path_of(self, descriptor: int) -> str | None:
        known = self._open.get(descriptor)
        if not isinstance(known, int):
            return known
        file = self._disk.files[known]
        return next((path for path, node in self._disk.tree().items() if _is(node, file)), None)

    def _require_complete(self) -> None:
        """What was written down must give what is there."""
        tree = self._disk.tree()
        found = {str(path.relative_to(self._top)) for path in self._top.rglob("*")}
        assert found == set(tree), f"not recorded: {sorted(found ^ set(tree))}"
        for path, node in tree.items():
            if isinstance(node, tuple):
                assert (self._top / path).read_bytes() == node[1], f"the bytes of {path} were written past `os`"
            elif isinstance(node, Folder):
                assert (self._top / path).is_dir(), f"{path} is no folder"


def _is(node: Any, file: File) -> bool:
    return isinstance(node, tuple) and node[0] is file
