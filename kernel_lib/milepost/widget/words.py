"""Durations, sizes and totals in words; each has a twin in labextension/src/words.ts."""

from __future__ import annotations

import time
from collections.abc import Iterable

from milepost.model.sizes import size as size
from milepost.model.states import TaskState
from milepost.model.view import TaskView

_LEFT = {TaskState.PENDING, TaskState.READY, TaskState.PAUSED, TaskState.STALE}
_SPECIAL = [TaskState.FAILURE, TaskState.IN_DOUBT, TaskState.UNTRUSTED, TaskState.SKIPPED, TaskState.CANCELLED]


def duration(seconds: float) -> str:
    """As `40 ms`, `1.2 s`, `38 s`, `41 min`, `2 h 5 min`."""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def elapsed(view: TaskView) -> float | None:
    """The seconds to show: of a running task since it started."""
    if view.state is TaskState.RUNNING and view.started is not None:
        return max(0.0, time.time() - view.started)
    return view.seconds


def time_words(view: TaskView) -> str:
    """The time beside the state: how long it took or takes, or what restoring saved."""
    seconds = elapsed(view)
    if seconds is None:
        return ""
    return f"saved {duration(seconds)}" if view.restored else duration(seconds)


def totals(views: Iterable[TaskView]) -> str:
    """As `7 restored, saved 41 min; 1 running; 2 left, about 3 min`."""
    rows = list(views)
    restored = [v for v in rows if v.restored and v.state is TaskState.SUCCESS]
    saved = [v for v in rows if v.only_saved and not v.restored]
    done = sum(v.state is TaskState.SUCCESS for v in rows) - len(restored) - len(saved)
    parts = []
    if saved:
        parts.append(f"{len(saved)} saved: {duration(sum(v.seconds or 0 for v in saved))} of work")
    if restored:
        parts.append(f"{len(restored)} restored, saved {duration(sum(v.seconds or 0 for v in restored))}")
    counts = [(done, "done"), (sum(v.state is TaskState.RUNNING for v in rows), "running")]
    counts += [(sum(v.state is s for v in rows), TaskView(name="", state=s).style.word) for s in _SPECIAL]
    counts.append((sum(v.state in _LEFT for v in rows), f"left{_to_come(rows)}"))
    return "; ".join(parts + [f"{n} {word}" for n, word in counts if n]) or "no tasks yet"


def _to_come(rows: list[TaskView]) -> str:
    """How long what runs and what is left will take, one after the other, as far as earlier runs tell."""
    ahead = [(v, v.expected if v.expected is not None else v.seconds) for v in rows if v.state in _LEFT]
    known = [seconds for _, seconds in ahead if seconds is not None]
    if not known:
        return ""
    running = [max(0.0, v.expected - (elapsed(v) or 0)) for v in rows if v.state is TaskState.RUNNING and v.expected]
    return f", {'about' if len(known) == len(ahead) else 'more than'} {duration(sum(known) + sum(running))}"
