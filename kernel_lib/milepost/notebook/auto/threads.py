"""Threads in which the user's own code runs, or will: they change variables while no cell does."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

from milepost.analysis.modules import is_project
from milepost.notebook.observed.telling import of_jupyter


def own_threads() -> set[threading.Thread]:
    """Those that are alive; not those of libraries which wait for work, as a bar of progress has one."""
    here = threading.current_thread()
    others = [thread for thread in threading.enumerate() if thread is not here and not of_jupyter(thread)]
    frames = sys._current_frames() if others else {}
    return {thread for thread in others if _started_with(thread) or _runs_own(frames.get(thread.ident or 0))}


def _started_with(thread: threading.Thread) -> bool:
    called: Any = getattr(thread, "function", None) or getattr(thread, "_target", None) or type(thread)
    return _own(getattr(called, "__module__", None))


def _runs_own(frame: FrameType | None) -> bool:
    while frame is not None:
        if _own(frame.f_globals.get("__name__")):
            return True
        frame = frame.f_back
    return False


def _own(module: object) -> bool:
    return isinstance(module, str) and (module == "__main__" or is_project(sys.modules.get(module)))
