"""Clicks while a cell runs: requests on the control channel, handled in another thread.

`kernel.control_handlers["milepost_request"]` gets `{"action": …, "task": …}` and answers with
`{"status": "ok", "paused": …, "running": …}`; see `Session` for what the actions do.
`log` also takes `from`, and answers with `{"log": {"run": …, "start": …, "text": …}}`. Handlers never wait.
"""

from __future__ import annotations

from typing import Any

from milepost.model.view import TaskView
from milepost.notebook.session import Session
from milepost.widget.run import RunView

REQUEST, REPLY = "milepost_request", "milepost_reply"

ACTIONS = ("ping", "pause", "resume", "cancel", "state", "log")


def answer(session: Session, content: Any) -> dict[str, Any]:
    """Carry out one request from a page; what is not one is refused, not raised."""
    action = content.get("action") if isinstance(content, dict) else None
    if action not in ACTIONS:
        return {"status": "error", "message": f"unknown action {str(action)[:40]!r}; there are {', '.join(ACTIONS)}"}
    task = content.get("task")
    if task is not None and not isinstance(task, str):
        return {"status": "error", "message": "the task must be named by a text"}
    if action == "log":
        return {"status": "ok", "log": log(session, task or "", content.get("from"))}
    if action == "pause":
        session.pause()
    elif action == "resume":
        session.resume()
    elif action == "cancel":
        session.cancel(task)
    seen = {"status": "ok", "paused": session.runner.paused, "running": session.runner.running}
    return {**seen, **state(session)} if action == "state" else seen


def log(session: Session, task: str, start: Any) -> dict[str, Any]:
    """What a task printed in the background, from a character on: as far as it is kept."""
    found = session.logs.get(task)
    first, text = found.text(start if type(start) is int else 0) if found else (0, "")
    return {"run": found.number if found else 0, "start": first, "text": text}


def state(session: Session) -> dict[str, Any]:
    """Everything a page shows, and the comm on which changes come."""
    views = session.views()
    rows = [view.to_json() for view in views]
    return {"tasks": rows, "run": run_view(session, views).to_json(), "comm_id": session.badges_comm_id}


def run_view(session: Session, views: list[TaskView]) -> RunView:
    """The header: whether it runs, is paused or about to be, and the totals."""
    running, paused = session.runner.running, session.runner.paused
    busy = any(view.started is not None for view in views)
    return RunView.of(views, running=running, pausing=paused and busy, paused=paused and not busy)


def listen(session: Session) -> None:
    """Answer requests on the kernel's control channel, where there is a kernel with one."""
    kernel = getattr(session.shell, "kernel", None)
    handlers = getattr(kernel, "control_handlers", None)
    if kernel is None or handlers is None:
        return

    async def handler(stream: Any, ident: Any, parent: Any) -> None:
        session.can_resume = True
        content = answer(session, parent.get("content"))
        kernel.session.send(stream, REPLY, content, parent, ident=ident)

    handlers[REQUEST] = handler


def stop_listening(session: Session) -> None:
    """Take the handler away."""
    kernel = getattr(session.shell, "kernel", None)
    getattr(kernel, "control_handlers", {}).pop(REQUEST, None)
