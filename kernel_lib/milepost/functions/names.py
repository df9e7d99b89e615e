"""Names for the items of a map: from an item's value where it has a plain one, so that other items do not change it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from hashlib import sha256
from numbers import Integral
from pathlib import PurePath
from typing import Any

from milepost.model.errors import UsageError

LONGEST = 60
"""Characters up to which a value stands in the name as it is; a longer one is cut, and told apart by its hash."""

PLAIN_SIZE = 10_000
"""Characters up to which a value's text is made at all."""

Key = Callable[[Any], Any]


class _NoText(Exception):
    """The value is not plain, or too long."""


def unique(texts: Iterable[str]) -> list[str]:
    """The texts, those met before with a number behind."""
    met: dict[str, int] = {}
    return [_numbered(text, met) for text in texts]


def _numbered(text: str, met: dict[str, int]) -> str:
    met[text] = times = met.get(text, 0) + 1
    return text if times == 1 else f"{text} #{times}"


def item_text(place: int, item: Any, key: Key | None) -> str:
    """What stands in the brackets for an item: its value, what `key` gives for it, else its place.

    Raises
    ------
    UsageError
        When `key` gives something that is not plain.
    """
    try:
        text = _text(item if key is None else key(item))
    except _NoText:
        if key is None:
            return f"#{place}"
        words = f"key gives a {type(key(item)).__name__} for item {place}, of which no name can be made"
        raise UsageError(f"{words}: let it give a string, a number, or a tuple of these") from None
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 17]}…{sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()[:16]}"


def _text(value: Any) -> str:
    """What Python would read the value from, the same in every process; subclasses read as what they are based on."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, Integral):  # NumPy's too
        return repr(int(value))
    if isinstance(value, float):
        return float.__repr__(value)
    if isinstance(value, str | PurePath):
        return _short(str.__repr__(str(value)))
    if isinstance(value, date):
        return str(value)
    return _text_of_parts(value)


def _text_of_parts(value: Any) -> str:
    if type(value) is dict:
        return _short("{" + ", ".join(f"{_text(name)}: {_text(part)}" for name, part in value.items()) + "}")
    if type(value) not in (list, tuple):
        raise _NoText
    text = ", ".join(map(_text, value))
    if type(value) is list:
        return _short(f"[{text}]")
    return _short(f"({text},)" if len(value) == 1 else f"({text})")


def _short(text: str) -> str:
    if len(text) > PLAIN_SIZE:
        raise _NoText
    return text
