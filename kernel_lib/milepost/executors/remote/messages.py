"""What is said between this process and a worker of its own, over a pair of sockets that nobody else has."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from milepost.executors.remote.payload import Parcel


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a body finds around it: the working folder ("" if it is gone), the module path, environment, arguments."""

    folder: str
    path: tuple[str, ...]
    environ: dict[str, str]
    argv: tuple[str, ...]

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process, now."""
        try:
            folder = os.getcwd()
        except OSError:
            folder = ""
        return cls(folder, module_path(), dict(os.environ), tuple(getattr(sys, "argv", ())))

    def enter(self) -> None:
        """Make this process's the same."""
        if self.folder and self.folder != _folder():
            os.chdir(self.folder)
        sys.path[:], sys.argv[:] = self.path, self.argv
        if self.environ != dict(os.environ):
            os.environ.clear()
            os.environ.update(self.environ)


def module_path() -> tuple[str, ...]:
    """Where Python looks for modules; what is no string there it ignores too."""
    return tuple(entry for entry in sys.path if isinstance(entry, str))


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Request:
    """To the worker: call the body of this task; `parcel` holds the body and its arguments."""

    task: str
    parcel: Parcel
    surroundings: Surroundings


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the worker: stop what you do."""

    reason: str


@dataclass(frozen=True, slots=True)
class Begun:
    """From the worker: what happens from here on is the task's doing."""


@dataclass(frozen=True, slots=True)
class Declined:
    """From the worker: it ends without having touched the request; ask another."""


@dataclass(frozen=True, slots=True)
class Progress:
    """From the worker: how far the body has come."""

    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """From the worker: the value, CPU seconds, and the most bytes of memory it held meanwhile (None: not known)."""

    parcel: Parcel
    cpu: float
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Raised:
    """From the worker: an exception as text, and as a pickle if it has one that can be opened."""

    type: str
    message: str
    traceback: str
    pickled: bytes | None
