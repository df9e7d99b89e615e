"""Numbers in words, of bytes also back."""

from __future__ import annotations

import re

from milepost.model.errors import UsageError

_UNITS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", re.IGNORECASE)


def size(nbytes: int) -> str:
    """As `640 B`, `1.2 kB`, `38 MB`; powers of 1000."""
    if nbytes < 1000:
        return f"{nbytes} B"
    value = float(nbytes)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def count(number: int, thing: str) -> str:
    """As `1 object`, `2 objects`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def parse_size(text: str) -> int:
    """The bytes that `5GB`, `500 MB`, `1.5g` or `2GiB` are.

    Raises
    ------
    UsageError
        When it is no such thing.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise UsageError(f"{text!r} is no size; sizes are such as 500MB, 5GB or 2GiB")
    return int(float(match[1]) * _UNITS[(match[2] or "").lower()])
