"""What is saved, as a file in the store for pages that have no kernel to ask. It is shown, and never read back."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from milepost.checkpoint.atomic import write_file
from milepost.checkpoint.local import LocalStore
from milepost.model.errors import StoreError
from milepost.model.once import OnceState, Standing
from milepost.model.record import Record
from milepost.notebook.doubts import Doubts
from milepost.widget.placing import Placing
from milepost.widget.saved import view_in_doubt, view_of_record, view_of_unfinished

EVERY = 1.0
"""Seconds between two writings."""

_log = logging.getLogger(__name__)


class Desk(Protocol):
    """What it needs of the session."""

    doubts: Doubts

    @property
    def store(self) -> LocalStore: ...
    def records(self) -> Sequence[Record]: ...


class Summary:
    """The file of one session's store. One thread at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._placing = Placing()
        self._known: bytes | None = None

    def write(self) -> None:
        """Bring the file up to date. Who only looks at a store that has none does not make one."""
        try:
            data = json.dumps(self._content(self._desk.records())).encode()
            there = self._there()
            if data != there and not (there is None and self._known in (None, data)):
                write_file(self._desk.store.layout.summary, data)
            self._known = data
        except (OSError, StoreError):
            _log.debug("the summary could not be written", exc_info=True)

    def _there(self) -> bytes | None:
        """What the file holds, None where there is none."""
        with suppress(FileNotFoundError):
            return self._desk.store.layout.summary.read_bytes()
        return None

    def _in_doubt(self) -> dict[str, OnceState]:
        """Not what runs: nobody writes the file anew when its kernel dies."""
        return {
            task: state for task, state in self._desk.doubts.unsettled().items() if state.standing is Standing.IN_DOUBT
        }

    def _content(self, records: Sequence[Record]) -> dict[str, Any]:
        known = {record.task: view_of_record(record) for record in records if not record.automatic}
        store = self._desk.store
        since = store.paused.since
        open_ = {each.task: view_of_unfinished(each, paused=bool(since)) for each in store.partials.unfinished()}
        open_ = {task: view for task, view in open_.items() if task not in known}
        open_ |= {task: view_in_doubt(state, known.get(task)) for task, state in self._in_doubt().items()}
        views = [*{**known, **open_}.values()]
        texts = {record.task: record.extra.get("source") for record in records}
        sources = {name: text for name, text in texts.items() if isinstance(text, str)}
        tasks = [{**view.to_json(), **({} if view.name in open_ else {"why": None})} for view in views]
        graph = self._placing.json(views)
        return {"version": 1, "tasks": tasks, "graph": graph, "sources": sources, "paused_since": since}
