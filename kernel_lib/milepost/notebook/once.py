"""A task of the notebook that happens once: whether it may run, and what it comes to where it may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.engine.once import Once, in_doubt, not_given_back, record_of, value_of
from milepost.model.errors import TaskCancelled
from milepost.model.once import OnceKind, OnceNote, OnceState, Standing, again, spread
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Record
from milepost.model.result import TaskResult
from milepost.notebook.checkpoints import Saved
from milepost.notebook.definition import RETURN, Definition
from milepost.notebook.facts import Facts
from milepost.notebook.stage import Left, Plan, Stage
from milepost.ports import TaskCall


class Runs(Protocol):
    """What looks up, runs and saves; `CheckpointStrategy` is one."""

    def run(self, stage: Stage, call: TaskCall, plan: Plan) -> TaskResult: ...
    def give_back(self, stage: Stage, plan: Plan) -> TaskResult | None: ...
    def write(self, stage: Stage, plan: Plan, left: Left, seconds: float) -> Saved: ...


class HappensOnce:
    """Of one session; `store()` is asked for each time, as it may move."""

    def __init__(self, runs: Runs, store: Callable[[], LocalStore]) -> None:
        self._runs = runs
        self._store = store

    def execute(self, stage: Stage, call: TaskCall, plan: Plan) -> TaskResult:
        """The task's result: computed at most once, of all kernels and machines."""
        here = self._here(stage, plan)
        if here is not None:
            return here
        with Once(self._store().once, call) as once:
            state = once.admit(_outputs(plan.definition), lambda words: _say(stage, words, "⧗"))
            if state is None:
                return self._run(stage, call, plan, once)
        if state.standing is Standing.DONE:
            return self._done(stage, plan, state)
        plan.facts.why = state.reason
        return in_doubt(state.text)

    def _run(self, stage: Stage, call: TaskCall, plan: Plan, once: Once) -> TaskResult:
        plan, facts = replace(plan, once=once.id, record=None), plan.facts
        facts.key, facts.why, facts.unsaved = plan.key, plan.why, ""
        result = once.run(lambda call: self._runs.run(stage, call, plan), lambda _: _left(facts))
        if not result.ok and (state := self._store().once.look(call.task.name)).standing is Standing.IN_DOUBT:
            stage.note(state.text, symbol="⚠", warning=True)
        return result

    @staticmethod
    def _here(stage: Stage, plan: Plan) -> TaskResult | None:
        """What it came to in this kernel, where that is more than what is saved, or the very object is asked for."""
        facts = plan.facts
        if not facts.done or not (facts.unsaved or plan.definition.function):
            return None
        if facts.unsaved:
            _say(stage, f"it was done in this kernel, and is not run again; {again(plan.definition.name)}", "↺")
        return facts.result

    # done already

    def _done(self, stage: Stage, plan: Plan, state: OnceState) -> TaskResult:
        name, valid = plan.definition.name, plan.record
        record = self._record(stage, plan, state.note)
        found = self._given_back(stage, plan, record)
        if _is_damaged(found) and state.note is not None and state.note.kind is OnceKind.DONE:  # a person has said it
            record = self._told(stage, plan, state.note)
            found = self._given_back(stage, plan, record)
        if isinstance(found, Reason):
            return self._not_given_back(plan, state, found)
        if record is not None and (valid is None or valid.identity != record.identity):
            plan.facts.why = Reason(ReasonKind.DONE_ONCE, f"{state.reason.text}, and does not happen again", _why(plan))
            words = f"{state.reason.text}, and does not happen again{_although(plan)}; {again(name)}"
            stage.note(words, symbol="⚠", warning=True)
        return found

    def _record(self, stage: Stage, plan: Plan, note: OnceNote | None) -> Record | None:
        """What it left, as saved or as a person says; None where that was taken away since this was looked at."""
        saved = record_of(self._store().history(plan.definition.name), note)
        told = note is not None and (note.kind is OnceKind.DONE or not note.outputs)
        return self._told(stage, plan, note) if saved is None and told else saved

    def _given_back(self, stage: Stage, plan: Plan, record: Record | None) -> TaskResult | Reason:
        """What is saved, put in place, or why that cannot be."""
        if record is None:
            return Reason(ReasonKind.NOT_RESTORABLE, plan.facts.unsaved)
        try:
            result = self._runs.give_back(stage, replace(plan, record=record, key=record.key))
        except TaskCancelled:
            raise
        except Exception as error:  # there is no memory, say
            return Reason(ReasonKind.NOT_RESTORABLE, f"{type(error).__name__}: {error}")
        return result or plan.facts.why or Reason(ReasonKind.NOT_RESTORABLE, "")

    def _not_given_back(self, plan: Plan, state: OnceState, why: Reason) -> TaskResult:
        """Only damage loses what it left: what is missing to build it may be there the next time."""
        if not _is_damaged(why):
            plan.facts.why = why
            return not_given_back(state.not_given_back(why.text))
        state = self._store().once.lost(plan.definition.name, why.text)
        plan.facts.why = state.reason
        return in_doubt(state.text)

    def _told(self, stage: Stage, plan: Plan, note: OnceNote | None) -> Record | None:
        """Save what a person says that it left, as if it had; nothing, where it left nothing."""
        assert note is not None
        left, definition = Left(values=_values(note)), plan.definition
        # Also with `--save never`: it is known by that from now on, and is as small as what a person says.
        definition = replace(definition, options=replace(definition.options, save="auto"))
        saved = self._runs.write(stage, replace(plan, definition=definition, once=note.attempt), left, 0.0)
        plan.facts.unsaved = saved.unsaved
        missing = [name for name in note.outputs if name not in (*left.values, RETURN)]
        if missing and not left.values:
            words = f"not there: {', '.join(missing)}; `%tasks resolve {note.task} done VALUE` gives a value"
            stage.note(words, symbol="⚠", warning=True)
        return saved.record


def _is_damaged(found: TaskResult | Reason) -> bool:
    return isinstance(found, Reason) and found.kind is ReasonKind.CORRUPT


def _values(note: OnceNote) -> dict[str, Any]:
    if note.outputs == (RETURN,):
        return {RETURN: value_of(note)}
    return spread(note, value_of(note)) if note.value is not None and note.mine else {}


def _outputs(definition: Definition) -> tuple[str, ...]:
    """What it leaves, as far as that is known before it runs: with `--out`, what that says."""
    if definition.function is not None:
        return (RETURN,)
    return definition.options.outputs or definition.outputs


def _left(facts: Facts) -> tuple[str, ...]:
    """What would be lost with its result."""
    nothing = facts.result is not None and facts.result.data is None
    return tuple(output.name for output in facts.outputs if not (output.name == RETURN and nothing))


def _although(plan: Plan) -> str:
    return "" if plan.why.kind in _OF_NO_CHANGE else f", although {plan.why.text}"


def _why(plan: Plan) -> tuple[str, ...]:
    return () if plan.why.kind in _OF_NO_CHANGE else (plan.why.text, *plan.why.details)


_OF_NO_CHANGE = (ReasonKind.FIRST_RUN, ReasonKind.RESTORED, ReasonKind.EVICTED, ReasonKind.FORCED)


def _say(stage: Stage, words: str, symbol: str) -> None:
    stage.note(words, symbol=symbol)
