"""Which process this is, and whether another one still lives: by what no wall clock can change."""

from __future__ import annotations

import functools
import importlib
import os
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

from milepost.model.once import Owner

_STATE, _START = 0, 19
"""Fields of `/proc/PID/stat` behind the name: the state, and the ticks from the machine's start to the process's."""

_DEAD = frozenset("ZXx")


def this_process() -> Owner:
    """The one that asks."""
    return _process(os.getpid())


def is_alive(owner: Owner) -> bool | None:
    """Whether a process runs; None where it is one of another machine (or container), which cannot be seen here."""
    if owner.machine != _machine():
        return None
    return _began(owner.pid) == owner.began


@functools.lru_cache(maxsize=1)
def _process(pid: int) -> Owner:
    return Owner(host=socket.gethostname(), machine=_machine(), pid=pid, began=_began(pid))


@functools.cache
def _machine() -> str:
    """This start of this machine, and what of its processes can be seen: containers number theirs by themselves."""
    if not sys.platform.startswith("linux"):
        return f"{uuid.getnode():x}"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"


def _began(pid: int) -> str:
    """When a process began, "" where none of that number runs."""
    if not sys.platform.startswith("linux"):
        return _told_by_psutil(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[_STATE] in _DEAD else fields[_START]


def _told_by_psutil(pid: int) -> str:
    psutil: Any = importlib.import_module("psutil")
    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return ""
