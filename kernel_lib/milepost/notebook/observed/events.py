"""What each audit event says of a body."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from milepost.analysis.modules import is_project
from milepost.notebook.observed.content import listing, matches
from milepost.notebook.observed.places import Places
from milepost.notebook.observed.watch import Watch

Handler = Callable[..., None]

WRITES = os.O_WRONLY | os.O_RDWR


def absolute(watch: Watch, places: Places, path: Any, folder: int = -1) -> str:
    """The absolute path of what an event names, "" where it is not data; a relative one is noted with its folder."""
    if isinstance(path, int) or path is None:
        return ""
    text = os.fsdecode(path)
    if not os.path.isabs(text):
        if folder not in (-1, None):
            return ""  # a walk through an open folder: the event of the walk itself has said which
        here = os.getcwd()
        found = os.path.normpath(os.path.join(here, text))
        if not places.counts(found):
            return ""
        watch.cwd = watch.cwd or here
        return found
    found = os.path.normpath(text)
    return found if places.counts(found) else ""


# files


def _opened(watch: Watch, places: Places, path: Any, mode: Any, flags: Any) -> None:
    if _importing() or not (found := absolute(watch, places, path)) or os.path.isdir(found):
        return
    flags = flags if isinstance(flags, int) else 0
    if not flags & WRITES:
        watch.read(found)
    elif flags & os.O_APPEND:
        watch.write(found, appends=True, keeps=bool(flags & os.O_RDWR))
    else:
        watch.write(found, keeps=not flags & (os.O_TRUNC | os.O_EXCL) and bool(flags & WRITES))


_SOURCES = frozenset({"linecache", "tokenize", "importlib._bootstrap_external", "inspect", "traceback"})


def _looks_for_packages() -> bool:
    """Whether Python looks through all of `sys.path` for what is installed: what it finds there, it reads."""
    return any(frame.f_globals.get("__name__") == "importlib.metadata" for frame in callers(2))


def _importing() -> bool:
    """Whether Python looks for code, or reads it: that counts by what it says."""
    return any(frame.f_globals.get("__name__") in _SOURCES for frame in callers(2))


def callers(count: int) -> list[FrameType]:
    """The frames, from the one that called on, outside of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_HERE):
        frame = frame.f_back
    found: list[FrameType] = []
    while frame is not None and len(found) < count:
        found.append(frame)
        frame = frame.f_back
    return found


_HERE = __name__.rpartition(".")[0]


def by_user(through: frozenset[str] = frozenset()) -> bool:
    """Whether the code that called is the notebook's or a project's own; modules in `through` only pass it on."""
    name = next((n for f in callers(8) if (n := f.f_globals.get("__name__", "")) not in through), "")
    return name == "__main__" or is_project(sys.modules.get(name))


def _database(watch: Watch, places: Places, path: Any) -> None:
    """SQLite opens its file in C, to read and to write."""
    text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
    if text.startswith("file:"):
        text = "" if "mode=memory" in text else unquote(urlsplit(text).path)
    if text and text != ":memory:" and (found := absolute(watch, places, text)):
        watch.write(found, keeps=True)


# paths


def _removed(watch: Watch, places: Places, path: Any, folder: Any = -1) -> None:
    if found := absolute(watch, places, path, folder):
        watch.write(found)


def _renamed(watch: Watch, places: Places, source: Any, target: Any, *folders: Any) -> None:
    for path in (source, target):
        if found := absolute(watch, places, path):
            watch.write(found)


def _linked(watch: Watch, places: Places, source: Any, target: Any, *folders: Any) -> None:
    if found := absolute(watch, places, target):
        watch.write(found)


def _made_folder(watch: Watch, places: Places, path: Any, mode: Any = 0, folder: Any = -1) -> None:
    found = absolute(watch, places, path, folder)
    if found and not os.path.isdir(found):
        watch.write(found)


def _truncated(watch: Watch, places: Places, path: Any, length: Any) -> None:
    if found := absolute(watch, places, path):
        watch.write(found, keeps=True)


def _temporary(watch: Watch, places: Places, path: Any) -> None:
    watch.own.add(os.path.abspath(os.fsdecode(path)))


# folders


def _listed(watch: Watch, places: Places, path: Any = None) -> None:
    if isinstance(path, int) or _within_glob() or _importing() or _looks_for_packages():
        return
    found = absolute(watch, places, "." if path in (None, "") else path)
    if found and found not in watch.folders:
        watch.folders[found] = listing(found)


def _within_glob() -> bool:
    """Whether a pattern is being matched: what that depends on is what matches."""
    return any(
        frame.f_globals.get("__name__", "").partition(".")[0] in ("glob", "pathlib")
        and frame.f_code.co_name not in ("iterdir", "walk")
        for frame in callers(2)
    )


def _globbed(watch: Watch, places: Places, pattern: Any, recursive: Any, root: Any = None, folder: Any = None) -> None:
    text = os.fsdecode(pattern)
    _matched(watch, places, os.path.join(os.fsdecode(root), text) if root is not None else text, "glob")


def _path_glob(watch: Watch, places: Places, path: Any, pattern: Any) -> None:
    _matched(watch, places, os.path.join(os.fspath(path), os.fspath(pattern)), "path glob")


def _path_rglob(watch: Watch, places: Places, path: Any, pattern: Any) -> None:
    _matched(watch, places, os.path.join(os.fspath(path), "**", os.fspath(pattern)), "path glob")


def _matched(watch: Watch, places: Places, pattern: str, kind: str) -> None:
    found = absolute(watch, places, pattern)
    if found and (kind, found) not in watch.patterns and not _importing():
        watch.patterns[kind, found] = matches(found, hidden=kind == "path glob")


# what cannot be followed


def _program(watch: Watch, places: Places, program: Any = "", *more: Any) -> None:
    _started(watch, program, more[0] if more and isinstance(more[0], list | tuple) else ())


def _command(watch: Watch, places: Places, command: Any) -> None:
    _started(watch, os.fsdecode(command).split(" ")[0], ())


def _forked(watch: Watch, places: Places) -> None:
    _started(watch, "", ())


def _started(watch: Watch, program: Any, args: Any) -> None:
    if _by_milepost():
        return
    name = os.path.basename(os.fsdecode(program)) if isinstance(program, str | bytes | os.PathLike) else ""
    words = [str(arg) for arg in args]
    if name in _TELL_OF_MACHINE or (name == "sh" and words[-1:] and words[-1].split(" ")[0] in _TELL_OF_MACHINE):
        return
    if (not name and not words) or "multiprocessing" in " ".join(words) or "loky" in " ".join(words):
        text = "it started processes of Python: what those read or write is not tracked"
        watch.untracked.setdefault("processes", text)
    else:
        text = f"it started a program ({name}): what that read or wrote is not tracked"
        watch.untracked.setdefault("program", text)


_TELL_OF_MACHINE = frozenset(
    {
        "lscpu",
        "uname",
        "ldconfig",
        "getconf",
        "nvidia-smi",
        "rocm-smi",
        "sysctl",
        "fc-list",
        "gcc",
        "cc",
        "ld",
        "objdump",
    }
)
"""Programs by which libraries find out about the machine."""


def _by_milepost() -> bool:
    """Whether the nearest code that is no part of the standard library is ours."""
    for frame in callers(30):
        root = frame.f_globals.get("__name__", "").partition(".")[0]
        if root not in sys.stdlib_module_names or root == "__main__":
            return bool(root == "milepost")
    return False


def _network(watch: Watch, places: Places, *args: Any) -> None:
    address = args[1] if len(args) > 1 and isinstance(args[1], tuple) else args
    host = next((part for part in address if isinstance(part, str | bytes) and part), "")
    words = f" ({os.fsdecode(host)})" if host else ""
    text = f"it asked the network{words}: what came from there is not tracked"
    watch.untracked.setdefault("network", text)


# threads


def _thread(watch: Watch, places: Places, function: Any = None, *args: Any) -> None:
    started = getattr(function, "__self__", None)
    if isinstance(started, threading.Thread):
        started.__dict__["milepost_watch"] = watch


HANDLERS: dict[str, Handler] = {
    "open": _opened,
    "sqlite3.connect": _database,
    "os.remove": _removed,
    "os.rmdir": _removed,
    "shutil.rmtree": _removed,
    "os.rename": _renamed,
    "shutil.move": _renamed,
    "os.link": _linked,
    "os.symlink": _linked,
    "os.mkdir": _made_folder,
    "os.truncate": _truncated,
    "tempfile.mkstemp": _temporary,
    "tempfile.mkdtemp": _temporary,
    "os.listdir": _listed,
    "os.scandir": _listed,
    "glob.glob/2": _globbed,
    "pathlib.Path.glob": _path_glob,
    "pathlib.Path.rglob": _path_rglob,
    "subprocess.Popen": _program,
    "os.exec": _program,
    "os.posix_spawn": _program,
    "os.spawn": lambda watch, places, mode, path, args, env: _program(watch, places, path, args),
    "os.system": _command,
    "os.fork": _forked,
    "os.forkpty": lambda watch, places: _started(watch, "in a terminal", ()),
    "pty.spawn": lambda watch, places, argv: _program(watch, places, argv[0] if argv else "", argv),
    "socket.connect": _network,
    "socket.getaddrinfo": _network,
    "socket.gethostbyname": _network,
    "_thread.start_new_thread": _thread,
    "_thread.start_joinable_thread": _thread,
}
"""By the name of the event: takes the watch, the places, and the event's arguments."""
