"""How a saved result looks to people that no session has loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from milepost.model.once import OnceState, Standing
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import RETURN, Output, Record
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.widget.ages import age
from milepost.widget.words import duration


def view_of_record(record: Record, *, loaded: bool = False) -> TaskView:
    """A task that only the store knows: saved before this kernel; its cell was not run since, its values `loaded`."""
    if record.trusted:
        words = f"saved {age(record.saved_at)} ({duration(record.seconds)} of computing)"
        kind = ReasonKind.RESTORED if loaded else ReasonKind.SAVED
        words = f"{record.automatic}: {words}" if record.automatic else words
        why = Reason(kind, f"{words}; {'its values were given back' if loaded else 'not loaded yet'}")
    else:
        why = Reason(ReasonKind.UNTRUSTED, "saved under another user's key: not loaded until you trust it")
    return TaskView(
        name=record.task,
        state=TaskState.SUCCESS if record.trusted else TaskState.UNTRUSTED,
        restored=loaded and record.trusted,
        outputs=shown_names(record.outputs),
        after=record.after,
        seconds=record.seconds,
        saved=True,
        durable=record.durable,
        nbytes=record.nbytes,
        saved_at=record.saved_at,
        why=why,
        cell_id=record.cell_id,
        inputs=tuple(item.name for item in record.inputs if item.kind == "value" or item.of_task),
        expected=record.seconds,
        unsaved=lost_names(record.outputs),
    )


def view_in_doubt(state: OnceState, view: TaskView | None = None) -> TaskView:
    """A task that happens once, and is in doubt or runs in another process; `view` is what is known of it besides."""
    note = state.note
    assert note is not None
    view = view or TaskView(name=note.task, outputs=tuple(name for name in note.outputs if name != RETURN))
    shown = TaskState.IN_DOUBT if state.standing is Standing.IN_DOUBT else TaskState.RUNNING
    return replace(view, state=shown, restored=False, why=state.reason)


def view_of_unfinished(record: Record, *, paused: bool) -> TaskView:
    """A task that ended within a loop: its cell was not run since."""
    done, total = record.extra["done"], record.extra["total"]
    of = f" of {total}" if total is not None else ""
    why = Reason(
        ReasonKind.UNFINISHED, f"ended within a loop: goes on after item {done}{of}, kept {age(record.saved_at)}"
    )
    progress = f"{done}/{total}" if total is not None else str(done)
    state = TaskState.PAUSED if paused else TaskState.PENDING
    return TaskView(
        name=record.task, state=state, seconds=record.seconds, why=why, cell_id=record.cell_id, progress=progress
    )


def shown_names(outputs: Iterable[Output]) -> tuple[str, ...]:
    return tuple(item.name for item in outputs if item.name != RETURN)


def lost_names(outputs: Iterable[Output]) -> tuple[str, ...]:
    """The outputs that could not be saved."""
    return tuple(item.name for item in outputs if item.unsaved)
