"""A task as people see it: one row of `%tasks status`, one node of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from milepost.model.reasons import Reason, ReasonKind
from milepost.model.states import RESTORED_STYLE, SAVED_STYLE, STYLES, StateStyle, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """What is shown of one task.

    `seconds` is the computing time (for a restored task: the time that was saved), `started` the Unix time at
    which a running task started, `nbytes` the size in the store, `saved_at` an ISO 8601 time (UTC); `durable` says that
    what is saved survives power loss, `background` that it runs, or waits to run, beside the notebook, and `log` that
    what it prints is in a log of its own. `inputs` are the names that it reads, `progress` what it last said of how far
    it has come, `expected` the seconds that its last run took, where one is known, `began` and `ended` (Unix seconds)
    when its last run in this kernel did, and `unsaved` the outputs that could not be saved.
    """

    name: str
    state: TaskState = TaskState.PENDING
    restored: bool = False
    outputs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    seconds: float | None = None
    started: float | None = None
    saved: bool = False
    durable: bool = False
    nbytes: int = 0
    saved_at: str | None = None
    why: Reason | None = None
    error: str | None = None
    cell_id: str = ""
    background: bool = False
    log: bool = False
    inputs: tuple[str, ...] = ()
    progress: str = ""
    expected: float | None = None
    unsaved: tuple[str, ...] = ()
    began: float | None = None
    ended: float | None = None

    @property
    def only_saved(self) -> bool:
        """Whether it is an earlier kernel's result, not loaded into this one yet."""
        return self.state is TaskState.SUCCESS and self.why is not None and self.why.kind is ReasonKind.SAVED

    @property
    def style(self) -> StateStyle:
        """Word, symbol and colours of the state."""
        if self.restored and self.state is TaskState.SUCCESS:
            return RESTORED_STYLE
        if self.only_saved:
            return SAVED_STYLE
        return STYLES[self.state]

    def to_json(self) -> dict[str, Any]:
        """The row as `%tasks status --json` prints it."""
        return {
            "name": self.name,
            "state": str(self.state),
            "restored": self.restored,
            "outputs": list(self.outputs),
            "after": list(self.after),
            "seconds": self.seconds,
            "started": self.started,
            "saved": self.saved,
            "durable": self.durable,
            "bytes": self.nbytes,
            "saved_at": self.saved_at,
            "why": self.why.to_json() if self.why else None,
            "error": self.error,
            "cell_id": self.cell_id,
            "background": self.background,
            "log": self.log,
            "inputs": list(self.inputs),
            "progress": self.progress,
            "expected": self.expected,
            "unsaved": list(self.unsaved),
            "began": self.began,
            "ended": self.ended,
        }
