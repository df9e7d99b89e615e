"""Tasks in doubt: which there are, and what a person says of them: that one is done, and what it left, or may run."""

from __future__ import annotations

from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import StoreError, UsageError
from milepost.model.once import OnceState, Standing, spread
from milepost.model.plain import NotPlainError, plain_text
from milepost.model.states import TaskState
from milepost.notebook.definition import RETURN
from milepost.notebook.facts import Facts
from milepost.notebook.registration import Registration


class Desk(Protocol):
    """What they need of the session."""

    registration: Registration

    @property
    def store(self) -> LocalStore: ...
    def fact_table(self) -> dict[str, Facts]: ...
    def changed(self) -> None: ...


class Doubts:
    """Of one session."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def unsettled(self) -> dict[str, OnceState]:
        """The tasks that are in doubt, or run in another kernel; none where the store cannot be read."""
        try:
            return self._desk.store.once.unsettled()
        except StoreError:
            return {}

    def of(self, name: str) -> OnceState | None:
        """Why a task is in doubt, so that what needs it waits; None where it is not, or is done in this kernel."""
        facts, state = self._desk.fact_table().get(name), self.unsettled().get(name)
        if state is None or state.standing is not Standing.IN_DOUBT or (facts is not None and facts.done):
            return None
        return state

    def giving(self, name: str) -> OnceState | None:
        """The state of a task in doubt that would have left a name."""
        leaving = [task for task, state in self.unsettled().items() if state.note and name in state.note.outputs]
        return next((state for task in leaving if (state := self.of(task)) is not None), None)

    # what a person says

    def require(self, name: str) -> None:
        """Raise `UsageError` where a task is not in doubt."""
        self._desk.registration.require([name])
        self._desk.store.once.require_doubt(name)

    def value(self, name: str, value: Any) -> str:
        """A value that a task left, as JSON text.

        Raises
        ------
        UsageError
            Where it is no plain data, or not what the task leaves.
        """
        self._desk.registration.require([name])
        note = self._desk.store.once.look(name).note
        if note is not None:
            spread(note, value)
        try:
            return plain_text(value)
        except NotPlainError as error:
            words = "VALUE is plain data: numbers, text, lists, dicts and the like"
            raise UsageError(f"%tasks resolve {name} done: {words}, and {error}") from None

    def resolve(self, name: str, *, done: bool, value: str | None = None) -> str:
        """Decide, so that the task's next run goes by it; what people are told of that."""
        self._desk.registration.require([name])
        note = self._desk.store.resolve(name, done=done, value=value)
        if (facts := self._desk.fact_table().get(name)) is not None:
            facts.result, facts.state, facts.why = None, TaskState.PENDING, None
        self._desk.changed()
        if not done:
            return f"{name}: it runs again when its cell runs, with the same key"
        missing = [output for output in note.outputs if output != RETURN] if value is None else []
        words = f"; it leaves no {', '.join(missing)}: `%tasks resolve {name} done VALUE` gives a value"
        return f"{name}: done{words if missing else ''}"
