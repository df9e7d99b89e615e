"""Text that others wrote, made fit to be shown: short, on one line, and unable to reorder what surrounds it."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_MARK = "\N{REPLACEMENT CHARACTER}"


def shorten(text: str, length: int) -> str:
    """At most `length` characters on one line; control and direction marks become visible, a cut ends in `…`."""
    head = text[: length + 1].replace("\n", " ").replace("\t", " ")
    clean = "".join(_MARK if unicodedata.category(c) in _HIDDEN else c for c in head)
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def printable(text: str) -> str:
    """All of it, on as many lines, with control and direction marks made visible."""
    return "\n".join(shorten(line, len(line)) for line in text.split("\n"))
