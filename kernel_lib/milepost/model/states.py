"""What a task can be, and how each state is said and drawn; the one place that knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TaskStatus(StrEnum):
    """How a task ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    """Where a task is now, as `%tasks status` and the widget show it."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCESS = "success"
    FAILURE = "failure"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    STALE = "stale"
    IN_DOUBT = "in-doubt"
    UNTRUSTED = "untrusted"


BUSY = (TaskState.RUNNING, TaskState.PAUSED)
"""Where a task runs, or is about to."""


@dataclass(frozen=True, slots=True)
class StateStyle:
    """How a state is shown: a word, a symbol, and a fill and line colour (hex) readable on light and dark."""

    word: str
    symbol: str
    fill: str
    line: str


STYLES: dict[str, StateStyle] = {
    TaskState.PENDING: StateStyle("pending", "○", "#eceff1", "#51666f"),
    TaskState.READY: StateStyle("ready", "◔", "#e3f2fd", "#1565c0"),
    TaskState.RUNNING: StateStyle("running", "▶", "#bbdefb", "#0d47a1"),
    TaskState.PAUSED: StateStyle("paused", "Ⅱ", "#fff8e1", "#925700"),
    TaskState.SUCCESS: StateStyle("success", "✓", "#e0f2e1", "#256b29"),
    TaskState.FAILURE: StateStyle("failure", "✗", "#ffebee", "#c62828"),
    TaskState.SKIPPED: StateStyle("skipped", "↷", "#f3e5f5", "#7b1fa2"),
    TaskState.CANCELLED: StateStyle("cancelled", "■", "#efebe9", "#5d4037"),
    TaskState.STALE: StateStyle("stale", "≠", "#fff3e0", "#b04600"),
    TaskState.IN_DOUBT: StateStyle("in doubt", "?", "#fffde7", "#846700"),
    TaskState.UNTRUSTED: StateStyle("untrusted", "⚠", "#fce4ec", "#ad1457"),
}
"""Style by state; `RESTORED_STYLE` stands in for a success that was given back instead of run."""

RESTORED_STYLE = StateStyle("restored", "↺", "#d9f2ef", "#00695c")
SAVED_STYLE = StateStyle("saved", "●", "#e8eaf6", "#303f9f")
"""A success of an earlier kernel whose values nothing has asked for yet."""
