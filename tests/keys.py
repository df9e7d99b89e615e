"""A signing key of a test's own."""

from __future__ import annotations

from pathlib import Path

from milepost.model.trust import make_key


def signing_key(path: Path) -> str:
    """What to set `MILEPOST_KEY_FILE` to: a key at `path`, made where there is none."""
    make_key(path)
    return str(path)
