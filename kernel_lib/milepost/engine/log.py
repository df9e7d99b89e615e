"""What happens, as log lines: text or JSON, through `logging`."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from typing import Any, Literal

from milepost.model.events import Event, EventKind
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus

_log = logging.getLogger("milepost.run")

_LEVELS = {TaskStatus.FAILURE: logging.ERROR, TaskStatus.CANCELLED: logging.WARNING}

_RUN = (EventKind.WORKFLOW_START, EventKind.WORKFLOW_END)
"""Their message says that the run is held back, or was cut short."""

_ENDS = (EventKind.TASK_END, EventKind.TASK_SKIPPED, EventKind.TASK_RESTORED)


class EventLogger:
    """A listener that writes each event to the logger `milepost.run`, a line each: a sentence or a JSON object.

    Failures are errors; attempts that are tried again, cancelled tasks, and runs that are cut short, or begin while
    their runner is paused, are warnings; the rest is information. Where the program has set up no logging, nothing
    is printed.

    The fields of a JSON object are always all there, null where they say nothing; a record also has them as its
    attribute `milepost`, for formatters of your own:

    - `event`, `time` (Unix seconds), `run` (which run), `task`: what happened, when, and to what;
    - `status`: how the task ended, "success", "failure", "skipped" or "cancelled";
    - `restored`: whether its result was given back instead of computed;
    - `attempt`: 1, and one more for each retry so far;
    - `seconds`, `cpu` (seconds of processor time), `peak_bytes`: what the body used;
    - `message`: a sentence; `error`: type and message of the exception, `traceback`: where it came from.
    """

    def __init__(self, style: Literal["text", "json"]) -> None:
        self._write = _json if style == "json" else _text
        self._retries: Counter[tuple[str, str]] = Counter()

    def __call__(self, event: Event) -> None:
        """Write one event."""
        attempt, level = self._attempt(event), _level(event)
        if _log.isEnabledFor(level) and _log.hasHandlers():  # else Python itself prints warnings
            fields = _fields(event, attempt)
            _log.log(level, "%s", self._write(fields), extra={"milepost": fields})

    def _attempt(self, event: Event) -> int | None:
        """Which attempt an event is about; None where nothing was attempted."""
        task = (event.run, event.task)
        if event.kind is EventKind.TASK_RETRY:
            self._retries[task] += 1
            return self._retries[task]
        if event.kind in _ENDS:
            retries = self._retries.pop(task, 0)
            return retries + 1 if event.result is not None and event.result.metrics else None
        return self._retries[task] + 1 if event.task and task in self._retries else None


def _level(event: Event) -> int:
    if event.kind is EventKind.TASK_RETRY or (event.kind in _RUN and event.message):
        return logging.WARNING
    return _LEVELS.get(event.result.status, logging.INFO) if event.result is not None else logging.INFO


def _fields(event: Event, attempt: int | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": str(event.kind), "time": _number(event.time)}
    fields |= {"run": event.run or None, "task": event.task or None, "attempt": attempt}
    return {**fields, **_of_result(event.result), "message": str(event.message) or None}


def _of_result(result: TaskResult | None) -> dict[str, Any]:
    error = result.error if result is not None else None
    metrics = result.metrics if result is not None else None
    return {
        "status": str(result.status) if result is not None else None,
        "restored": result.restored if result is not None else None,
        "seconds": _number(metrics.duration) if metrics else None,
        "cpu": _number(metrics.cpu) if metrics else None,
        "peak_bytes": metrics.peak_bytes if metrics else None,
        "error": str(error) if error else None,
        "traceback": error.traceback or None if error else None,
    }


def _number(value: float | None) -> float | None:
    """JSON knows no infinite numbers, and none that is not a number."""
    return value if value is not None and math.isfinite(value) else None


def _json(fields: dict[str, Any]) -> str:
    return json.dumps(fields, default=str)


def _text(fields: dict[str, Any]) -> str:
    words = [fields["event"].replace("_", " "), _one_line(fields["task"])]
    words += [fields["status"], _one_line(fields["error"] or ""), _one_line(_new(fields))]
    if fields["seconds"] is not None:
        words.append(f"({fields['seconds']:.3g} s)")
    return " ".join(word for word in words if word)


def _new(fields: dict[str, Any]) -> str:
    """The message, unless the error says the same."""
    message, error = fields["message"] or "", fields["error"] or ""
    return f"({message})" if error and message and not error.endswith(message) else "" if error else message


def _one_line(text: str | None) -> str:
    """A name or message must not look like a line of its own, nor steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text or "")
