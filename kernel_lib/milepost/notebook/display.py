"""The live widget of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from milepost.notebook.control import answer, run_view
from milepost.notebook.session import Session

if TYPE_CHECKING:
    from milepost.widget.model import TaskWidget


class Display:
    """Makes the widget when it is first asked for, and keeps it up to date."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._widget: TaskWidget | None = None
        self._stop: Callable[[], None] = lambda: None

    def show(self) -> None:
        """Show the tasks below the cell that runs."""
        if self._widget is None:
            from milepost.widget.model import TaskWidget

            self._widget = TaskWidget(self._request)
            self._stop = self._session.listen(self._update)
        self._update()
        self._widget.show()

    def _request(self, content: dict[str, Any]) -> dict[str, Any]:
        return answer(self._session, content)

    def _update(self) -> None:
        if self._widget is not None:
            views = self._session.views()
            self._widget.update(views, run_view(self._session, views))

    def close(self) -> None:
        """Stop updating; what is shown stays as it is."""
        self._stop()
        if self._widget is not None:
            self._widget.freeze()
