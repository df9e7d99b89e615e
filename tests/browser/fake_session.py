"""Fake tasks in every state, and a fake kernel side: what the face is tried with, without an engine."""

from __future__ import annotations

import time
from typing import Any

from milepost.model.reasons import Reason, ReasonKind
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.model import TaskWidget
from milepost.widget.run import RunView
from milepost.widget.svg import layout_of

HOSTILE = "<img src=x onerror='window.hacked=1'>"


def views(**changes: Any) -> list[TaskView]:
    """One task of each state."""
    restored = Reason(ReasonKind.RESTORED, "nothing it reads has changed", ("code: same", "input raw: same"))
    stale = Reason(ReasonKind.INPUT_CHANGED, "the input `limit` changed", ("limit: 10 → 20",))
    half = {"progress": "epoch 4/10", "inputs": ("rows", "limit"), "expected": 120.0}
    done = {"state": TaskState.SUCCESS, "seconds": 61}
    kept = {"restored": True, "saved": True, "saved_at": "2026-11-20T09:30:00Z", "why": restored}
    return [
        TaskView(name="load", state=TaskState.SUCCESS, seconds=2280, nbytes=1_200_000_000, cell_id="cell-1", **kept),
        TaskView(name="clean", outputs=("rows", "odd"), saved=True, nbytes=38_000_000, after=("load",), **done),
        TaskView(name="train", state=TaskState.RUNNING, started=time.time() - 75, after=("clean",), **half),
        TaskView(name="evaluate", state=TaskState.PENDING, after=("train", "load"), expected=60.0),
        TaskView(name="report", state=TaskState.READY, after=("evaluate",)),
        TaskView(name="tune", state=TaskState.PAUSED, after=("clean",), seconds=12),
        TaskView(name="plot", state=TaskState.STALE, after=("clean",), saved=True, nbytes=640, seconds=3.2, why=stale),
        TaskView(name="charge", state=TaskState.IN_DOUBT, after=("load",)),
        TaskView(name="fetch", state=TaskState.UNTRUSTED, saved=True, nbytes=5_000),
        TaskView(name="broken", state=TaskState.FAILURE, after=("fetch",), error="ValueError: no rows", seconds=0.04),
        TaskView(name="later", state=TaskState.SKIPPED, after=("broken",)),
        TaskView(name="stopped", state=TaskState.CANCELLED, after=("fetch",), seconds=7.5),
        TaskView(name=HOSTILE, state=TaskState.PENDING, after=("stopped",)),
        TaskView(name="a_name_that_is_longer_than_any_box_should_be", after=("tune", "plot")),
    ]


class Session:
    """Answers requests on the control channel and over the widget, and opens the states' comm."""

    def __init__(self) -> None:
        self.flags = {"running": True, "pausing": False, "paused": False, "cancelling": False}
        self.actions: list[str] = []
        self.heard: list[Any] = []
        self.tasks = views()
        self.widget = TaskWidget(self.request)
        self.widget.update(self.tasks, self.run())
        self.comm: Any = None

    def run(self) -> RunView:
        """The header."""
        return RunView.of(self.tasks, message="train is running", **self.flags)

    def request(self, content: dict[str, Any]) -> dict[str, Any]:
        """Carry out one action."""
        action = content["action"]
        self.actions.append(action)
        changes = {"pause": {"paused": True}, "resume": {"paused": False}, "cancel": {"cancelling": True}}
        self.flags |= changes.get(action, {})
        self.widget.update(self.tasks, self.run())
        reply = {"status": "ok", "paused": self.flags["paused"], "running": self.flags["running"]}
        return reply | (self.state() | {"comm_id": self.comm.comm_id} if action == "state" else {})

    def state(self) -> dict[str, Any]:
        """What the comm carries."""
        rows = [view.to_json() for view in self.tasks]
        graph = layout_of(self.tasks).to_json()
        return {"tasks": rows, "run": self.run().to_json(), "graph": graph, "now": time.time()}

    def tell(self) -> None:
        """Send everything over the comm."""
        self.comm.send(self.state())

    def install(self) -> None:
        """Register with the kernel that this runs in."""
        from comm import create_comm
        from IPython.core.getipython import get_ipython

        shell: Any = get_ipython()
        kernel = shell.kernel

        async def handle(stream: Any, ident: Any, parent: Any) -> None:
            reply = self.request(parent["content"])
            kernel.session.send(stream, "milepost_reply", reply, parent, ident=ident)

        kernel.control_handlers["milepost_request"] = handle
        shell.register_magic_function(lambda line, cell: shell.run_cell(cell), "cell", "task")
        self.comm = create_comm(target_name="milepost.states", data=self.state())
        self.comm.on_msg(lambda message: self.heard.append(message["content"]["data"]))
