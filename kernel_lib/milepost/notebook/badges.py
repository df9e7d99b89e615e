"""The comm on which the lab extension follows the states of the task cells, their texts, and the graph."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from typing import Any

from milepost.notebook.control import rows, run_view
from milepost.notebook.session import Session
from milepost.notebook.summary import EVERY, Summary
from milepost.widget.deltas import Deltas
from milepost.widget.sender import Sender

TARGET = "milepost.states"


class Feed:
    """What goes over the comm: what has changed of the states, of the graph and of the cells' texts."""

    def __init__(self, session: Session, send: Callable[[dict[str, Any]], None]) -> None:
        self._session = session
        self._send = send
        self._deltas = Deltas()
        self._sent: dict[str, Any] = {}

    def send(self) -> None:
        """Send what is new."""
        views = self._session.views()
        seldom = {"graph": self._session.placing.json(views), "sources": self._session.sources()}
        changed = {name: item for name, item in seldom.items() if item != self._sent.get(name)}
        news = self._deltas.take(views, run_view(self._session, views))
        if news is not None or changed:
            self._session.badges_seq += 1
            self._send((news or {}) | changed | {"seq": self._session.badges_seq})
        self._sent = seldom


def open_badges(session: Session) -> Callable[[], None]:
    """Send states whenever they change, at a bounded rate; the returned function ends that."""
    if getattr(session.shell, "kernel", None) is None:
        return lambda: None
    from comm import create_comm

    comm = create_comm(target_name=TARGET, data=rows(session, session.views()) | {"seq": 0})
    session.badges_comm_id = str(comm.comm_id)
    feed = Feed(session, comm.send)
    sender = Sender(feed.send)
    summary = Sender(Summary(session).write, lambda: time.sleep(EVERY))

    def told(message: Any) -> None:
        session.extended = True
        path = message.get("content", {}).get("data", {}).get("path")
        moved = os.path.isabs(session.told_path or "")  # by a rename that was told, too, and more exactly
        if isinstance(path, str) and path.endswith(".ipynb") and not moved:
            session.told_path = path.rpartition("/")[2]

    comm.on_msg(told)
    senders = (sender, summary)
    stops = [session.listen(one.wake) for one in senders]
    for one in senders:
        one.wake()
    atexit.register(summary.flush)

    def close() -> None:
        for stop in stops:
            stop()
        atexit.unregister(summary.flush)
        summary.flush()
        comm.close()

    return close
