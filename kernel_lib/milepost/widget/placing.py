"""Where the boxes of a task graph go: placed anew only when the structure has changed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from milepost.model.view import TaskView
from milepost.widget.layout import Layout
from milepost.widget.svg import layout_of


class Placing:
    """The newest layout; the same object as long as the tasks' names and edges are the same. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._structure: object = None
        self._layout = Layout(0, 0)
        self._json: dict[str, Any] = {}

    def of(self, views: Sequence[TaskView]) -> Layout:
        """The layout of these tasks."""
        return self._newest(views)[0]

    def json(self, views: Sequence[TaskView]) -> dict[str, Any]:
        """Its `to_json()`, also the same object."""
        return self._newest(views)[1]

    def _newest(self, views: Sequence[TaskView]) -> tuple[Layout, dict[str, Any]]:
        structure = tuple((view.name, view.after) for view in views)
        with self._lock:
            if structure != self._structure:
                self._layout = layout_of(views)
                self._json = self._layout.to_json()
                self._structure = structure
            return self._layout, self._json
