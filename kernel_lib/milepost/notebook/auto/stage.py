"""Where a cell that nobody marked runs: in the notebook, by IPython's own hands."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from milepost.model.record import RETURN, Record
from milepost.notebook.ambient.ambient import with_state
from milepost.notebook.body import show_figures
from milepost.notebook.capture import recording
from milepost.notebook.foreground import Foreground
from milepost.notebook.namespace import Before
from milepost.notebook.random_state import UNSEEDED, drawn, read_states, state_digests
from milepost.notebook.stage import Left, Plan, Restored

Body = Callable[[], Awaitable[Any]]
"""Has IPython run the cell; whether that failed."""

CHEAP = 0.05
"""Seconds up to which a cell is not worth saving: it runs again."""

CHEAPLY = "it is cheap, and just runs again"
"""Why such a cell is not saved."""

_PICTURES = frozenset({"matplotlib", "seaborn", "plotly", "bokeh", "altair", "IPython", "ipywidgets"})
"""Packages whose values are shown and hardly ever asked for by `_`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a body ended: whether it failed, in how many seconds, and what it left if that shall be saved."""

    failed: Any
    seconds: float
    left: Left | None = None


class AutoStage(Foreground):
    """The stage of one such cell."""

    def give_back(self, plan: Plan, record: Record, restored: Restored) -> None:
        """As for a task; and `_` and `Out` are what they would be."""
        super().give_back(plan, record, restored)
        if RETURN in restored.values:
            hook = self._desk.shell.displayhook
            hook.update_user_ns(restored.values[RETURN])
            hook.fill_exec_result(restored.values[RETURN])

    async def follow(self, plan: Plan, body: Body, shown: Callable[[], Any]) -> Ended:
        """Have IPython run the cell; `shown` gives the value of its last expression."""
        desk = self._desk
        with desk.activities.running(self._roots(plan)) as activity:
            before, digests, found = desk.namespace.fix(), state_digests(read_states()), desk.ambient.read()
            began = time.perf_counter()
            with recording(desk.shell) as recorder:
                failed = await body()
                if not failed:
                    show_figures()
            seconds = time.perf_counter() - began
            random_before, random_after = drawn(digests, seeded=desk.seeded)
            drew = any(name in digests for name in random_before) and UNSEEDED in random_before.values()
            if failed or (seconds < CHEAP and not drew):
                self._pass(plan, before)
                return Ended(failed, seconds)
            left = with_state(desk.ambient, found, plan, self._left(plan, None, before, recorder, activity))
            values = {**left.values, **_last(shown(), left)}
            left = replace(left, values=values, random_before=random_before, random_after=random_after)
            return Ended(failed, seconds, left)

    def _pass(self, plan: Plan, before: Before) -> None:
        """What it bound is as if a plain cell had."""
        data, known = self._desk.namespace.data, before.values
        bound = [name for name in self._desk.namespace.names() if name not in known or data[name] is not known[name]]
        names = dict.fromkeys((*bound, *(name for name in plan.definition.outputs if name in data)))
        self._desk.ledger.bound(tuple(names), plan.definition.code, plan.definition.reads)


def _last(value: Any, left: Left) -> dict[str, Any]:
    """The value that was shown, as far as it is worth keeping."""
    package = type(value).__module__.partition(".")[0]
    return {} if value is None or package in _PICTURES or _pictures(value) else {RETURN: value}


def _pictures(value: Any) -> bool:
    parts = value if isinstance(value, list | tuple) else getattr(value, "flat", ()) if _of_objects(value) else ()
    return any(type(part).__module__.partition(".")[0] in _PICTURES for part in parts)


def _of_objects(value: Any) -> bool:
    return bool(getattr(getattr(value, "dtype", None), "hasobject", False))
