"""The live widget of a session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from milepost.model.view import TaskView
from milepost.notebook.control import answer, run_view
from milepost.notebook.session import Session
from milepost.widget.run import RunView

if TYPE_CHECKING:
    from milepost.widget.model import TaskWidget


MIME = "application/vnd.milepost.tasks+json"
"""The widget of a session, to pages with the extension: they draw it from what they know of the notebook's tasks."""
QUIET = 0.7
"""Seconds without a cell after which a run counts as over, and the pictures in the notebook are brought up to date."""
EVERY = 10.0
"""Seconds after which that is done between two cells, too."""


class Display:
    """Makes the widget when it is first asked for, and keeps it up to date."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._widget: TaskWidget | None = None
        self._stop: Callable[[], None] = lambda: None
        self._timer: threading.Timer | None = None
        self._outdated = False
        self._refreshed = 0.0
        self._live = True
        """Whether the notebook has the view, and not its picture only."""

    def show(self) -> None:
        """Show the tasks below the cell that runs."""
        if self._widget is None:
            from milepost.widget.model import TaskWidget

            self._widget = TaskWidget(self._request, self._source, {MIME: {"version": 1}})
            self._stop = self._session.listen(self._update)
        self._widget.show()
        self._outdated, self._refreshed, self._live = False, time.monotonic(), True

    def before_cell(self) -> None:
        """A cell starts: what was to happen in a quiet moment waits."""
        if self._timer is not None:
            self._timer.cancel()

    def after_cell(self) -> None:
        """A cell ended: soon, or at once where no page answers, the pictures beside the widget are renewed."""
        if self._widget is None or not self._outdated:
            return
        if not self._session.can_resume or time.monotonic() - self._refreshed > EVERY:
            self._refresh()
        else:
            self._refresh_soon()

    def _refresh_soon(self) -> None:
        self.before_cell()
        self._timer = threading.Timer(QUIET, self._refresh)
        self._timer.daemon = True
        self._timer.start()

    def _refresh(self) -> None:
        """A page without the extension keeps the view only while something runs."""
        self._outdated, self._refreshed = False, time.monotonic()
        self._live = self._session.extended or bool(self._session.jobs.running())
        if self._widget is not None:
            self._widget.refresh(live=self._live)

    def _request(self, content: dict[str, Any]) -> dict[str, Any]:
        return answer(self._session, content)

    def _update(self) -> None:
        if self._widget is None:
            return
        self._outdated = True
        self._widget.wake()
        if self._session.jobs.busy and not self._live:
            self._live = True
            self._widget.refresh()
        elif not (self._session.jobs.busy or self._session.extended or self._session.jobs.running()):
            self._refresh_soon()  # a task in the background was the last that ran

    def _source(self) -> tuple[list[TaskView], RunView]:
        views = self._session.views()
        return views, run_view(self._session, views)

    def close(self) -> None:
        """Stop updating; what is shown stays as it is."""
        self._stop()
        self.before_cell()
        if self._widget is not None:
            self._widget.freeze()
