"""What a task in the background shows: kept for the checkpoint, for who follows it, for the widget and in a file."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from milepost.notebook.recorder import Event, Output, Recorder

TAIL = 65_536
"""Characters that the widget can see of one task."""

FILE_BYTES = 10_000_000
"""Size at which a log file is cut."""


_numbers = itertools.count(1)


class Log(Recorder):
    """Records one task that shows nothing by itself. Written by the threads of the task, read by any.

    `number` tells one run from another. `path` is in a folder that is there.
    """

    quiet = True

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self.number = next(_numbers)
        self._lock = threading.RLock()
        self._events: list[Event] = []
        """What no cell has shown yet."""
        self._tail: deque[str] = deque()
        self._end = 0
        self._kept = 0
        self._file = _LogFile(path) if path is not None else None

    # written

    def stream(self, name: str, text: str) -> None:
        """Text written to stdout or stderr."""
        with self._lock:
            super().stream(name, text)
            self._events.append(("stream", (name, text)))
            self._write(text)

    def display(self, data: Output, metadata: Output | None, transient: Output | None, update: bool) -> None:
        """A display, or an update of an earlier one with the same display id."""
        with self._lock:
            super().display(data, metadata, transient, update)
            self._events.append(("display", (data, metadata, transient, update)))
            self._write(_text(data))

    def result(self, data: Output, metadata: Output | None) -> None:
        """The value of the last expression."""
        with self._lock:
            super().result(data, metadata)
            self._events.append(("result", (data, metadata)))
            self._write(_text(data))

    def error(self, name: str, text: str, lines: Sequence[str]) -> None:
        """A traceback that was shown, though the body went on."""
        with self._lock:
            super().error(name, text, lines)
            self._events.append(("error", (name, text, list(lines))))
            self._write("\n".join(lines) + "\n")

    def clear(self, wait: bool) -> None:
        """Forget what was shown; the log keeps it."""
        with self._lock:
            super().clear(wait)
            self._events.append(("clear", (wait,)))

    def note(self, text: str) -> None:
        """A line that is not the task's own, such as its traceback: in the log, not in its outputs."""
        with self._lock:
            self._write(text.rstrip("\n") + "\n")

    def absorb(self, outputs: list[Output]) -> None:
        """Outputs that were recorded before."""
        for output in outputs:
            if output["output_type"] == "stream":
                self.stream(output["name"], output["text"])
            elif output["output_type"] == "execute_result":
                self.result(output["data"], output["metadata"])
            elif output["output_type"] == "error":
                self.error(output["ename"], output["evalue"], output["traceback"])
            else:
                identity = output.get("display_id")
                update = output["output_type"] == "update_display_data"
                self.display(output["data"], output["metadata"], {"display_id": identity} if identity else None, update)

    def _write(self, text: str) -> None:
        self._tail.append(text)
        self._end += len(text)
        self._kept += len(text)
        while self._kept - len(self._tail[0]) >= TAIL:
            self._kept -= len(self._tail.popleft())
        if self._file is not None:
            self._file.write(text)

    def close(self) -> None:
        """Nothing more will come."""
        with self._lock:
            if self._file is not None:
                self._file.close()

    # read

    def news(self) -> list[Event]:
        """What was shown since the last call, for the cell that shows it on."""
        with self._lock:
            news, self._events = self._events, []
            return news

    def text(self, start: int = 0) -> tuple[int, str]:
        """The log from a character on, as far as it is kept: the number of the first one given, and the text."""
        with self._lock:
            kept = "".join(self._tail)[-TAIL:]
            first = self._end - len(kept)
            begin = min(max(start, first), self._end)
            return begin, kept[begin - first :]


class _LogFile:
    """A text file that is made with its first text and ends at a fixed size; one that cannot be written is let be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._left = FILE_BYTES
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def write(self, text: str) -> None:
        if self._left <= 0:
            return
        try:
            self._open().write(self._cut(text))
            self._open().flush()
        except OSError:
            self._left = 0

    def _open(self) -> TextIO:
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", errors="replace")
        return self._file

    def _cut(self, text: str) -> str:
        data = text.encode("utf-8", "replace")
        self._left -= len(data)
        if self._left > 0:
            return text
        return data[: self._left or None].decode("utf-8", "ignore") + f"\n… cut here, at {FILE_BYTES:,} bytes\n"

    def close(self) -> None:
        self._left = 0
        if self._file is not None:
            with contextlib.suppress(OSError):  # what could not be written is written once more
                self._file.close()


def _text(data: Output) -> str:
    """What a display says where there is only text."""
    return f"{data.get('text/plain', '')}\n" if data else ""
