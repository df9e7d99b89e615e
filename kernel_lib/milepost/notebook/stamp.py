"""One-line notes in a cell's output that are not the task's own: restored, not saved, paused."""

from __future__ import annotations

import html
import uuid
from typing import Any, NamedTuple

from milepost.notebook.capture import unrecorded


class Note(NamedTuple):
    """What a stamp says, before there is a cell to say it in."""

    text: str
    symbol: str = "↺"
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.symbol} {self.text}"


def stamp(shell: Any, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
    """Show a note; its metadata mark it, so that tools that compare outputs can leave it out."""
    _publish(shell, f"{symbol} {text}", warning)


class LastingStamp:
    """A note that can be changed after its cell has ended, from any thread."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._id = uuid.uuid4().hex
        self._shown = False

    def show(self, text: str, *, warning: bool = False) -> None:
        """Show these lines from now on."""
        _publish(self._shell, text, warning, transient={"display_id": self._id}, update=self._shown)
        self._shown = True


def _publish(shell: Any, text: str, warning: bool, **options: Any) -> None:
    colour = "var(--jp-warn-color0, #b26a00)" if warning else "var(--jp-ui-font-color2, #888)"
    style = f"color:{colour};font-size:var(--jp-ui-font-size1,13px);padding:2px 0;white-space:pre-wrap"
    rich = f'<div class="milepost-stamp" style="{style}">{html.escape(text)}</div>'
    with unrecorded():
        shell.display_pub.publish({"text/plain": text, "text/html": rich}, {"milepost": {"stamp": True}}, **options)
