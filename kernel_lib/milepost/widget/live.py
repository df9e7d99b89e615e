"""A runner's tasks on the screen: a picture that follows them in a notebook, a table elsewhere."""

from __future__ import annotations

import sys
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from milepost.model.view import TaskView
from milepost.widget.html import to_html
from milepost.widget.placing import Placing
from milepost.widget.sender import Sender
from milepost.widget.svg import to_svg
from milepost.widget.text import to_text

EVERY = 0.5
"""Seconds between two pictures."""


class Shown(Protocol):
    """What is needed of a runner."""

    def views(self, tasks: Iterable[Any] | None = None) -> Sequence[TaskView]: ...
    def on(self, event: str, listener: Callable[..., object]) -> Callable[[], None]: ...


_followed: WeakKeyDictionary[Shown, Callable[[], None]] = WeakKeyDictionary()
"""How to stop following a runner: its newest picture follows it, earlier ones stay as they are."""


def show(runner: Shown, tasks: Iterable[Any] | None = None) -> None:
    """Show the tasks below the cell that runs, and keep the picture up to date; outside of a kernel print a table."""
    publish = _publisher()
    if publish is None:
        print(to_text(runner.views(tasks)))
        return
    held = weakref.ref(runner)  # a picture that follows a runner must not keep it

    def views() -> Sequence[TaskView]:
        alive = held()
        return alive.views(tasks) if alive is not None else ()

    picture = Picture(views, publish)
    picture.draw()
    _followed.pop(runner, lambda: None)()
    _followed[runner] = runner.on("*", lambda event: picture.wake())


class Picture:
    """One picture: drawn once, then again soon after each `wake`."""

    def __init__(self, views: Callable[[], Sequence[TaskView]], publish: Callable[..., object]) -> None:
        self._views = views
        self._publish = publish
        self._id = uuid.uuid4().hex
        self._drawn = False
        self._placing = Placing()
        sender = Sender(self.draw, lambda: time.sleep(EVERY))
        self.wake = sender.wake

    def draw(self) -> None:
        """Show the tasks as they are now."""
        views = self._views()
        placed = self._placing.of(views)
        svg, html = to_svg(views, placed), to_html(views, placed)
        data = {"image/svg+xml": svg, "text/html": html, "text/plain": to_text(views)}
        self._publish(data=data, transient={"display_id": self._id}, update=self._drawn)
        self._drawn = True


def _publisher() -> Callable[..., object] | None:
    """What displays something in the kernel that this process is, if it is one."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell.display_pub.publish if hasattr(shell, "kernel") else None
