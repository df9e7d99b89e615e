"""Immutable objects, a file each, named by the BLAKE3 hash of their bytes."""

from __future__ import annotations

import errno
import mmap
import os
import pickle
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from blake3 import blake3

from milepost.checkpoint.atomic import is_folder, make_folder, publish, write_file
from milepost.checkpoint.drafts import Drafts
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.plain import NOT_PLAIN, NotPlainError, open_plain
from milepost.checkpoint.sweep import take_back
from milepost.hashing import LARGE, hexdigest
from milepost.model.errors import CorruptCheckpointError, UnreadableError

MAP_FROM = 64 * 1024
"""Buffers of at least so many bytes are mapped; smaller ones are read, as maps are a limited resource."""

_PIECE = 1024 * 1024
_MOST_KNOWN = 100_000
_OBJECT_MODE = 0o444
_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
_DAMAGE = {errno.ENOENT: "it is missing", errno.ELOOP: f"it {NOT_PLAIN}"}


def address_of(data: Any) -> str:
    """The address of these bytes: 64 hexadecimal digits of their BLAKE3 hash."""
    return hexdigest(data)


def flat(buffer: Any) -> memoryview:
    """The bytes of any contiguous buffer, of whatever shape and order, without a copy."""
    if isinstance(buffer, memoryview) and buffer.c_contiguous and buffer.nbytes:
        # Not a view of a view: in a cycle of garbage, such as a traceback makes, that crashes CPython 3.11.
        return buffer.cast("B")
    return pickle.PickleBuffer(buffer).raw()


def file_of(address: str, found: os.stat_result) -> str:
    """Which file holds an object, as it is now: another one, or one that was changed since, is called otherwise."""
    inode, _, written, changed = _identity(found)
    return f"{address}:{inode:x}:{written:x}:{changed:x}"


class Objects:
    """The objects of one store; damaged ones that were met are put aside by `heal`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._damaged: dict[str, tuple[str, int]] = {}
        """What is wrong with an object, and the size that it should have, by address."""
        self._sound: dict[str, tuple[int, int, int, int]] = {}
        """What was verified, as it was then, by address; not more than `_MOST_KNOWN`."""
        self._large: set[int] | None = None

    @property
    def damaged(self) -> dict[str, str]:
        """What is wrong, by address, with each object that could not be read."""
        return {address: what for address, (what, _) in self._damaged.items()}

    def put(self, data: Any) -> str:
        """Store the bytes, unless they are there already; their address."""
        view = flat(data)
        return self._keep(address_of(view), view)

    def put_all(self, buffers: Iterable[Any]) -> list[str]:
        """As `put`, for each of them."""
        views = [flat(buffer) for buffer in buffers]
        with suppress(RuntimeError):  # at the end of the interpreter no thread can be started any more
            if any(len(view) >= LARGE for view in views):
                return self._put_at_once(views)
        return [self.put(view) for view in views]

    def _put_at_once(self, views: list[memoryview]) -> list[str]:
        folder = self._layout.objects
        make_folder(folder)
        sizes = self._sizes()
        with Drafts(folder, _OBJECT_MODE) as drafts:
            for view in views:
                # What has the size of an object may be that object: then it is hashed before anything is written.
                drafts.begin(view, write=len(view) >= LARGE and len(view) not in sizes)
            sizes.update(len(view) for view in views)
            return [self._keep(drafts.address(number), view, drafts, number) for number, view in enumerate(views)]

    def _keep(self, address: str, view: memoryview, drafts: Drafts | None = None, number: int = 0) -> str:
        if not self._reuse(address, len(view)):
            path = self._place(address)
            draft = drafts.draft(number) if drafts else None
            if draft is None or not publish(draft, path):
                write_file(path, view, mode=_OBJECT_MODE)
            # Not known to be sound: another thread may change a value between its hash and its writing. See `confirm`.
        return address

    def ensure(self, address: str, data: Any) -> None:
        """Have an object that was put still be there: a clean-up that did not know who needs it may have taken it."""
        if self._is_there(address) or take_back(self._layout, address):
            return
        if self.put(data) != address:
            raise OSError(errno.ESTALE, "a value changed while it was saved", str(self._layout.object(address)))

    def _sizes(self) -> set[int]:
        """The sizes of the large objects that there are, as far as is known: what is missed is written in vain."""
        if self._large is None:
            self._large = set(_sizes_in(self._layout.objects))
        return self._large

    def _place(self, address: str) -> Path:
        path = self._layout.object(address)
        make_folder(path.parent.parent)
        make_folder(path.parent)
        return path

    def read(self, address: str, size: int) -> bytes:
        """The bytes of an object of `size` bytes, verified."""
        with self._opened(address, size) as descriptor:
            data = os.pread(descriptor, size, 0) if size < MAP_FROM else _read_all(descriptor, size)
            _require(address, address_of(data))
            return data

    def map(self, address: str, size: int, known: Callable[[str], bool] = lambda file: False) -> Any:
        """An object as a writable buffer; writing to it never reaches the file.

        A large one in a `known` file (see `file_of`) is not looked at, unless it is known to be damaged: have it
        checked soon.
        """
        if size < MAP_FROM or len(_maps) >= _most_maps():
            return bytearray(self.read(address, size))
        with self._opened(address, size) as descriptor:
            data = mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)
            _maps.add(data)
            found = os.fstat(descriptor)
            if address in self._damaged or not known(file_of(address, found)):
                _require(address, address_of(data))
                self._know(address, _identity(found))
            return data

    def check(self, address: str, size: int, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Verify an object, in little memory, unless it was and has not changed; False where `stopping()` ended it."""
        with self._opened(address, size) as descriptor:
            identity = _identity(os.fstat(descriptor))
            if self._sound.get(address) == identity:
                return True
            found = _address_of_file(descriptor, stopping)
            if found is not None:
                _require(address, found)
                self._know(address, identity)
            return found is not None

    def _know(self, address: str, identity: tuple[int, int, int, int]) -> None:
        if len(self._sound) >= _MOST_KNOWN:
            self._sound.clear()  # what is asked for again is hashed once more
        self._sound[address] = identity

    def confirm(self, address: str, size: int, stopping: Callable[[], bool]) -> bool:
        """As `check`, of what was just written; raises the `OSError` of what cannot be read."""
        try:
            return self.check(address, size, stopping)
        except (CorruptCheckpointError, UnreadableError) as error:
            cause = error.__cause__
            if isinstance(cause, _DamagedError) or not isinstance(cause, OSError):
                raise
            self._damaged.pop(address, None)  # a clean-up may have it for a moment
            raise cause from None

    def heal(self) -> None:
        """Move damaged objects out of the way, so that saving the same bytes again writes them anew."""
        for address, (_, size) in list(self._damaged.items()):
            path = self._layout.object(address)
            self._refuse_links(path.parent)
            # Another process may have written it anew meanwhile.
            if os.path.lexists(path) and not _holds(path, address, size):
                make_folder(self._layout.quarantine)
                with suppress(FileNotFoundError):
                    os.replace(path, self._layout.quarantine / address)
            self._damaged.pop(address, None)

    def _reuse(self, address: str, size: int) -> bool:
        """Whether the object is there and sound: what was damaged, or put there by somebody else, is written anew."""
        path = self._layout.object(address)
        if not os.path.lexists(path):
            return False
        try:
            self.check(address, size)
        except (CorruptCheckpointError, UnreadableError):
            self.heal()
            return False
        return self._touch(address, path)

    def _touch(self, address: str, path: Path) -> bool:
        """A fresh time keeps other processes' clean-up away until our record is written; False when one was faster."""
        checked = self._sound.get(address)
        try:
            os.utime(path)
            found = _identity(path.lstat())
        except FileNotFoundError:
            return False
        except PermissionError:
            return True  # another user's, in a store that is shared: `ensure` writes it anew where it has gone
        if checked is not None and checked[0] == found[0]:
            self._sound[address] = found
        return True

    def _is_there(self, address: str) -> bool:
        # Opened, not looked up: what a network file system remembers of names may be out of date.
        try:
            os.close(open_plain(self._layout.object(address)))
        except (FileNotFoundError, NotPlainError):
            return False
        return True

    @contextmanager
    def _opened(self, address: str, size: int) -> Iterator[int]:
        try:
            descriptor = self._descriptor(address)
            try:
                _require_size(descriptor, size)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._noted(address, size, error) from error

    def _descriptor(self, address: str) -> int:
        """The object's file, which a clean-up may have in the trash for a moment and then put back."""
        place, trash = self._layout.object(address), self._layout.trash / address
        for path in (place, trash, place):
            self._refuse_links(path.parent)
            with suppress(FileNotFoundError):
                return open_plain(path)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))

    def _refuse_links(self, folder: Path) -> None:
        is_folder(self._layout.objects)
        is_folder(folder)

    def _noted(self, address: str, size: int, error: OSError) -> CorruptCheckpointError | UnreadableError:
        what = _DAMAGE.get(error.errno or 0, "") if not isinstance(error, _DamagedError) else str(error)
        if what:
            self._damaged[address] = what, size
            return CorruptCheckpointError(f"object {address[:12]}…: {what}")
        # Too many open files, say, is no damage: nothing to put aside.
        return UnreadableError(f"object {address[:12]}… cannot be read: {error.strerror or error}")


class _DamagedError(OSError):
    """What is wrong with an object, on its way to a sentence that names it."""


def _require(address: str, found: str) -> None:
    if found != address:
        raise _DamagedError("its bytes are not those that were saved")


def _sizes_in(folder: Path) -> Iterator[int]:
    for shard in os.scandir(folder):
        if shard.is_dir(follow_symlinks=False):
            with suppress(FileNotFoundError), os.scandir(shard) as found:
                yield from (size for item in found if (size := item.stat(follow_symlinks=False).st_size) >= LARGE)


def _holds(path: Path, address: str, size: int) -> bool:
    try:
        descriptor = open_plain(path)
    except OSError:
        return False
    try:
        # A file of another size may be one without end.
        return os.fstat(descriptor).st_size == size and _address_of_file(descriptor, lambda: False) == address
    finally:
        os.close(descriptor)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    """With both times: programs set the one of the last writing back, and on Windows the other is that of the birth."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _address_of_file(descriptor: int, stopping: Callable[[], bool]) -> str | None:
    """The address of a file's bytes, by one thread and read in pieces; None when it was `stopping()`."""
    hasher, piece = blake3(), bytearray(_PIECE)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while count := file.readinto(piece):
            if stopping():
                return None
            hasher.update(memoryview(piece)[:count])
    return hasher.hexdigest()


def _most_maps() -> int:
    """How many maps there may be at a time: each takes one of the files that a process may have open."""
    try:
        import resource
    except ImportError:
        return 1000
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 10_000 if limit == resource.RLIM_INFINITY else min(limit // 4, 10_000)


def _require_size(descriptor: int, size: int) -> None:
    found = os.fstat(descriptor)
    if found.st_size != size:
        raise _DamagedError(f"it has {found.st_size} bytes instead of {size}")


def _read_all(descriptor: int, size: int) -> bytes:
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(size)
