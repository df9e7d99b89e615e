"""What people say of a task in doubt: that it is done, and what it left, or that it may run again."""

from __future__ import annotations

from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import UsageError
from milepost.model.once import OnceNote, spread
from milepost.model.plain import NotPlainError, plain_text
from milepost.notebook.definition import RETURN
from milepost.notebook.registration import Registration


class Desk(Protocol):
    """What it needs of the session."""

    registration: Registration

    @property
    def store(self) -> LocalStore: ...
    def resolve(self, name: str, *, done: bool, value: str | None = None) -> OnceNote: ...


def told(desk: Desk, name: str, value: Any) -> str:
    """A value that a task left, as JSON text.

    Raises
    ------
    UsageError
        Where it is no plain data, or not what the task leaves.
    """
    desk.registration.require([name])
    note = desk.store.once.look(name).note
    if note is not None:
        spread(note, value)
    try:
        return plain_text(value)
    except NotPlainError as error:
        words = "VALUE is plain data: numbers, text, lists, dicts and the like"
        raise UsageError(f"%tasks resolve {name} done: {words}, and {error}") from None


def resolved(desk: Desk, name: str, *, done: bool, value: str | None = None) -> str:
    """Decide; what people are told of it."""
    note = desk.resolve(name, done=done, value=value)
    if not done:
        return f"{name}: it runs again when its cell runs, with the same key"
    missing = [output for output in note.outputs if output != RETURN] if value is None else []
    words = f"; it leaves no {', '.join(missing)}: `%tasks resolve {name} done VALUE` gives a value"
    return f"{name}: done{words if missing else ''}"
