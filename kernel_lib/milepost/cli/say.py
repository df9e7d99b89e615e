"""Prints to people what may hold names that others chose."""

from __future__ import annotations

import sys
from typing import TextIO

from milepost.widget.shorten import printable


def say(text: str, file: TextIO | None = None) -> None:
    """Print, with nothing in it that could steer a terminal, whatever that can show."""
    file = file or sys.stdout
    encoding = file.encoding or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=file)
