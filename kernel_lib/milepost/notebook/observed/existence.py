"""What the user's code asks about paths without opening them: whether something is there, what it is, how large."""

from __future__ import annotations

import functools
import os
from typing import Any

from milepost.notebook.observed.content import at_path
from milepost.notebook.observed.events import absolute, by_user
from milepost.notebook.observed.places import Places
from milepost.notebook.observed.swap import Swap
from milepost.notebook.observed.telling import tell
from milepost.notebook.observed.watch import Watch

_PASSED_ON = frozenset({"os", "os.path", "posixpath", "ntpath", "genericpath", "pathlib", "pathlib._local"})
_stat: Any = os.stat


@functools.wraps(_stat)
def _recording(path: Any, *args: Any, **options: Any) -> Any:
    if not isinstance(path, int) and options.get("dir_fd") is None and by_user(_PASSED_ON):
        tell(_looked_for, path)
    return _stat(path, *args, **options)


def _put() -> None:
    if os.stat is _stat:
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            able.update({_recording} if _stat in able else set())
        os.stat = _recording


def _put_back() -> None:
    if os.stat is _recording:
        os.stat = _stat


RECORDED_STAT = Swap(_put, _put_back)
"""While it is entered, `os.stat`, through which `os.path` and `pathlib` ask, tells what it is asked."""


def _looked_for(watch: Watch, places: Places, path: Any) -> None:
    found = absolute(watch, places, path)
    if found and found not in watch.looked_for and found not in watch.files:
        watch.looked_for[found] = at_path(found)
