"""What has changed since a page was last told: so that a thousand tasks cost a message as large as the change."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from milepost.model.view import TaskView
from milepost.widget.run import RunView


class Deltas:
    """One page's, or one comm's: `take` says what is new since the last `take` or `whole`. One thread at a time."""

    def __init__(self) -> None:
        self.seq = 0
        self._told: dict[str, TaskView] = {}
        self._run: RunView | None = None

    def whole(self, views: Sequence[TaskView], run: RunView) -> dict[str, Any]:
        """Everything, for who knows nothing; what `take` says afterwards goes on from what was last taken."""
        return {"seq": self.seq, "now": time.time(), "tasks": [view.to_json() for view in views], "run": run.to_json()}

    def take(self, views: Sequence[TaskView], run: RunView) -> dict[str, Any] | None:
        """The tasks that are new or different, the names of those that are gone, and the header; None for no news."""
        now = {view.name: view for view in views}
        changed = [view.to_json() for name, view in now.items() if self._told.get(name) != view]
        gone = [name for name in self._told if name not in now]
        if not changed and not gone and run == self._run:
            return None
        self._told, self._run = now, run
        self.seq += 1
        return {"seq": self.seq, "now": time.time(), "changed": changed, "gone": gone, "run": run.to_json()}
