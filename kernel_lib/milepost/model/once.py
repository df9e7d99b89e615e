"""Tasks whose effect must not happen twice: what is noted of them, where they stand, and the words for it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from milepost.model.errors import UsageError
from milepost.model.reasons import Reason, ReasonKind


class OnceKind(StrEnum):
    """What a note says of a task."""

    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    """Its body ended with an error, or was stopped: it may have had its effect."""
    LOST = "lost"
    """It had its effect, and what it left cannot be given back."""
    RELEASED = "released"
    """It had no effect: it may start again, with the same key."""
    DONE = "done"
    """A person says that it had its effect."""
    FORGOTTEN = "forgotten"
    """A person wants it to happen again: with another key."""
    UNREADABLE = "unreadable"


class Standing(StrEnum):
    """Where a task stands."""

    FREE = "free"
    RUNNING = "running"
    DONE = "done"
    IN_DOUBT = "in doubt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that runs a task: `machine` tells it from others, `began` from those of the same number."""

    host: str
    machine: str
    pid: int
    began: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceNote:
    """One note: the newest of a task says where it stands.

    `attempt` tells one start from others, `key` is the idempotency key, `at` an ISO 8601 time (UTC), `outputs` what it
    leaves, `value` what a person says that it left (JSON text of `model.plain`; None: nothing), `void` the sums of the
    lines with results that count no more, as a person has decided. `mine` is no part of what is written: whether this
    user's key signed it.
    """

    task: str
    kind: OnceKind
    attempt: str = ""
    key: str = ""
    at: str = ""
    owner: Owner
    text: str = ""
    outputs: tuple[str, ...] = ()
    value: str | None = None
    void: tuple[str, ...] = ()
    mine: bool = True


@dataclass(frozen=True, slots=True)
class OnceState:
    """Where a task stands, by its newest note; `why` says what put it in doubt."""

    standing: Standing
    note: OnceNote | None = None
    why: str = ""

    @property
    def reason(self) -> Reason:
        """For people: what is known, and what to do."""
        assert self.note is not None
        if self.standing is Standing.IN_DOUBT:
            return Reason(ReasonKind.IN_DOUBT, f"in doubt: {self.why}", (advice(self.note.task),))
        if self.standing is Standing.RUNNING:
            return Reason(ReasonKind.ELSEWHERE, f"it runs in {self.note.owner}, since {when(self.note)}")
        return Reason(ReasonKind.DONE_ONCE, f"it was done once, on {when(self.note)}{_said(self.note)}")

    @property
    def text(self) -> str:
        """`reason` in one line, for an error."""
        assert self.note is not None
        return " ".join([f"task {self.note.task!r} is {self.reason.text}.", *self.reason.details])

    def not_given_back(self, why: str) -> str:
        """What to tell where it was done, and what it left is there and cannot be given back this time."""
        assert self.note is not None
        name = shlex.quote(self.note.task)
        return (
            f"task {self.note.task!r} was done once, on {when(self.note)}{_said(self.note)}, and what it left cannot "
            f"be given back now: {why}. It is not run again for that: mend it (install what is missing, say), and ask "
            f"for it again; or say what it left, with `%tasks resolve {name} done VALUE` (in a terminal: milepost "
            f"resolve NOTEBOOK {name} done VALUE)"
        )


def when(note: OnceNote) -> str:
    """The time of a note, to the minute."""
    return f"{note.at[:16].replace('T', ' ')} UTC"


def advice(task: str) -> str:
    """What to do about a task in doubt."""
    name = shlex.quote(task)
    how = f"`%tasks resolve {name} done [VALUE]` or {rerun(task)}"
    return f"Look whether it has had its effect, then say {how} (in a terminal: milepost resolve NOTEBOOK {name} …)"


def again(task: str) -> str:
    """What to do about a task that was done and shall happen once more."""
    return f"`%tasks forget {shlex.quote(task)}` has it happen again, when its cell runs next"


def rerun(task: str) -> str:
    """What says of a task in doubt that it may run again."""
    return f"`%tasks resolve {shlex.quote(task)} rerun`"


def spread(note: OnceNote, value: Any) -> dict[str, Any]:
    """A value that a task left, under the names that it binds.

    Raises
    ------
    UsageError
        Where it cannot be told which is which.
    """
    task, names = note.task, note.outputs
    if len(names) > 1 and isinstance(value, Mapping) and value and set(value) <= set(names):
        return dict(value)
    if task in names or len(names) == 1:
        return {task if task in names else names[0]: value}
    if not names:
        raise UsageError(f"task {task!r} leaves nothing, so it takes no value: say done alone")
    each = ", ".join(f"{name!r}: …" for name in names)
    raise UsageError(f"task {task!r} leaves more than one name: say which has which value, {{{each}}}")


def _said(note: OnceNote) -> str:
    return ", as a person has said" if note.kind is OnceKind.DONE else ""
