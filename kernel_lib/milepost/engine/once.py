"""Tasks that happen once: who may run one, and what is noted of its end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from milepost.model.errors import MilepostError, ResultNotGivenBack, StoreError, TaskInDoubt
from milepost.model.keyed import holding
from milepost.model.once import OnceKind, OnceNote, OnceState, Standing
from milepost.model.plain import decode
from milepost.model.record import Record
from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import OnceAttempt, OnceBook, TaskCall

SOONEST, LATEST = 0.002, 1.0
"""Seconds between two looks at a task that another process runs: at first, and at most."""

Outputs = Callable[[TaskResult], Sequence[str]]
"""What a success has left that a restore would give back: by names."""


def book_of(store: object) -> OnceBook | None:
    """Where a store notes what happens once; None where it cannot vouch for that."""
    return getattr(store, "once", None)


def in_doubt(text: str) -> TaskResult:
    """What a task comes to that is not run since it is in doubt: a failure, so that what depends on it waits."""
    return _refused(TaskInDoubt(text))


def not_given_back(text: str) -> TaskResult:
    """What a task comes to that was done, and of which the result cannot be given back this time: as much as that."""
    return _refused(ResultNotGivenBack(text))


def _refused(error: MilepostError) -> TaskResult:
    return TaskResult(TaskStatus.FAILURE, str(error), TaskError.of(error), exception=error)


def record_of(history: Sequence[Record], note: OnceNote | None) -> Record | None:
    """The saved result of a task that is done: of the very attempt, "" for one of before it happened once."""
    own = (record for record in history if record.trusted)
    return next((record for record in own if note is not None and record.once == note.attempt), None)


def value_of(note: OnceNote | None) -> Any:
    """What a person says that the task left; None where that is nothing, or the person is not this user."""
    return decode(json.loads(note.value)) if note is not None and note.value is not None and note.mine else None


@dataclass(slots=True)
class Once:
    """One call of such a task: first `admit`, then perhaps `run`, in a `with` block.

    The end of the block sees to it that an attempt ends, wherever Ctrl-C came: what has not ended seems to run on.
    """

    book: OnceBook
    call: TaskCall
    _attempt: OnceAttempt | None = None
    _begun: bool = False
    _ending: tuple[OnceKind, str, Sequence[str] | None] | None = None
    _ended: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._attempt is None or self._ended:
            return
        if self._ending is None:
            return self._failed("interrupted")
        with suppress(StoreError):
            self._note(*self._ending)

    @property
    def id(self) -> str:
        """Which start of the task this is."""
        assert self._attempt is not None, "it was admitted"
        return self._attempt.id

    def admit(self, outputs: Sequence[str], waits: Callable[[str], None]) -> OnceState | None:
        """None where the task may run here and now; else where it stands: done, or in doubt.

        While another process runs it, this waits; `waits(words)` is told so, once.
        """
        name, pause = self.call.task.name, SOONEST
        while True:
            state = self.book.look(name)
            if state.standing in (Standing.DONE, Standing.IN_DOUBT):
                return state
            if state.standing is Standing.FREE:
                self._attempt = self.book.begin(name, outputs)
                if self._attempt is not None:
                    return None
            if state.standing is Standing.RUNNING and pause == SOONEST:
                waits(f"{name!r}: {state.reason.text}; waiting for its end")
            self.call.clock.sleep(pause, self.call.signal)
            pause = min(2 * pause, LATEST)

    def run(self, work: Callable[[TaskCall], TaskResult], outputs: Outputs) -> TaskResult:
        """What `work` comes to, which runs the body (see `keyed`) and saves what it left; then the end is noted."""
        assert self._attempt is not None, "it was admitted"
        try:
            with holding(self._attempt.key):
                result = work(self.call._replace(started=self._begin))
        except BaseException as error:
            self._failed(TaskError.of(error).message or type(error).__name__)
            raise
        if result.ok:
            return self._finished(result, outputs)
        self._failed(str(result.error or result.message), result.exception)
        return self._explained(result)

    def _begin(self) -> None:
        self._begun = True
        self.call.started()

    def _finished(self, result: TaskResult, outputs: Outputs) -> TaskResult:
        try:
            if self._note(OnceKind.FINISHED, result.message, outputs(result)):
                return result
            words = "something else was noted of it while it ran, by a person who decided, say, and that stands"
        except StoreError as error:
            words = f"that it was done could not be noted, so it may be in doubt later: {error}"
        return replace(result, message="; ".join(filter(None, [result.message, words])))

    def _failed(self, text: str, error: BaseException | None = None) -> None:
        kind = OnceKind.FAILED if self._may_have_happened(error) else OnceKind.RELEASED
        with suppress(StoreError):  # it began and nothing says that it ended, which is in doubt as well
            self._note(kind, text)

    def _note(self, kind: OnceKind, text: str, outputs: Sequence[str] | None = None) -> bool:
        """Whether its end is what is noted of it now."""
        assert self._attempt is not None, "it was admitted"
        self._ending = kind, text, outputs
        noted = self._attempt.end(kind, text, outputs)
        self._ended = True
        return noted

    def _may_have_happened(self, error: BaseException | None) -> bool:
        retry = self.call.task.retry
        return self._begun and not (retry is not None and isinstance(error, retry.retry_on))

    def _explained(self, result: TaskResult) -> TaskResult:
        if not self._may_have_happened(result.exception):
            return result
        words = f"it is in doubt now: whether {self.call.task.name!r} has had its effect is not known"
        return replace(result, message=f"{result.message}; {words}")
