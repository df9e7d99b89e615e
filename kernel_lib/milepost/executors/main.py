"""Runs each job at once, in the thread that hands it over."""

from __future__ import annotations

from collections.abc import Callable

from milepost.model.result import TaskResult


class MainExecutor:
    """No threads: matplotlib, signals and the debugger work as in plain code."""

    name = "main"
    inline = True

    def submit(self, job: Callable[[], TaskResult], done: Callable[[TaskResult], None]) -> None:
        """Run the job now."""
        done(job())

    def shutdown(self) -> None:
        """Nothing to free."""
