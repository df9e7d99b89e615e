"""An IPython shell that keeps what its cells show, as a front end would see it; `Page` is what is seen in the end."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

Event = dict[str, Any]

WIDGET = "application/vnd.jupyter.widget-view+json"

DIFFERENT = {r"<ipython-input-[^>]*>|/tmp/ipykernel_\d+/\d+\.py": "<cell>", r"\b0x[0-9a-f]{6,}\b": "<address>"}
"""What differs from kernel to kernel: the file names of cells, and places in memory."""

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


STREAMS = Stream("stdout"), Stream("stderr")
"""A kernel has the same two all its life: handlers of logging keep them."""


class Hook(DisplayHook):  # type: ignore[misc]
    """Shows the value of the last expression as a message, as a kernel does."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        events.append({"type": "result", "data": dict(format_dict), "metadata": dict(md_dict or {})})

    def finish_displayhook(self) -> None:
        pass


class Publisher(DisplayPublisher):  # type: ignore[misc]
    """Displays as messages."""

    def publish(self, data: Any, metadata: Any = None, *args: Any, transient: Any = None, **options: Any) -> None:
        known = {"data": dict(data), "metadata": dict(metadata or {})}
        if "milepost" in known["metadata"]:
            events.append({"type": "stamp", "text": data["text/plain"]})
        else:
            identity = (transient or {}).get("display_id")
            events.append({"type": "display", **known, "id": identity, "update": options.get("update")})

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
    """Run a cell; all that it showed."""
    events.clear()
    sys.stdout, sys.stderr = STREAMS
    shell.run_cell(cell, store_history=True)
    return list(events)


class Page:
    """What a front end is left with: text joined, cleared outputs gone, updated displays as they came to be.

    As in JupyterLab and nbclient, a display changes all that are shown under its id, in whichever cell.
    """

    def __init__(self) -> None:
        self._cells: list[list[Event]] = []

    def add(self, shown: list[Event]) -> None:
        """What one more cell showed."""
        self._cells.append([])
        clear = False
        for event in (one for one in shown if one["type"] != "stamp"):
            if event["type"] == "clear":
                clear = event["wait"]
                self._cells[-1] = self._cells[-1] if clear else []
                continue
            self._update(event)
            if not event.get("update"):
                self._cells[-1] = [] if clear else self._cells[-1]
                clear = False
                _add(self._cells[-1], dict(event))

    def _update(self, event: Event) -> None:
        if event.get("id"):
            for other in (one for cell in self._cells for one in cell if one.get("id") == event["id"]):
                other.update(data=event["data"], metadata=event["metadata"])

    def seen(self) -> list[list[Event]]:
        """The outputs of each cell, as they are now."""
        return [[_told(event) for event in cell if not _closed(event)] for cell in self._cells]


def stamps(shown: list[Event]) -> list[str]:
    """What Milepost said."""
    return [event["text"] for event in shown if event["type"] == "stamp"]


def _add(seen: list[Event], event: Event) -> None:
    last = seen[-1] if seen else {}
    if event["type"] == "stream" == last.get("type") and event["name"] == last["name"]:
        last["text"] += event["text"]
    else:
        seen.append(event)


def _told(event: Event) -> Event:
    """Without what differs from kernel to kernel: random ids, and what `DIFFERENT` has."""
    kept = {name: item for name, item in event.items() if name not in ("id", "update")}
    if "text" in kept:
        kept["text"] = _same(kept["text"])
    if "data" in kept:
        kept["data"] = {mime: _same(_sent(item)) for mime, item in _alive(kept["data"]).items()}
    return kept


def _same(text: str) -> str:
    for different, word in DIFFERENT.items():
        text = re.sub(different, word, text)
    return text.replace(os.getcwd(), "<folder>")


def _sent(item: Any) -> str:
    """As a kernel sends it."""
    return base64.b64encode(item).decode() if isinstance(item, bytes) else str(item)


def _alive(data: Event) -> Event:
    """A live widget shows what it has come to."""
    kept = {mime: item for mime, item in data.items() if mime != WIDGET}
    return {**kept, "text/plain": repr(_widget(data))} if WIDGET in data else kept


def _closed(event: Event) -> bool:
    return WIDGET in event.get("data", {}) and _widget(event["data"]) is None


def _widget(data: Event) -> Any:
    return sys.modules["ipywidgets.widgets.widget"]._instances.get(data[WIDGET]["model_id"])
