"""Give back what is saved and still valid; else have the inner strategy run the task, and save what it came to."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from milepost.analysis.code import digest_text
from milepost.analysis.reading import Reader, reading_digest
from milepost.analysis.validity import PYTHON, explain, task_key
from milepost.engine.once import Once, book_of, in_doubt, not_given_back, record_of, value_of
from milepost.model.errors import CorruptCheckpointError, UntrustedError
from milepost.model.keyed import keyed
from milepost.model.once import OnceKind, OnceState, Standing
from milepost.model.parameters import data_names
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Input, Output, Record
from milepost.model.result import TaskMetrics, TaskResult
from milepost.model.states import TaskStatus
from milepost.ports import Blob, ExecutionStrategy, OnceBook, Serializer, Store, TaskCall, Trouble, TroubleKind

VALUES = "values"
"""The part of a checkpoint that holds the data."""

DATA = "return"
"""The name of the data within it."""

_log = logging.getLogger("milepost.store")


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a call depends on: its key, why it has no valid result if it has none, and its valid record if it has one.

    `code` is for people. With `blockers`, a sentence each, nothing saved can be vouched for. `once` is the attempt of a
    task that happens once.
    """

    key: str
    code: str
    inputs: dict[str, Input]
    blockers: dict[str, str]
    why: Reason | None = None
    record: Record | None = None
    once: str = ""


@dataclass(slots=True)
class _Known:
    """What a task left: under which key, the digest of its data, and the record it came from if it was restored.

    `form` is the digest of the restored data, which may differ although the content is the same.
    """

    key: str
    digest: str
    record: Record | None = None
    form: str = ""


class CheckpointingStrategy:
    """Restores a task's saved result while all that it depends on is as it was then.

    That is its code and what this reads, through helpers of helpers; default values and variables of outer functions;
    the data of the tasks that its parameters name, and `context` if it takes that, by content; of the tasks that only
    come before it, the key; the policy of its loop; and Python's minor version. `signal` and `progress` do not count.

    What has no content to compare (a lock, an open file) cannot be vouched for: such a task runs each time, and so does
    one that changes what it reads, as a restore would not do that. The result's message says so.

    Parameters
    ----------
    inner : ExecutionStrategy
    store : Store
        When it fails, results stay in memory and the run goes on; this is logged once (logger `milepost.store`).
    serializer : Serializer
    """

    def __init__(self, inner: ExecutionStrategy, store: Store, serializer: Serializer) -> None:
        self._inner = inner
        self._store = store
        self._serializer = serializer
        self._known: dict[str, _Known] = {}
        self._ran: dict[str, None] = {}
        self._complained = False
        self._damaged: dict[str, None] = {}
        """Tasks whose restored data turned out to be damaged, until they have run again."""
        store.on_trouble(self._trouble)

    def execute(self, call: TaskCall) -> TaskResult:
        """The task's result, restored or computed."""
        name = call.task.name
        self._known.pop(name, None)
        self._ran.pop(name, None)
        plan = self._plan(call)
        if call.task.once:
            return self._once(call, plan)
        plan = self._look_up(name, plan)
        restored = self._restore(name, plan.record) if plan.record else None
        if isinstance(restored, Reason):
            plan = replace(plan, why=restored)
        elif restored is not None:
            return restored
        self._ran[name] = None
        return self._run(call, plan)

    # what happens once

    @property
    def keeps_once(self) -> bool:
        """Whether tasks may be `once` here."""
        return book_of(self._store) is not None

    def _once(self, call: TaskCall, plan: _Plan) -> TaskResult:
        book = book_of(self._store)
        assert book is not None, "the runner has refused the task"
        with Once(book, call) as once:
            state = once.admit((DATA,), call.progress)
            if state is not None:
                return self._given(book, call, plan, state)
            self._ran[call.task.name] = None
            own = replace(plan, once=once.id)
            return once.run(lambda call: self._run(call, own), _left)

    def _given(self, book: OnceBook, call: TaskCall, plan: _Plan, state: OnceState) -> TaskResult:
        """What a task comes to that was done, or is in doubt: whatever else it depends on now, it does not run."""
        name = call.task.name
        if state.standing is Standing.IN_DOUBT:
            return in_doubt(state.text)
        record = record_of(self._store.history(name), state.note)
        if record is None:
            return self._told(call, plan, state)
        restored = self._restore(name, record)
        if isinstance(restored, Reason):
            return self._not_restored(book, call, plan, state, restored)
        changed = "" if record.key == plan.key else "what it depends on changed, and it does not happen again for that"
        return replace(restored, message="; ".join(filter(None, [restored.message, changed])))

    def _not_restored(self, book: OnceBook, call: TaskCall, plan: _Plan, state: OnceState, why: Reason) -> TaskResult:
        """Only damage loses what it left: what is missing to build it may be there the next time."""
        if why.kind is not ReasonKind.CORRUPT:
            return not_given_back(state.not_given_back(why.text))
        if state.note is not None and state.note.kind is OnceKind.DONE:  # with that a person has said it
            return self._told(call, plan, state)
        return in_doubt(book.lost(call.task.name, why.text).text)

    def _told(self, call: TaskCall, plan: _Plan, state: OnceState) -> TaskResult:
        """What a person says that the task left: kept from now on as if it had."""
        note = state.note
        result = TaskResult(TaskStatus.SUCCESS, state.reason.text, data=value_of(note), restored=True)
        unsaved = self._save(call, replace(plan, once=note.attempt if note else ""), result)
        return replace(result, message=f"{result.message}; not saved: {unsaved}") if unsaved else result

    # what a call depends on

    def _plan(self, call: TaskCall) -> _Plan:
        reader, name = Reader(), call.task.name
        try:
            code, digest = self._read(reader, call)
        except Exception as error:  # of what a value does while it is looked at: no reason for the task to fail
            code, digest = "", ""
            reader.blockers[""] = f"what it depends on cannot be read ({type(error).__name__}: {error})"
        key = task_key(name, digest, reader.inputs)
        if reader.blockers:  # no other run has this key
            key = digest_text(key, secrets.token_hex(16))
        return _Plan(key, code, reader.inputs, reader.blockers)

    def _read(self, reader: Reader, call: TaskCall) -> tuple[str, str]:
        task, names = call.task, data_names(call.task.run, call.task.dependencies)
        for name in names:
            if name in call.inputs:
                self._add_data(reader, name, call.inputs[name])
            elif name in task.dependencies:  # optional, and without success
                reader.inputs[name] = Input(name=name, kind="missing", digest="", source=name)
            elif name == "context":
                reader.add(name, call.context)
        for name in task.dependencies:
            if name not in names:
                self._add_key(reader, name)
        if task.loop is not None:
            reader.add("its loop", task.loop.until)
        code = reader.body(task.run)
        reader.follow()
        return code

    def _add_data(self, reader: Reader, name: str, value: object) -> None:
        known = self._known.get(name)
        made_by = known.key if known else ""
        reader.add(name, value, source=name, made_by=made_by, counts=lambda found: self._counts(known, found))

    def _add_key(self, reader: Reader, name: str) -> None:
        known, label = self._known.get(name), f"after {name}"
        if known is None:
            reader.blockers[label] = f"it comes after {name!r}, and what that did is not known here"
        reader.inputs[label] = Input(
            name=label, kind="after", digest=known.key if known else "", text=name, source=name
        )

    def _counts(self, known: _Known | None, found: str) -> str:
        """The digest that counts for data: the recorded one, unless the data is not what was saved.

        A restore may change the form of data (shared strings, strides): then it equals another copy of the same record.
        """
        if known is None or known.record is None or found == known.digest:
            return found
        if not known.form:
            known.form = reading_digest(self._load(known.record))[0].hex
        return known.digest if found == known.form else found

    # looking up and restoring

    def _look_up(self, name: str, plan: _Plan) -> _Plan:
        try:
            history = self._store.history(name)
        except Exception as error:
            self._complain(error)
            return replace(plan, why=Reason(ReasonKind.NO_STORE, f"the store cannot be read: {error}"))
        if plan.blockers:
            return replace(plan, why=Reason(ReasonKind.NOT_FINGERPRINTED, "; ".join(plan.blockers.values())))
        same = [record for record in history if record.key == plan.key]
        valid = next((record for record in same if record.trusted), None)
        if valid is not None:
            return replace(plan, record=valid)
        if same:
            return replace(plan, why=Reason(ReasonKind.UNTRUSTED, "what is saved was saved under another user's key"))
        newest = next(iter(history), None)
        return replace(plan, why=explain(plan.code, plan.inputs, newest, self._ran))

    def _restore(self, name: str, record: Record) -> TaskResult | Reason:
        """The saved result, or why it cannot be given back."""
        try:
            data = self._load(record)
        except UntrustedError as error:
            return Reason(ReasonKind.UNTRUSTED, str(error))
        except CorruptCheckpointError as error:
            return Reason(ReasonKind.CORRUPT, f"its checkpoint is damaged: {error}")
        except Exception as error:
            return Reason(ReasonKind.NOT_RESTORABLE, str(error) or type(error).__name__)
        self._known[name] = _Known(record.key, record.outputs[0].digest, record)
        _log.info("task %r: restored, saved %s", name, record.saved_at)
        message = str(record.extra.get("message", ""))
        return TaskResult(TaskStatus.SUCCESS, message, data=data, metrics=_metrics(record), restored=True)

    def _load(self, record: Record) -> Any:
        return self._serializer.load(self._store.open(record, VALUES))[DATA]

    # running and saving

    def _run(self, call: TaskCall, plan: _Plan) -> TaskResult:
        if why := _why(plan):
            _log.info("task %r %s", call.task.name, why)
        self._damaged.pop(call.task.name, None)
        result = self._inner.execute(call._replace(task=keyed(call.task)))
        if not result.ok:
            return result
        plan, damage = self._checked(call, plan)
        unsaved = self._save(call, plan, result) or damage
        words = [result.message, why, f"not saved: {unsaved}" if unsaved else ""]
        return replace(result, message="; ".join(filter(None, words)))

    def _checked(self, call: TaskCall, plan: _Plan) -> tuple[_Plan, str]:
        """What was computed from damaged data cannot be vouched for, and counts under a key that nothing else has."""
        self._store.settle()
        damaged = [name for name in call.task.dependencies if name in self._damaged]
        if not damaged:
            return plan, ""
        words = f"it was computed from what {_listed(damaged)} had saved, and that is damaged"
        _log.warning("task %r: not saved: %s", call.task.name, words)
        return replace(plan, key=digest_text(plan.key, secrets.token_hex(16)), blockers={"": words}), words

    def _trouble(self, trouble: Trouble) -> None:
        _log.warning("%s", trouble.text)
        if trouble.kind is TroubleKind.DAMAGED:
            self._damaged[trouble.record.task] = None
            self._known.pop(trouble.record.task, None)

    def _save(self, call: TaskCall, plan: _Plan, result: TaskResult) -> str:
        """Save a success; why it is not saved, or "" (also where `plan.why` says why nothing could be restored)."""
        name = call.task.name
        output = Output(name=DATA, digest=reading_digest(result.data)[0].hex, type=type(result.data).__name__)
        self._known[name] = _Known(plan.key, output.digest)
        if plan.blockers and not plan.once:  # what happens once is given back by its name, whatever it depends on
            return ""
        unsaved = self._obstacle(call, plan)
        dump = self._dump(result.data) if not unsaved else None
        if isinstance(dump, Blob):
            return self._write(_record(call, plan, result, output), dump)
        unsaved = dump or unsaved
        _log.warning("task %r: not saved: %s", name, unsaved)
        return unsaved

    def _obstacle(self, call: TaskCall, plan: _Plan) -> str:
        if call.signal.cancelled:
            return "it was cancelled meanwhile, so this may be a part of it"
        if changed := _changed(plan, self._plan(call)):
            return f"it changes {_listed(changed)}, which it reads, and a restore would not do that"
        return ""

    def _dump(self, data: object) -> Blob | str:
        """The data as bytes, or why it cannot be saved."""
        try:
            dump = self._serializer.dump({DATA: data})
        except Exception as error:
            return str(error)
        return dump.unsaved.get(DATA, dump.blob)

    def _write(self, record: Record, blob: Blob) -> str:
        try:
            self._store.save(record, {VALUES: blob}, durable=bool(record.once))
        except Exception as error:
            self._complain(error)
            return str(error)
        return ""

    def _complain(self, error: Exception) -> None:
        """Log that the store fails, the first time."""
        if not self._complained:
            self._complained = True
            _log.warning("results stay in memory only: %s", error)


def _why(plan: _Plan) -> str:
    """Why a task runs although it may have run before; nothing of one that is new."""
    if plan.why is None or plan.why.kind is ReasonKind.FIRST_RUN:
        return ""
    return f"runs {'each time' if plan.blockers else 'again'}: {plan.why.text}"


def _changed(before: _Plan, after: _Plan) -> list[str]:
    """What a body, or something meanwhile, changed of what it reads."""
    if before.key == after.key:
        return []
    labels = dict.fromkeys((*before.inputs, *after.inputs))
    found = [label for label in labels if before.inputs.get(label) != after.inputs.get(label)]
    return found or ([] if before.blockers else ["something"])  # what cannot be compared has another key each time


def _record(call: TaskCall, plan: _Plan, result: TaskResult, output: Output) -> Record:
    metrics = result.metrics
    return Record(
        task=call.task.name,
        key=plan.key,
        code=plan.code,
        inputs=tuple(plan.inputs.values()),
        outputs=(output,),
        after=call.task.dependencies,
        seconds=metrics.duration if metrics else 0.0,
        peak_bytes=(metrics.peak_bytes or 0) if metrics else 0,
        why=plan.why,
        once=plan.once,
        extra={"python": PYTHON, "message": result.message, "metrics": list(metrics) if metrics else None},
    )


def _left(result: TaskResult) -> tuple[str, ...]:
    """What is lost where the result cannot be given back."""
    return () if result.data is None else (DATA,)


def _metrics(record: Record) -> TaskMetrics | None:
    """What the task used when it was computed."""
    saved = record.extra.get("metrics")
    return TaskMetrics(*saved) if saved else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
