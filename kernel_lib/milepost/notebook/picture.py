"""Where the boxes of a session's task graph go: placed anew only when the structure has changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from milepost.model.view import TaskView
from milepost.widget.svg import layout_of


class Picture:
    """The newest layout, as JSON; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._structure: object = None
        self._graph: dict[str, Any] = {}

    def of(self, views: Sequence[TaskView]) -> dict[str, Any]:
        """`Layout.to_json()` of these tasks: the same object as long as their names and edges are the same."""
        structure = tuple((view.name, view.after) for view in views)
        with self._lock:
            if structure != self._structure:
                self._graph = layout_of(views).to_json()
                self._structure = structure
            return self._graph
