"""The comm on which the lab extension follows the states of the task cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from milepost.notebook.control import run_view, state
from milepost.notebook.session import Session
from milepost.widget.deltas import Deltas
from milepost.widget.run import RunView
from milepost.widget.sender import Sender

TARGET = "milepost.states"


def open_badges(session: Session) -> Callable[[], None]:
    """Send states whenever they change, at a bounded rate; the returned function ends that."""
    if getattr(session.shell, "kernel", None) is None:
        return lambda: None
    from comm import create_comm

    comm = create_comm(target_name=TARGET, data=state(session))
    session.badges_comm_id = str(comm.comm_id)
    deltas = Deltas()
    deltas.take(session.views(), RunView())

    def send() -> None:
        views = session.views()
        news = deltas.take(views, run_view(session, views))
        if news is not None:
            comm.send(news)

    sender = Sender(send)

    def told(message: Any) -> None:
        path = message.get("content", {}).get("data", {}).get("path")
        if isinstance(path, str) and path.endswith(".ipynb"):
            session.told_path = path.rpartition("/")[2]

    comm.on_msg(told)
    stop = session.listen(sender.wake)

    def close() -> None:
        stop()
        comm.close()

    return close
