"""What a body finds around it, and should find in a worker too."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple


class Surroundings(NamedTuple):
    """The working folder ("" if it is gone), the module path, the arguments, the environment as bytes."""

    folder: str
    path: tuple[str, ...]
    argv: tuple[str, ...]
    environ: dict[bytes, bytes]

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process, now."""
        return cls(_folder(), module_path(), tuple(getattr(sys, "argv", ())), _environ().copy())

    def enter(self) -> None:
        """Make this process's the same."""
        if self.folder and self.folder != _folder():
            os.chdir(self.folder)
        sys.path[:], sys.argv[:] = self.path, self.argv
        if self.environ != _environ():
            os.environb.clear()
            os.environb.update(self.environ)


def module_path() -> tuple[str, ...]:
    """Where Python looks for modules; what is no string there it ignores too."""
    return tuple(entry for entry in sys.path if isinstance(entry, str))


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _environ() -> dict[bytes, bytes]:
    """What `os.environb` holds; reading that takes ten times as long, as it checks and converts each entry."""
    data: dict[bytes, bytes] = os.environb._data  # type: ignore[attr-defined]
    return data
