"""One-line notes in a cell's output that are not the task's own: restored, not saved, paused."""

from __future__ import annotations

import html
from typing import Any

from milepost.notebook.capture import unrecorded


def stamp(shell: Any, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
    """Show a note; its metadata mark it, so that tools that compare outputs can leave it out."""
    plain = f"{symbol} {text}"
    colour = "var(--jp-warn-color0, #b26a00)" if warning else "var(--jp-ui-font-color2, #888)"
    style = f"color:{colour};font-size:var(--jp-ui-font-size1,13px);padding:2px 0"
    rich = f'<div class="milepost-stamp" style="{style}">{html.escape(plain)}</div>'
    with unrecorded():
        shell.display_pub.publish({"text/plain": plain, "text/html": rich}, {"milepost": {"stamp": True}})
