"""One task in the background, from the moment at which its cell was run until its end."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from milepost.model.cancel import CancelSignal
from milepost.model.result import TaskResult
from milepost.model.states import TaskStatus
from milepost.model.task import Task
from milepost.notebook.background import Background
from milepost.notebook.elsewhere import Desk, Elsewhere
from milepost.notebook.facts import Facts
from milepost.notebook.log import Log
from milepost.notebook.stamp import LastingStamp
from milepost.widget.words import duration


@dataclass(frozen=True, slots=True)
class Upstream:
    """A job that another one waits for, and the names that it shall give it."""

    job: Job
    names: tuple[str, ...]


class Job:
    """Steered from any thread; `ended` is set once `result` is there and what it left can be published."""

    def __init__(self, desk: Desk, task: Task, facts: Facts, log: Log) -> None:
        self.task = task
        self.facts = facts
        self.log = log
        stage = Elsewhere if facts.definition.options.place == "processes" else Background
        self.stage: Background = stage(desk, facts, log, self._may_save)
        self.upstream: tuple[Upstream, ...] = ()
        self.signal = CancelSignal()
        self.ended = threading.Event()
        self.result: TaskResult | None = None
        self._lock = threading.Lock()
        self._saving = False
        self._stamp = LastingStamp(desk.shell)

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    def chain(self) -> list[Job]:
        """What it waits for, the earliest first, and itself at last."""
        found = dict.fromkeys(earlier for upstream in self.upstream for earlier in upstream.job.chain())
        return [*found, self]

    def provides(self, name: str) -> bool:
        """Whether the code shows that it binds a name."""
        return name in self.facts.definition.outputs

    def cancel(self, reason: str) -> bool:
        """Stop it; false where it is too late: it has ended, or its body has and its result is being saved."""
        with self._lock:
            if self._saving or self.ended.is_set():
                return False
        self.signal.cancel(reason)
        return True

    def _may_save(self) -> bool:
        with self._lock:
            self._saving = not self.signal.cancelled and not self.ended.is_set()
            return self._saving

    @property
    def blocks(self) -> bool:
        """Whether what comes after it must not run, now that it has ended."""
        result = self.result
        if result is None or result.ok:
            return False
        return not (result.status is TaskStatus.FAILURE and self.facts.definition.options.continue_on_error)

    # what people see

    def say(self, text: str, *, warning: bool = False) -> None:
        """What the note below its cell says, besides what came up on the way."""
        if self.facts.definition.options.background:
            self._stamp.show("\n".join([text, *map(str, self.stage.notes)]), warning=warning)

    def say_started(self, paused: bool) -> None:
        """That it will run, or what it waits for."""
        names = ", ".join(repr(upstream.job.name) for upstream in self.upstream)
        if paused:
            self.say(f"Ⅱ paused: {self.name!r} starts in the background once you press Resume")
        elif names:
            self.say(f"○ {self.name!r} waits for {names}, then runs in the background")
        else:
            self.say(f"▶ {self.name!r} runs in the background")

    def say_ended(self, late: Iterable[str] = (), clashes: Iterable[str] = ()) -> None:
        """How it ended; `late` are names that a later cell bound meanwhile, `clashes` random generators that moved."""
        result = self.result
        if result is None:
            return
        words, spent = _ENDS[result.status], self.facts.seconds
        text = f"{words[0]} {self.name!r} {words[1]}"
        if result.ok and not result.restored and spent is not None:
            text += f" for {duration(spent)}"
        elif not result.ok:
            text += f": {result.error or result.message}"
        names = ", ".join(repr(name) for name in late)
        if names:
            text += f"\n⚠ {names} stays what a later cell bound; `%tasks restore {self.name}` gives what the task left"
        generators = " and ".join(clashes)
        if generators:
            others = "as other tasks that started meanwhile; seed the generator in each"
            text += f"\n⚠ {self.name!r} drew the same numbers from {generators} {others}"
        self.say(text, warning=not result.ok or bool(names) or bool(generators))


_ENDS: Mapping[TaskStatus, tuple[str, str]] = {
    TaskStatus.SUCCESS: ("✓", "ran in the background"),
    TaskStatus.FAILURE: ("✗", "failed in the background"),
    TaskStatus.CANCELLED: ("■", "was cancelled"),
    TaskStatus.SKIPPED: ("⏭", "was skipped"),
}


def needs(jobs: Iterable[tuple[str, Job]]) -> tuple[Upstream, ...]:
    """Pairs of a name and the job that gives it, by job; the name is empty where only its end counts."""
    names: dict[Job, dict[str, Any]] = {}
    for name, job in jobs:
        names.setdefault(job, {}).update({name: None} if name else {})
    return tuple(Upstream(job, tuple(given)) for job, given in names.items())
