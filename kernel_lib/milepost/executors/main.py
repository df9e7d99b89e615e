"""Runs work at once, in the thread that hands it over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from milepost.ports import TaskCall


class MainExecutor:
    """No threads: matplotlib, signals and the debugger work as in plain code."""

    name = "main"
    inline = True

    def submit(self, work: Callable[[], object]) -> None:
        """Run the work now."""
        work()

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Call the body."""
        return call.task.run(**arguments)

    def shutdown(self) -> None:
        """Nothing to free."""
