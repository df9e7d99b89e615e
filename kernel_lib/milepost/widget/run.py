"""The run as a whole, as the widget's header shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from milepost.model.view import TaskView
from milepost.widget.words import totals


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What the header shows, and which buttons apply.

    `running`: a task runs, or more will by themselves. `pausing`: Pause was asked for and takes effect soon.
    `paused`: it took effect. `cancelling`: Cancel was asked for. `totals`: one line of counts. `message`: one line
    of news, read aloud by screen readers when it changes.
    """

    running: bool = False
    pausing: bool = False
    paused: bool = False
    cancelling: bool = False
    totals: str = ""
    message: str = ""

    @classmethod
    def of(cls, views: Iterable[TaskView], **flags: Any) -> Self:
        """A view with the totals of these tasks; `flags` are the other fields."""
        return cls(totals=totals(views), **flags)

    def to_json(self) -> dict[str, Any]:
        """The header as plain JSON data."""
        return asdict(self)
