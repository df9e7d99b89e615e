"""An IPython shell that keeps what its cells show, as a front end would see it; `final` is what is seen in the end."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

Event = dict[str, Any]

events: list[Event] = []
"""What was shown since the list was last emptied."""


class Stream(io.TextIOBase):
    """stdout or stderr of the cells."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str) -> int:
        events.append({"type": "stream", "name": self._name, "text": text})
        return len(text)

    def writable(self) -> bool:
        return True


class Hook(DisplayHook):  # type: ignore[misc]
    """Shows the value of the last expression as a message, as a kernel does."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        events.append({"type": "result", "data": dict(format_dict)})

    def finish_displayhook(self) -> None:
        pass


class Publisher(DisplayPublisher):  # type: ignore[misc]
    """Displays as messages."""

    def publish(self, data: Any, metadata: Any = None, *args: Any, transient: Any = None, **options: Any) -> None:
        if not (metadata or {}).get("milepost"):
            identity = (transient or {}).get("display_id")
            events.append({"type": "display", "data": dict(data), "id": identity, "update": options.get("update")})

    def clear_output(self, wait: bool = False) -> None:
        events.append({"type": "clear", "wait": wait})


class Shell(InteractiveShell):  # type: ignore[misc]
    """IPython as in a kernel, without one."""

    def init_display_formatter(self) -> None:
        super().init_display_formatter()
        self.display_formatter.active_types = self.display_formatter.format_types

    def enable_gui(self, gui: str | None = None) -> None:
        pass

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        events.append({"type": "error", "name": etype.__name__, "text": str(evalue)})


def make_shell() -> Shell:
    """A shell without history on disk."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.InteractiveShell.displayhook_class = Hook
    config.InteractiveShell.display_pub_class = Publisher
    shell: Shell = Shell.instance(config=config, displayhook_class=Hook, display_pub_class=Publisher)
    return shell


def run_cell(shell: Shell, cell: str) -> list[Event]:
    """Run a cell; what is seen of it in the end."""
    events.clear()
    sys.stdout, sys.stderr = Stream("stdout"), Stream("stderr")
    shell.run_cell(cell, store_history=True)
    return final(events)


def final(shown: list[Event]) -> list[Event]:
    """What a front end is left with: text joined, cleared outputs gone, updated displays as they came to be."""
    seen: list[Event] = []
    clear = False
    for event in shown:
        if event["type"] == "clear":
            clear = event["wait"]
            seen = seen if clear else []
        elif event["type"] == "display" and event["update"]:
            for other in seen:
                if other.get("id") == event["id"]:
                    other["data"] = event["data"]
        else:
            seen, clear = [] if clear else seen, False
            _add(seen, dict(event))
    return [_told(event) for event in seen]


def _add(seen: list[Event], event: Event) -> None:
    last = seen[-1] if seen else {}
    if event["type"] == "stream" == last.get("type") and event["name"] == last["name"]:
        last["text"] += event["text"]
    else:
        seen.append(event)


def _told(event: Event) -> Event:
    """Without what differs from kernel to kernel: the file names of cells, and random ids."""
    kept = {name: item for name, item in event.items() if name not in ("id", "update")}
    if "text" in kept:
        kept["text"] = re.sub(r"<ipython-input-[^>]*>|/tmp/ipykernel_\d+/\d+\.py", "<cell>", kept["text"])
    if "data" in kept:
        kept["data"] = {mime: str(item) for mime, item in kept["data"].items() if "widget" not in mime}
    return kept
