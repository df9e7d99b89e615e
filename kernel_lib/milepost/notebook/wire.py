"""What a body in a worker process shows, in the stream of what it prints: at the very place where it was shown.

Each display is an escape sequence (an APC, which a terminal does not show) that holds a JSON text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from milepost.notebook.recorder import Event, Recorder

START, END = "\x1b_milepost ", "\x1b\\"


def encoded(event: Event) -> str:
    """An event as text; JSON escapes the character that `END` begins with."""
    return START + json.dumps(event, default=_plain) + END


def _plain(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


class Decoder(Recorder):
    """Takes what a worker process prints, and gives each text and each display to `tell`."""

    quiet = True

    def __init__(self, tell: Callable[[Event], object]) -> None:
        super().__init__()
        self._tell = tell
        self._held = {"stdout": "", "stderr": ""}

    def stream(self, name: str, text: str) -> None:
        """A part of the stream; what may be the beginning of a display waits for its end."""
        self._held[name] += text
        while (event := self._next(name)) is not None:
            self._tell(event)

    def close(self) -> None:
        """Nothing more will come."""
        for name, text in self._held.items():
            if text:
                self._tell(("stream", (name, text)))
        self._held = dict.fromkeys(self._held, "")

    def _next(self, name: str) -> Event | None:
        held = self._held[name]
        if held.startswith(START):
            end = held.find(END)
            self._held[name] = held[end + len(END) :] if end >= 0 else held
            return _decoded(held[: end + len(END)]) if end >= 0 else None
        size = _before(held, START)
        self._held[name] = held[size:]
        return ("stream", (name, held[:size])) if size else None


def _before(text: str, mark: str) -> int:
    """How much of a text comes before a mark, or before what may be the beginning of one at its end."""
    found = text.find(mark)
    if found >= 0:
        return found
    partial = (size for size in range(min(len(mark), len(text)), 0, -1) if mark.startswith(text[-size:]))
    return len(text) - next(partial, 0)


def _decoded(text: str) -> Event:
    """The event; a text that holds none is what the body printed."""
    try:
        method, arguments = json.loads(text[len(START) : -len(END)])
    except ValueError:
        return "stream", ("stdout", text)
    return method, tuple(arguments)
