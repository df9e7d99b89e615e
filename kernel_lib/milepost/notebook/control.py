"""Clicks while a cell runs: requests on the control channel, handled in another thread.

`kernel.control_handlers["milepost_request"]` gets `{"action": …, "task": …}` and answers with
`{"status": "ok", "paused": …, "running": …}`; see `Session` and `Orders` for what the actions do. Handlers never wait.

- `log` also takes `from`, and answers with `{"log": {"run": …, "start": …, "text": …}}`.
- `sheet` answers with all that is known of a task.
- `run` takes `needs` and `force`, and answers with `execute`, the line that a page has the kernel execute, and `cells`.
- `done` and `rerun` decide for a task in doubt.
- `forget`, `trust`, `done` and `rerun` happen between two cells; where one runs, `message` says so.
- `move` says that the notebook's path, from the server's root, was `was` and is `now`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from milepost.model.errors import MilepostError
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.notebook.session import Session
from milepost.notebook.sheet import sheet
from milepost.widget.run import RunView

REQUEST, REPLY = "milepost_request", "milepost_reply"

LONGEST_NAME = 2_000_000
"""Characters; a task may have a long name, but nothing longer is looked up."""


def answer(session: Session, content: Any) -> dict[str, Any]:
    """Carry out one request from a page; what is not one is refused, not raised."""
    replies: list[dict[str, Any]] = []
    _respond(session, content, replies.append)
    return replies[0]


def _respond(session: Session, content: Any, reply: Callable[[dict[str, Any]], object]) -> None:
    action = content.get("action") if isinstance(content, dict) else None
    if wrong := _malformed(action, content):
        reply(_refused(wrong))
        return
    task = content.get("task")
    name = next(iter(session.named([task])), None) if task is not None else None
    if action == "cancel":  # said first: what it interrupts keeps Python busy
        reply({"status": "ok", **_seen(session)})
        session.cancel(name)
        return
    try:
        reply({"status": "ok", **ACTIONS[str(action)](session, name, content)})
    except MilepostError as error:
        reply(_refused(str(error)))


def _malformed(action: Any, content: Any) -> str:
    if not isinstance(action, str) or action not in (*ACTIONS, "cancel"):
        return f"unknown action {str(action)[:40]!r}; there are {', '.join(sorted((*ACTIONS, 'cancel')))}"
    task = content.get("task")
    if task is not None and (not isinstance(task, str) or len(task) > LONGEST_NAME):
        return "the task must be named by a text"
    if task is None and action in _OF_A_TASK:
        return f"{action} needs the name of a task"
    wrong = next((flag for flag in ("needs", "force") if type(content.get(flag, False)) is not bool), "")
    return f"{wrong} must be true or false" if wrong else ""


def _refused(message: str) -> dict[str, Any]:
    return {"status": "error", "message": message[:1000]}


def _seen(session: Session) -> dict[str, Any]:
    return {"paused": session.runner.paused, "running": session.runner.running}


def _ping(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    return _seen(session)


def _pause(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    session.pause()
    return _seen(session)


def _resume(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    session.resume()
    return _seen(session)


def _state(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    return {**_seen(session), **state(session)}


def _log(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    return {"log": log(session, name or "", content.get("from"))}


def _sheet(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    assert name is not None
    session.registration.require([name])
    view = next(iter(session.views([name])), None) or TaskView(name=name)
    return {"sheet": sheet(session, name, view)}


def _run(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    return session.orders.run(name, needs=content.get("needs", False), force=content.get("force", False))


def _forget(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    assert name is not None
    return {"message": session.orders.forget(name)}


def _trust(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    assert name is not None
    return {"message": session.orders.trust(name)}


def _done(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    assert name is not None
    return {"message": session.orders.resolve(name, done=True)}


def _rerun(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    assert name is not None
    return {"message": session.orders.resolve(name, done=False)}


def _move(session: Session, name: str | None, content: dict[str, Any]) -> dict[str, Any]:
    return {"message": session.relocation.ask(content.get("was"), content.get("now"))}


ACTIONS: dict[str, Callable[[Session, str | None, dict[str, Any]], dict[str, Any]]] = {
    "ping": _ping,
    "pause": _pause,
    "resume": _resume,
    "state": _state,
    "log": _log,
    "sheet": _sheet,
    "run": _run,
    "forget": _forget,
    "trust": _trust,
    "done": _done,
    "rerun": _rerun,
    "move": _move,
}
_OF_A_TASK = ("sheet", "forget", "trust", "done", "rerun")


def log(session: Session, task: str, start: Any) -> dict[str, Any]:
    """What a task printed in the background, from a character on: as far as it is kept."""
    found = session.logs.get(task)
    first, text = found.text(start if type(start) is int else 0) if found else (0, "")
    return {"run": found.number if found else 0, "start": first, "text": text}


def state(session: Session) -> dict[str, Any]:
    """Everything a page shows, and the comm on which changes come: `seq` is the number of the last that is in it."""
    seq = session.badges_seq  # before looking: what is sent meanwhile is told once more
    views = session.views()
    seldom = {"graph": session.placing.json(views), "sources": session.sources()}
    return {**rows(session, views), **seldom, "comm_id": session.badges_comm_id, "seq": seq}


def rows(session: Session, views: list[TaskView]) -> dict[str, Any]:
    """The states of the tasks and of the run, and the kernel's clock."""
    run = run_view(session, views).to_json()
    return {"tasks": [view.to_json() for view in views], "run": run, "now": time.time()}


def run_view(session: Session, views: list[TaskView]) -> RunView:
    """The header: whether it runs, is paused or about to be, and the totals."""
    running, paused = session.runner.running, session.runner.paused
    busy = any(view.started is not None and view.state is not TaskState.PAUSED for view in views)
    held = paused and not busy
    flags = {"pausing": paused and busy, "paused": held, "cancelling": session.cancelling}
    return RunView.of(views, running=running, **flags, message=session.orders.news)


def listen(session: Session) -> None:
    """Answer requests on the kernel's control channel, where there is a kernel with one."""
    kernel = getattr(session.shell, "kernel", None)
    handlers = getattr(kernel, "control_handlers", None)
    if kernel is None or handlers is None:
        return

    async def handler(stream: Any, ident: Any, parent: Any) -> None:
        session.can_resume = True

        def reply(content: dict[str, Any]) -> None:
            kernel.session.send(stream, REPLY, content, parent, ident=ident)

        _respond(session, parent.get("content"), reply)

    handlers[REQUEST] = handler


def stop_listening(session: Session) -> None:
    """Take the handler away."""
    kernel = getattr(session.shell, "kernel", None)
    getattr(kernel, "control_handlers", {}).pop(REQUEST, None)
