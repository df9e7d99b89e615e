"""What the session remembers of each task, and how it looks to people."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Identity, Input, Output, Record
from milepost.model.result import TaskResult
from milepost.model.states import TaskState, TaskStatus
from milepost.model.view import TaskView
from milepost.notebook.definition import Definition
from milepost.widget.saved import lost_names, shown_names

_GONE = "not saved any more: what was saved of it was forgotten or replaced elsewhere, or deleted with its store"


@dataclass(slots=True)
class Facts:
    """One task in this session. `state` is where it is now; `record` is what the store holds of this very result."""

    definition: Definition
    state: TaskState = TaskState.PENDING
    after: tuple[str, ...] = ()
    key: str = ""
    outputs: tuple[Output, ...] = ()
    observed: tuple[Input, ...] = ()
    """What its body was seen to read, write and start, besides names."""
    record: Record | None = None
    result: TaskResult | None = None
    why: Reason | None = None
    started: float | None = None
    seconds: float | None = None
    unsaved: str = ""
    changed: tuple[str, ...] = ()
    """Arguments that a function changed in place in its last run."""
    began: float | None = None
    """When its last run in this kernel began, and when it `ended` (Unix seconds)."""
    ended: float | None = None
    progress: str = ""
    """What its body last said of how far it has come."""
    in_background: bool = False
    """Whether it runs, or waits to run, beside the notebook."""

    def settle(self, result: TaskResult) -> None:
        """It came to an end."""
        began = self.started
        self.result, self.state, self.started = result, STATE_OF_STATUS[result.status], None
        self.progress = ""
        if began is not None:
            self.began, self.ended = began, time.time()
        self.in_background = False

    @property
    def ran(self) -> bool:
        """Whether its body ran in this session, and succeeded."""
        return self.result is not None and self.result.ok and not self.result.restored

    @property
    def done(self) -> bool:
        """Whether it succeeded in this session, or was given back."""
        return self.result is not None and self.result.ok

    @property
    def settled(self) -> bool:
        """Whether this session, not the store, says what the task came to."""
        return self.result is not None or self.state is TaskState.RUNNING or self.in_background


class RanTasks(Container[str]):
    """The names of the tasks among these whose body ran in this session."""

    def __init__(self, facts: Mapping[str, Facts]) -> None:
        self._facts = facts

    def __contains__(self, name: object) -> bool:
        facts = self._facts.get(name) if isinstance(name, str) else None
        return facts is not None and facts.ran


def view_of_facts(facts: Facts, stale: str = "") -> TaskView:
    """A task that this session knows; `stale` says which input differs now, if one does."""
    result = facts.result
    state = TaskState.STALE if stale and facts.state is TaskState.SUCCESS else facts.state
    return TaskView(
        name=facts.definition.name,
        state=state,
        restored=bool(result and result.restored),
        outputs=shown_names(facts.outputs) or facts.definition.outputs,
        after=facts.after,
        seconds=facts.seconds,
        started=facts.started,
        saved=facts.record is not None,
        nbytes=facts.record.nbytes if facts.record else 0,
        saved_at=facts.record.saved_at if facts.record else None,
        why=Reason(ReasonKind.INPUT_CHANGED, stale) if stale and state is TaskState.STALE else _why(facts),
        error=_error(result),
        cell_id=facts.definition.cell_id,
        inputs=tuple(dict.fromkeys((*facts.definition.reads, *facts.definition.upstream))),
        progress=facts.progress,
        expected=facts.seconds,
        began=facts.began,
        ended=facts.ended,
        unsaved=lost_names(facts.outputs),
    )


def as_kept(view: TaskView, facts: Facts, kept: Mapping[Identity, Record] | None) -> TaskView:
    """As the store has the result now (None: not known): another process may have forgotten it, or it was deleted."""
    if facts.record is None or kept is None:
        return view
    found = kept.get(facts.record.identity)
    if found is not None:
        return replace(view, durable=found.durable)
    why = view.why and replace(view.why, text=f"{view.why.text}; {_GONE}")
    return replace(view, saved=False, nbytes=0, saved_at=None, why=why)


def relabelled(view: TaskView, called: Mapping[str, str]) -> TaskView:
    """With what people read in the place of some names."""
    if view.name not in called and not any(name in called for name in view.after):
        return view
    after = tuple(called.get(name, name) for name in view.after)
    return replace(view, name=called.get(view.name, view.name), after=after)


def before(known: Iterable[Facts], name: str, tasks: Iterable[str]) -> list[str]:
    """Those of some tasks that do not come after the one named: a cell that runs again may read what a later one left.

    So do `n += 1` in two cells, and two loops with the same variable: they depend on one another in a circle.
    """
    after: dict[str, list[str]] = {}
    for facts in known:
        for upstream in facts.after:
            after.setdefault(upstream, []).append(facts.definition.name)
    later, waiting = set[str](), [name]
    while waiting:
        found = [task for task in after.get(waiting.pop(), ()) if task not in later]
        later.update(found)
        waiting += found
    return [task for task in tasks if task not in later]


def _why(facts: Facts) -> Reason | None:
    if facts.why is None:
        return None
    text = f"{facts.why.text}; not saved: {facts.unsaved}" if facts.unsaved else facts.why.text
    untracked = [item.text for item in facts.observed if item.kind == "untracked"]
    return Reason(facts.why.kind, text, (*facts.why.details, *untracked))


def _error(result: TaskResult | None) -> str | None:
    if result is None or result.ok:
        return None
    return str(result.error) if result.error else result.message or None


STATE_OF_STATUS = {
    TaskStatus.SUCCESS: TaskState.SUCCESS,
    TaskStatus.FAILURE: TaskState.FAILURE,
    TaskStatus.SKIPPED: TaskState.SKIPPED,
    TaskStatus.CANCELLED: TaskState.CANCELLED,
}
