"""Sending a body to a worker process with all that it reads, and taking what it left."""

from __future__ import annotations

import copy
import linecache
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.checkpoint.serializers.refuse import library_class
from milepost.functions import TaskFunction
from milepost.model.errors import SerializationError, TransferError
from milepost.model.keyed import keyed
from milepost.notebook.definition import RETURN
from milepost.notebook.failure import error_of
from milepost.notebook.remote import ARGUMENTS, BEGUN, FUNCTION, RemoteBody, Reply, Results, portable
from milepost.notebook.steps import Step
from milepost.ports import Executor, Measured, TaskCall

ADVICE = "Make it inside the task, or run the task in this process (--on threads)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a worker process is to do: a cell's `steps`, or a `function` with `arguments`.

    `inputs` are variables by name; those in `needed` must go along, others only if they can. `states` are where the
    random generators shall be there, None where they may be anywhere. `results` is what `@task` functions have come to.
    """

    task: str
    inputs: Mapping[str, Any]
    needed: frozenset[str]
    steps: tuple[Step, ...] = ()
    outputs: tuple[str, ...] = ()
    function: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    states: Mapping[str, Any] | None = None
    results: Results = field(default_factory=Results)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the values by name, and the rest as in `Reply`."""

    values: dict[str, Any]
    reply: Reply
    peak_bytes: int


class Sender:
    """An executor that has `executor` run an errand in place of the body; `home` is the notebook's namespace.

    `begun()` is called once the inputs are on the other side: what changes here from then on has no effect there.
    """

    name = "processes"
    inline = True

    def __init__(
        self, executor: Executor, errand: Errand, home: dict[str, Any], begun: Callable[[], object] = lambda: None
    ) -> None:
        self._executor = executor
        self._errand = errand
        self._home = home
        self._begun = begun
        self._told: Callable[[str], object] = lambda message: None
        self._left_out: dict[str, str] = {}
        self.answer: Answer | None = None

    def submit(self, work: Callable[[], object]) -> None:
        """Run the work here; only bodies go elsewhere."""
        work()

    def shutdown(self) -> None:
        """Nothing to free: the executor is not its own."""

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Any:
        """Run the errand; the value of a function.

        Raises
        ------
        TransferError
            Where something cannot travel there or back.
        WorkerDied
            Where the worker process ended.
        BaseException
            What the body raises.
        """
        self._told = call.progress
        sent = call._replace(task=keyed(replace(call.task, run=self._body())), progress=self._progress)
        measured = self._executor.invoke(sent, {"progress": sent.progress, "signal": sent.signal})
        assert isinstance(measured, Measured)
        self.answer = Answer(self._opened(measured.value), measured.value, measured.peak_bytes or 0)
        return replace(measured, value=self.answer.values.get(RETURN))

    def _progress(self, message: str) -> None:
        if message == BEGUN:
            self._begun()
        else:
            self._told(message)

    # there

    def _body(self) -> RemoteBody:
        errand = self._errand
        inputs = {name: self._travelling(value) for name, value in errand.inputs.items()}
        if errand.function is not None:
            inputs |= {FUNCTION: errand.function, ARGUMENTS: dict(errand.arguments)}
        dump = NotebookSerializer(self._home).dump(inputs)
        self._require(dump.unsaved)
        sent = {name: value for name, value in errand.inputs.items() if name not in dump.unsaved}
        return RemoteBody(
            task=errand.task,
            inputs=portable(dump.blob),
            steps=errand.steps,
            outputs=errand.outputs,
            shareable=tuple(name for name, value in sent.items() if _keeps_layout(value)),
            states=errand.states,
            sources=_sources([*(step.code for step in errand.steps), *_codes([*sent.values(), errand.function])]),
        )

    def _travelling(self, value: Any) -> Any:
        if not isinstance(value, TaskFunction):
            return value
        made: Any = copy.copy(value)
        made._registry = self._errand.results
        return made

    def _require(self, unsent: Mapping[str, str]) -> None:
        errand = self._errand
        self._left_out = {name: reason for name, reason in unsent.items() if name not in errand.needed}
        for name, reason in unsent.items():
            if name == FUNCTION:
                raise TransferError(f"task {errand.task!r} cannot be sent to a worker process: {reason}. {ADVICE}")
            if name == ARGUMENTS:
                raise TransferError(self._refusal_of_arguments(reason))
            if name in errand.needed:
                kind = type(errand.inputs[name]).__qualname__
                words = f"task {errand.task!r} reads {name!r} ({kind}), which cannot be sent to a worker process"
                raise TransferError(f"{words}: {reason}. {ADVICE}")

    def _refusal_of_arguments(self, reason: str) -> str:
        serializer, arguments = NotebookSerializer(self._home), self._errand.arguments
        names = [name for name, value in arguments.items() if serializer.dump({name: value}).unsaved]
        what = f"its argument {names[0]!r}" if names else "its arguments"
        return f"task {self._errand.task!r}: {what} cannot be sent to a worker process: {reason}. {ADVICE}"

    # and back

    def _opened(self, reply: Reply) -> dict[str, Any]:
        serializer = NotebookSerializer(self._home)
        if reply.failure is not None:
            raise self._explained(error_of(reply.failure, serializer), reply.failure.missing)
        try:
            values = serializer.load(reply.values, self._errand.inputs.__getitem__)
        except SerializationError as error:
            words = f"task {self._errand.task!r}: what its worker process sent cannot be built again here"
            raise TransferError(f"{words}: {error}") from error
        return {**values, **{name: self._errand.inputs[name] for name in reply.kept}}

    def _explained(self, error: BaseException, name: str) -> BaseException:
        """A name that is missing there may well be here."""
        if name in self._left_out:
            error.add_note(f"{name!r} was not sent to the worker process: {self._left_out[name]}. {ADVICE}")
        elif name in self._home and name not in self._errand.inputs:
            error.add_note(f"the notebook has {name!r}, but the cell does not show that it reads it: add --in {name}")
        return error


def _keeps_layout(value: Any) -> bool:
    """Whether an array lies in the memory of another process as it does here: a view of a part may not."""
    array = library_class("numpy", "ndarray")
    if array is None or not isinstance(value, array):
        return True
    flags: Any = value.flags  # type: ignore[attr-defined]
    return bool(flags.c_contiguous or flags.f_contiguous)


def _codes(values: Iterable[Any]) -> list[types.CodeType]:
    """The code of functions and classes."""
    plain = [value.function if isinstance(value, TaskFunction) else value for value in values]
    members = [item for value in plain if isinstance(value, type) for item in vars(value).values()]
    return [item.__code__ for item in (*plain, *members) if isinstance(item, types.FunctionType)]


def _sources(codes: Iterable[types.CodeType]) -> dict[str, str]:
    """The text of the cells that code is from: no file holds it."""
    names = {code.co_filename for code in codes}
    held = {name: linecache.cache[name] for name in names if name in linecache.cache}
    return {name: "".join(entry[2]) for name, entry in held.items() if len(entry) == 4 and entry[1] is None}
