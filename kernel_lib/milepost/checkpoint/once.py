"""Where tasks that happen once stand, and who runs them: at most one process, of all that use the store."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from milepost.checkpoint.atomic import write_file
from milepost.checkpoint.journal import Authenticator
from milepost.checkpoint.layout import Layout
from milepost.checkpoint.notes import Notes, chain
from milepost.checkpoint.owner import is_alive, this_process
from milepost.checkpoint.sweep import clock_of
from milepost.checkpoint.view import View, stamp
from milepost.model.errors import StoreError, UsageError
from milepost.model.once import OnceKind, OnceNote, OnceState, Standing, when
from milepost.model.record import Record

BEAT = 15.0
"""Seconds between two signs of life of who runs a task."""

SILENT = 300.0
"""Seconds without one after which an owner on another machine counts as gone: networks remember the times of files for
a minute. Nothing runs again by that; only a person may decide from then on."""

_under_way: set[str] = set()
"""The attempts of this process that have not ended."""


class Attempt:
    """One start of a task, by this process; `end` it, whatever comes."""

    def __init__(self, book: OnceBook, number: int, note: OnceNote) -> None:
        self._book, self._number, self._note = book, number, note
        self._over = threading.Event()
        try:
            threading.Thread(target=self._live, name="milepost-once", daemon=True).start()
        except BaseException:  # interrupted while it started: it ends at once
            self._over.set()
            raise

    @property
    def id(self) -> str:
        """What tells it from other starts."""
        return self._note.attempt

    @property
    def key(self) -> str:
        """The idempotency key of the task."""
        return self._note.key

    def end(self, kind: OnceKind, text: str = "", outputs: Sequence[str] | None = None) -> bool:
        """Note how it ended; False where something else was noted meanwhile: a person has decided, say."""
        left = self._note.outputs if outputs is None else tuple(outputs)
        note = replace(self._note, kind=kind, at=_now(), text=text, outputs=left)
        try:
            number, newest = self._book.notes.newest(note.task)
            if number == self._number and newest is not None and newest.attempt not in ("", self.id):
                return False  # the store was deleted, and somebody has started it in the next one
            return self._book.notes.add(self._number + 1, note)
        finally:
            _under_way.discard(self.id)
            self._over.set()

    def _live(self) -> None:
        """Give signs of life, which only other machines need."""
        beat = self._book.beat(self._note.task)
        with suppress(OSError):
            write_file(beat, b"")
            while not self._over.wait(BEAT):
                os.utime(beat)


class OnceBook:
    """Of one store.

    Parameters
    ----------
    layout : Layout
    signer : callable
        Gives what signs.
    results : callable
        Gives what is saved now.
    drop : callable
        `drop(lines)` has the results in the lines with these sums count no more.
    """

    def __init__(
        self,
        layout: Layout,
        signer: Callable[[], Authenticator],
        results: Callable[[], View],
        drop: Callable[[tuple[str, ...]], object],
    ) -> None:
        self.notes = Notes(layout, signer)
        self._layout = layout
        self._results = results
        self._drop = drop

    def look(self, task: str) -> OnceState:
        """Where a task stands."""
        return self._state(task, self.notes.newest(task)[1], self._results())

    def unsettled(self) -> dict[str, OnceState]:
        """The tasks that are in doubt, or run in another process."""
        notes = self.notes.all()
        results = self._results() if notes else View()
        states = {note.task: self._state(note.task, note, results) for note in notes}
        return {task: state for task, state in states.items() if state.standing in _UNSETTLED and not _is_own(state)}

    def tasks(self) -> list[str]:
        """All tasks of which something is noted."""
        return [note.task for note in self.notes.all() if note.kind is not OnceKind.FORGOTTEN]

    def begin(self, task: str, outputs: Sequence[str] = ()) -> Attempt | None:
        """Start a task; None where it may not, or somebody else was faster. It is durable before this returns.

        Raises
        ------
        StoreUnwritableError
            Where that cannot be noted.
        """
        number, note = self.notes.newest(task)
        results = self._results()
        if self._state(task, note, results).standing is not Standing.FREE:
            return None
        void = note.void if note is not None else ()
        self._drop_those_of(results, void)  # where whoever decided that was killed
        key = self.notes.key(task) or secrets.token_hex(16)
        new = replace(_note(task, OnceKind.STARTED), key=key, outputs=tuple(outputs), void=void)
        _under_way.add(new.attempt)  # before its note is there: other threads look
        try:
            if self.notes.add(number + 1, new):
                return Attempt(self, number + 1, new)
        except BaseException:  # interrupted, or not synced: nothing has begun
            self._take_back(number + 1, new)
            raise
        _under_way.discard(new.attempt)
        return None

    def _take_back(self, number: int, note: OnceNote) -> None:
        _under_way.discard(note.attempt)
        with suppress(StoreError):
            if self.notes.newest(note.task) == (number, note):
                self.notes.add(number + 1, replace(note, kind=OnceKind.RELEASED))

    def lost(self, task: str, text: str) -> OnceState:
        """Note that what a task left cannot be given back; where it stands then."""
        number, _ = self.notes.newest(task)
        known = self.look(task).note or _note(task, OnceKind.LOST)
        self.notes.add(number + 1, replace(known, kind=OnceKind.LOST, at=_now(), owner=this_process(), text=text))
        return self.look(task)

    def resolve(self, task: str, *, done: bool, value: str | None = None) -> OnceNote:
        """Decide for a task in doubt: it is `done`, and left `value` (JSON text), or it may run again.

        What it left stands where no value is given, as far as it is there. One may also be given for a task that was
        done, if none was before: for the time when what it left can never be built again.

        Raises
        ------
        UsageError
            Where it is not in doubt, or somebody else decided meanwhile.
        """
        number, results = self.notes.newest(task)[0], self._results()
        state = self.look(task)
        if not (done and value is not None and _takes_value(state)):
            self.require_doubt(task)
        known = state.note or _note(task, OnceKind.DONE)
        new = replace(known, kind=OnceKind.DONE if done else OnceKind.RELEASED, attempt=secrets.token_hex(8))
        new = replace(new, at=_now(), owner=this_process(), value=value, text="as a person has said")
        if not done:  # what is left of it, damaged perhaps, must not stand for the next run
            new = replace(new, void=_lines(results, task))
        elif value is None:
            record = result_of(results, task, known.attempt)
            new = replace(new, attempt=record.once if record else known.attempt or new.attempt)
        if not self.notes.add(number + 1, new):
            raise UsageError(f"task {task!r}: somebody else has decided meanwhile; look again")
        self._drop_those_of(results, new.void)
        return new

    def _drop_those_of(self, results: View, lines: Iterable[str]) -> None:
        """Only once that is noted: another decision may have come first."""
        if standing := tuple(line for line in lines if results.standing(line)):
            self._drop(standing)

    def require_doubt(self, task: str) -> None:
        """Raise `UsageError` where a task is not in doubt."""
        state, (_, note) = self.look(task), self.notes.newest(task)
        if note is None:
            raise UsageError(f"task {task!r} is not in doubt: it has not started, or is none that happens once")
        if state.standing is not Standing.IN_DOUBT:
            raise UsageError(f"task {task!r} is not in doubt: {_words(state)}")

    def forget(self, tasks: Iterable[str]) -> list[str]:
        """Have tasks that were done happen again, with another key; which of them there were.

        Raises
        ------
        UsageError
            Where one is in doubt or runs; then nothing is forgotten. Or where somebody else decided meanwhile.
        """
        found = [(task, *self.notes.newest(task)) for task in tasks]
        noted = [(task, number, note) for task, number, note in found if note is not None]
        for task, _, note in noted:
            state = self._state(task, note, self._results())
            if state.standing is Standing.IN_DOUBT:
                raise UsageError(state.text)
            if state.standing is Standing.RUNNING:
                raise UsageError(f"task {task!r}: {state.reason.text}; wait for its end, or cancel it there")
        results = self._results()
        for task, number, note in noted:
            new = replace(_note(task, OnceKind.FORGOTTEN), outputs=note.outputs, void=_lines(results, task))
            if not self.notes.add(number + 1, new):
                raise UsageError(f"task {task!r}: somebody else has decided meanwhile; look again")
            self._drop_those_of(results, new.void)
        return [task for task, _, _ in noted]

    def beat(self, task: str) -> Path:
        """The file whose time is that of the last sign of life of who runs a task."""
        return self._layout.once / f"{chain(task)}.beat"

    # by the newest note

    def _state(self, task: str, note: OnceNote | None, results: View) -> OnceState:
        if note is None or note.kind in (OnceKind.RELEASED, OnceKind.FORGOTTEN):
            if (record := result_of(results, task, void=note.void if note is not None else ())) is None:
                return OnceState(Standing.FREE, note)
            # It ran before it was said to happen once.
            known = note or _note(task, OnceKind.FINISHED)
            return OnceState(Standing.DONE, replace(known, attempt=record.once, at=record.saved_at))
        if note.kind is OnceKind.STARTED:
            return self._started(task, note, results)
        saved = note.kind in _ENDED and result_of(results, task, note.attempt) is not None
        nothing = note.kind is OnceKind.FINISHED and not note.outputs
        if note.kind is OnceKind.DONE or saved or nothing:
            return OnceState(Standing.DONE, note)
        return OnceState(Standing.IN_DOUBT, note, _why(note))

    def _started(self, task: str, note: OnceNote, results: View) -> OnceState:
        if result_of(results, task, note.attempt) is not None:
            return OnceState(Standing.DONE, note)
        words = f"it started on {when(note)} ({note.owner}) and "
        alive = note.attempt in _under_way if note.owner == this_process() else is_alive(note.owner)
        if alive is None:
            silence = self._silence(task)
            words += f"gave its last sign of life {silence / 60:.0f} min ago; "
            alive = silence < SILENT
        if alive:
            return OnceState(Standing.RUNNING, note)
        return OnceState(Standing.IN_DOUBT, note, f"{words}never reported its end: nobody knows whether it happened")

    def _silence(self, task: str) -> float:
        """Seconds since the last sign of life, all by the clock of the file system: machines differ in theirs."""
        number, _ = self.notes.newest(task)
        signs = [self.beat(task), self.notes.file(task, number)]
        last = max((sign.lstat().st_mtime for sign in signs if sign.exists()), default=0.0)
        return abs(clock_of(self._layout.once) - last)  # from the future: that clock was set back, and tells nothing


def result_of(results: View, task: str, attempt: str = "", void: Sequence[str] = ()) -> Record | None:
    """What is saved of an attempt, or (with "") of a task, and may be loaded; not in the lines that are void."""
    own = (version.record for version in results.of(task) if version.trusted and version.sum not in void)
    return next((record for record in own if record.once == attempt or not attempt), None)


def _lines(results: View, task: str) -> tuple[str, ...]:
    return tuple(version.sum for version in results.of(task))


_ENDED = (OnceKind.FINISHED, OnceKind.FAILED)
"""After which a result that is saved says that it was done: it may have been stopped after the save."""

_UNSETTLED = (Standing.IN_DOUBT, Standing.RUNNING)


def _is_own(state: OnceState) -> bool:
    return state.standing is Standing.RUNNING and state.note is not None and state.note.owner == this_process()


def _note(task: str, kind: OnceKind) -> OnceNote:
    return OnceNote(task=task, kind=kind, attempt=secrets.token_hex(8), at=_now(), owner=this_process())


def _now() -> str:
    return stamp(datetime.now(UTC))


def _takes_value(state: OnceState) -> bool:
    """Whether a task was done, and nobody has said what it left."""
    note = state.note
    return state.standing is Standing.DONE and note is not None and note.value is None


def _why(note: OnceNote) -> str:
    """What put a task in doubt that did not just stop."""
    if note.kind is OnceKind.FAILED:
        return f"it began and did not come to its end on {when(note)} ({note.text}): it may have had its effect"
    if note.kind is OnceKind.UNREADABLE:
        return "what is noted of it cannot be read: a file was damaged, or a newer Milepost wrote it"
    words = f": {note.text}" if note.text else ", or not saved under your key"
    return f"it happened on {when(note)}, and what it left is not there any more{words}"


def _words(state: OnceState) -> str:
    return "it may run: run its cell" if state.standing is Standing.FREE else state.reason.text
