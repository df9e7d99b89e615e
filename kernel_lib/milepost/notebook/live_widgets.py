"""Widgets of ipywidgets that a task shows: the front end draws what they are now, a restore what they came to be."""

from __future__ import annotations

import sys
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"


def live_widget(data: dict[str, Any]) -> Any:
    """The widget of this process that such a MIME bundle is a view of; None where there is none."""
    module = sys.modules.get("ipywidgets.widgets.widget")
    known = getattr(module, "_instances", None)  # before ipywidgets 8, the class itself holds them
    known = getattr(getattr(module, "Widget", None), "widgets", None) if known is None else known
    return (known or {}).get(data[VIEW].get("model_id")) if VIEW in data else None


def without_view(data: dict[str, Any], widget: Any) -> dict[str, Any] | None:
    """The bundle without a view that would be dead, and with what the widget says of itself by now.

    None where the widget was closed: then nothing of it is seen.
    """
    kept = {mime: item for mime, item in data.items() if mime != VIEW}
    if widget is None or not kept:
        return kept or data
    if getattr(widget, "comm", None) is None:
        return None
    try:
        return {**kept, "text/plain": repr(widget)}
    except Exception:  # a class of the user's may do anything when it is asked
        return kept
