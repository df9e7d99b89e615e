"""The live widget. The only module that imports anywidget.

widget = TaskWidget(request, source) # request({"action": "pause"}) -> {"status": "ok", "paused": …, "running": …}
widget.wake()                        # `source()` has something new; from any thread, as often as you like
widget.show()                        # displays it, with static pictures beside the live view
widget.flush()                       # at the end of a run: the last state is sent now
widget.freeze()                      # replaces every shown view by its static picture
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from milepost.model.view import TaskView
from milepost.widget.deltas import Deltas
from milepost.widget.html import MOST_ROWS, to_html
from milepost.widget.placing import Placing
from milepost.widget.run import RunView
from milepost.widget.sender import Sender
from milepost.widget.svg import to_svg
from milepost.widget.text import to_text

Request = Callable[[dict[str, Any]], dict[str, Any]]
Source = Callable[[], tuple[Sequence[TaskView], RunView]]
"""What there is to show now. Any thread; asked as seldom as possible."""

_STATIC = Path(__file__).parent / "static"
_NOT_BUILT = "export default {render({el}) {el.textContent = 'The front end is not built: run pip install .'}}"
_log = logging.getLogger(__name__)


def _built(name: str, otherwise: str = "") -> str:
    path = _STATIC / name
    return path.read_text(encoding="utf-8") if path.exists() else otherwise


class TaskWidget(anywidget.AnyWidget):
    """Shows tasks live: a header with Pause, Resume and Cancel, the graph, details of the chosen task.

    `request(content)` carries out an action that the page sent where it has no control channel: `content` is
    `{"action": "ping" | "pause" | "resume" | "cancel" | "state" | "log", "task": name or absent}`; it
    returns the reply's content at once (`{"status": "ok", "paused": bool, "running": bool}` or
    `{"status": "error", "message": str}`). `beside` are other MIME types to show the widget as.

    Without a kernel (a plain script) everything works, and nothing is sent.
    """

    _esm = _built("widget.js", _NOT_BUILT)
    _css = _built("widget.css")

    graph = traitlets.Dict().tag(sync=True)
    """`Layout.to_json()`; changes only with the structure."""
    whole = traitlets.Int(0).tag(sync=True, to_json=lambda _, widget: widget._whole())
    """Read by a page that opens: `Deltas.whole`, as of that moment. What follows are messages, `Deltas.take`."""
    token = traitlets.Unicode("").tag(sync=True)
    """Tells the page which widget this is."""

    def __init__(
        self,
        request: Request | None = None,
        source: Source | None = None,
        beside: Mapping[str, Any] | None = None,
        **traits: Any,
    ) -> None:
        self._request = request
        self._beside = dict(beside or {})
        self._source: Source = source or (lambda: ((), RunView.of(())))
        self._deltas = Deltas()
        self._telling = threading.RLock()
        self._placing = Placing()
        self._displays: list[str] = []
        self._sender = Sender(self._send_news)
        self._drawn = self._placing.json(self._source()[0])
        super().__init__(graph=self._drawn, token=uuid.uuid4().hex, **traits)
        self.on_msg(self._on_message)

    def wake(self) -> None:
        """The source has changed. Any thread, as often as you like; returns at once; sent at most at 10 Hz."""
        self._sender.wake()

    def update(self, views: Sequence[TaskView], run: RunView | None = None) -> None:
        """Show these tasks from now on (all of them, in order)."""
        rows = tuple(views)
        latest = rows, run or RunView.of(rows)
        self._source = lambda: latest
        self.wake()

    def flush(self) -> None:
        """Send what is new now, unconditionally."""
        self._sender.flush()

    def resend(self) -> None:
        """Send the whole state again, as a page asks for that missed something."""
        self._sender.flush()
        self.send_state()

    def show(self) -> None:
        """Display the widget (in a plain script: print the table)."""
        shell = _shell()
        if shell is None:
            print(self.to_text())
            return
        self.flush()
        display_id = uuid.uuid4().hex
        self._displays.append(display_id)
        data, metadata = self._repr_mimebundle_()
        shell.display_pub.publish(data=data, metadata=metadata, transient={"display_id": display_id})

    def freeze(self, *display_ids: str) -> None:
        """Replace shown views (those of `show`, or these ids) by static pictures, which a saved notebook keeps."""
        shell = _shell()
        self.flush()
        chosen = list(display_ids) or self._displays
        for display_id in chosen if shell else ():
            shell.display_pub.publish(data=self.static_mimes(), transient={"display_id": display_id}, update=True)
        self._displays = [d for d in self._displays if d not in chosen]

    def refresh(self, *, live: bool = True) -> None:
        """Bring the pictures of the shown views up to date, so that a notebook saved now shows the last state.

        Without `live`, only they are left: a saved view says "model not found" once its kernel is gone.
        """
        shell = _shell()
        data, metadata = self._repr_mimebundle_()
        pictures = {mime: item for mime, item in data.items() if mime != _VIEW}
        for display_id in self._displays if shell else ():
            # The page drops its old view for the picture before it makes the new one.
            for shown, about in ((pictures, {}), *([(data, metadata)] if live else [])):
                transient = {"display_id": display_id}
                shell.display_pub.publish(data=shown, metadata=about, transient=transient, update=True)

    def static_mimes(self) -> dict[str, str]:
        """The latest state as SVG, HTML and text."""
        views = self._source()[0]
        placed = self._placing.of(views)
        svg, html = to_svg(views, placed), to_html(views, placed)
        return {"image/svg+xml": svg, "text/html": html, "text/plain": _brief(views)}

    def to_text(self) -> str:
        """The latest state as a plain text table."""
        return to_text(self._source()[0])

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget's view, and beside it the static pictures for where it cannot live."""
        bundle = super()._repr_mimebundle_(**kwargs) or ({}, {})
        live, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**live, **self._beside, **self.static_mimes()}, metadata

    def _whole(self) -> dict[str, Any]:
        with self._telling:
            return self._deltas.whole(*self._source())

    def _send_news(self) -> None:
        """The structure first, where it is another one, then what has changed of the tasks."""
        with self._telling:
            views, run = self._source()
            graph = self._placing.json(views)
            if graph is not self._drawn:
                self.graph = self._drawn = graph
            news = self._deltas.take(views, run)
            if news is not None:
                self.send({"news": news})

    def _on_message(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """An action from a page without a control channel: `{"id": any, "action": …, "task"?: …}`."""
        if not isinstance(content, dict) or "action" not in content:
            return
        if content["action"] == "state":
            self.resend()
        self.send({"id": content.get("id"), "reply": self._answer(content)})

    def _answer(self, content: dict[str, Any]) -> dict[str, Any]:
        if self._request is None:
            return {"status": "error", "message": "nothing to control here"}
        try:
            return self._request({key: content[key] for key in _ASKED if key in content})
        except Exception as error:
            _log.exception("a request from the page failed")
            return {"status": "error", "message": str(error)}


_VIEW = "application/vnd.jupyter.widget-view+json"
_ASKED = ("action", "task", "from", "needs", "force")


def _brief(views: Sequence[TaskView]) -> str:
    left = len(views) - MOST_ROWS
    return to_text(views[:MOST_ROWS]) + (f"\n… and {left:,} more" if left > 0 else "")


def _shell() -> Any:
    """The IPython shell of a kernel or terminal, if there is one."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "display_pub") and hasattr(shell, "kernel") else None
