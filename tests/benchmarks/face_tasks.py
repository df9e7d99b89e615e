"""Runs in the kernel: many fake tasks in the live widget, and changes of their states at a fixed rate."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import Any

from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.model import TaskWidget
from milepost.widget.run import RunView

ROW = 50
STATES = [TaskState.PENDING, TaskState.RUNNING, TaskState.SUCCESS, TaskState.FAILURE]


class Tasks:
    """A widget over a graph of `count` tasks in rows, each after two of the row above it."""

    def __init__(self, count: int, row: int = ROW) -> None:
        self.row = row
        self.random = random.Random(1)
        self.views = [TaskView(name=f"task_{i}", after=self._after(i)) for i in range(count)]
        self.widget = TaskWidget(None, lambda: (list(self.views), RunView.of(self.views)))

    def _after(self, i: int) -> tuple[str, ...]:
        row, place = divmod(i, self.row)
        return tuple(f"task_{(row - 1) * self.row + (place + d) % self.row}" for d in (0, 7)) if row else ()

    def change(self, count: int) -> None:
        """Put so many tasks, chosen at random, into another state."""
        for place in self.random.sample(range(len(self.views)), count):
            view = self.views[place]
            others = [state for state in STATES if state is not view.state]
            self.views[place] = replace(view, state=self.random.choice(others), seconds=1.0)
        self.widget.wake()

    def flood(self, changes: int, seconds: float) -> None:
        """So many changes, one by one, spread over so many seconds."""
        begin = time.perf_counter()
        for number in range(changes):
            self.change(1)
            time.sleep(max(0.0, begin + (number + 1) * seconds / changes - time.perf_counter()))

    def beat(self, times: int, count: int, every: float) -> None:
        """So many changes at once, again and again, while no cell runs."""

        def go() -> None:
            for _ in range(times):
                time.sleep(every)
                self.change(count)

        threading.Thread(target=go, daemon=True).start()

    def states(self) -> dict[str, Any]:
        """Where each task is now."""
        return {view.name: str(view.state) for view in self.views}
