"""What happens, as log lines: text or JSON, through `logging`."""

from __future__ import annotations

import json
import logging
from typing import Literal

from milepost.model.events import Event

_log = logging.getLogger("milepost.run")


class EventLogger:
    """A listener that writes each event to the logger `milepost.run`, as a sentence or as a JSON object."""

    def __init__(self, style: Literal["text", "json"]) -> None:
        self._style = style

    def __call__(self, event: Event) -> None:
        """Write one event."""
        failed = event.result is not None and event.result.error is not None
        level = logging.ERROR if failed else logging.INFO
        _log.log(level, "%s", self._json(event) if self._style == "json" else self._text(event))

    def _text(self, event: Event) -> str:
        words = [str(event.kind).replace("_", " "), event.task]
        if event.result is not None:
            words += [str(event.result.status), str(event.result.error or event.result.message)]
        return " ".join(word for word in words if word)

    def _json(self, event: Event) -> str:
        data: dict[str, object] = {"event": str(event.kind), "time": event.time, "task": event.task}
        if event.result is not None:
            data["status"] = str(event.result.status)
            data["error"] = str(event.result.error) if event.result.error else None
            data["seconds"] = event.result.metrics.duration if event.result.metrics else None
        return json.dumps(data)
