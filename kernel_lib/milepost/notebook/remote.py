"""A body in a worker process: it comes with all that it reads, and what it leaves goes back.

Workers load this module, so it imports nothing that only the notebook's own process needs.
"""

from __future__ import annotations

import builtins
import contextlib
import inspect
import linecache
import pickle
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.functions import TaskFunction
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TransferError, UsageError
from milepost.model.parameters import parameters_of
from milepost.model.result import TaskResult
from milepost.notebook.coroutine import run_coroutine
from milepost.notebook.definition import RETURN
from milepost.notebook.failure import Failure, failure_of
from milepost.notebook.namespace import mutable, state_of
from milepost.notebook.random_state import read_states, restore_states, state_digests
from milepost.notebook.steps import Step, run_steps
from milepost.ports import Blob

FUNCTION, ARGUMENTS = "<function>", "<arguments>"
"""Where a function's inputs hold itself and its arguments; no variable can have these names."""

BEGUN = "\0begun"
"""The progress that says that the inputs have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a body left: `values` holds the names that it bound or changed in place.

    `kept` are inputs bound to their own names again, `lost` says why a name stays in the worker process, `states` are
    those of the random generators that moved. With a `failure` there is nothing else.
    """

    values: Blob = field(default_factory=lambda: Blob(b""))
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteBody:
    """The body of a cell (its `steps`) or of a function, to be called in a worker process.

    Parameters
    ----------
    task : str
        Whose body it is.
    inputs : Blob
        The variables that it reads, by name.
    steps : tuple of Step
        A cell's code; a function comes with its inputs.
    outputs : tuple of str
        Names that it binds as far as its code shows.
    shareable : tuple of str
        Inputs to which an output that holds the very object shall refer.
    states : mapping, optional
        Where the random generators shall be; None leaves the worker's own.
    sources : mapping
        The text of each cell that its code is from, by file name, for tracebacks.
    """

    task: str
    inputs: Blob
    steps: tuple[Step, ...] = ()
    outputs: tuple[str, ...] = ()
    shareable: tuple[str, ...] = ()
    states: Mapping[str, Any] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, progress: Callable[[str], None], signal: CancelSignal) -> Reply:
        """Run it; a function gets what it asks for of its run."""
        from milepost.notebook.screen import Screen  # it loads IPython

        module, screen = types.ModuleType("__main__"), Screen.instance()
        _give_sources(self.sources)
        with _as_main(module):
            run = _Run(self, module.__dict__, {"context": {}, "progress": progress, "signal": signal})
            progress(BEGUN)
            try:
                run.body(screen)
            except KeyboardInterrupt:  # a cancel
                raise
            except BaseException as error:
                return Reply(failure=failure_of(error, run.serializer))
            finally:
                screen.put_out()
            return run.reply()


@dataclass(frozen=True, slots=True)
class Results:
    """What `@task` functions have come to, for a body that asks for it: results by name, or why there is none."""

    known: Mapping[str, TaskResult | str] = field(default_factory=dict)

    def register(self, function: TaskFunction[..., Any]) -> None:
        """Nothing registers here."""

    def result_of(self, function: TaskFunction[..., Any]) -> TaskResult:
        """The result."""
        found = self.known[function.name]
        if isinstance(found, str):
            raise UsageError(found)
        return found


class _Run:
    """One call of a body in a namespace of its own."""

    def __init__(self, body: RemoteBody, namespace: dict[str, Any], given: Mapping[str, Any]) -> None:
        self._body = body
        self._of_run = given
        self.namespace = namespace
        self.serializer = NotebookSerializer(namespace)
        namespace["__builtins__"] = builtins
        self._inputs = self.serializer.load(body.inputs)
        self._function = self._inputs.pop(FUNCTION, None)
        self._arguments: dict[str, Any] = self._inputs.pop(ARGUMENTS, {})
        namespace.update(self._inputs)
        self._before = {name: self._state(value) for name, value in self._watched().items() if mutable(value)}
        restore_states(body.states or {})
        self._generators = state_digests(read_states())

    def body(self, screen: Any) -> None:
        """Run the body; what it shows goes to `screen`."""
        self.namespace.update(screen.tools)
        self._tools = dict(screen.tools)
        if self._body.steps:
            run_steps(self._body.steps, self.namespace, screen.show_value)
        else:
            self.namespace[RETURN] = self._value()
        screen.show_figures()

    def _value(self) -> Any:
        asked = [name for name in parameters_of(self._function).named if name not in self._arguments]
        value = self._function(
            **self._arguments, **{name: self._of_run[name] for name in asked if name in self._of_run}
        )
        return run_coroutine(lambda: value) if inspect.iscoroutine(value) else value

    def _watched(self) -> dict[str, Any]:
        """Inputs and arguments by name."""
        return {**self._inputs, **{argument(name): value for name, value in self._arguments.items()}}

    def _state(self, value: Any) -> str:
        return state_of(value, self.namespace)

    # what it leaves

    def reply(self) -> Reply:
        """What the body left, ready to travel."""
        changed, watched = self._changed(), self._watched()
        bound = {**self._bound(), **{name: watched[name] for name in changed}}
        kept = tuple(n for n in self._body.outputs if n not in bound and self._is_input(n))
        shared = {n: self._inputs[n] for n in self._body.shareable if n not in bound and n in self._inputs}
        dump = self.serializer.dump(bound, shared)
        self._require(dump.unsaved, changed)
        return Reply(
            values=portable(dump.blob),
            changed=changed,
            kept=kept,
            deleted=tuple(name for name in self._inputs if name not in self.namespace),
            lost=dump.unsaved,
            states=self._moved(),
        )

    def _bound(self) -> dict[str, Any]:
        found = {name: value for name, value in self.namespace.items() if not is_own(name)}
        return {name: value for name, value in found.items() if not self._given(name, value)}

    def _given(self, name: str, value: Any) -> bool:
        given = self._tools if name in self._tools else self._inputs
        return name in given and given[name] is value

    def _is_input(self, name: str) -> bool:
        return name in self._inputs and self.namespace.get(name) is self._inputs[name]

    def _changed(self) -> tuple[str, ...]:
        """Inputs, and arguments, that were changed in place."""
        watched = {n: value for n, value in self._watched().items() if n not in self._inputs or self._is_input(n)}
        return tuple(n for n, value in watched.items() if n in self._before and self._state(value) != self._before[n])

    def _require(self, lost: Mapping[str, str], changed: Iterable[str]) -> None:
        """Without these the rest would be no result."""
        needed = {name: reason for name, reason in lost.items() if name == RETURN or name in set(changed)}
        for name, reason in needed.items():
            what = "its result" if name == RETURN else f"{name!r}, which it changed,"
            words = f"task {self._body.task!r}: {what} cannot be sent back from its worker process: {reason}"
            raise TransferError(f"{words}. Leave plain data instead, or run it --on threads")

    def _moved(self) -> dict[str, Any]:
        """The random generators that the body drew from: of those that were put in place, where any were."""
        states = read_states()
        asked = self._generators if self._body.states is None else self._body.states
        now = state_digests({name: state for name, state in states.items() if name in asked})
        return {name: states[name] for name, digest in now.items() if self._generators.get(name) != digest}


def argument(name: str) -> str:
    """How a changed argument is named among the values: as no variable can be."""
    return f"argument {name}"


def is_own(name: str) -> bool:
    """Whether Python binds a name in every module."""
    return name.startswith("__") and name.endswith("__")


def portable(blob: Blob) -> Blob:
    """A blob whose buffers travel beside the pickle that it is part of."""
    return Blob(blob.stream, tuple(pickle.PickleBuffer(buffer) for buffer in blob.buffers))


@contextlib.contextmanager
def _as_main(module: types.ModuleType) -> Iterator[None]:
    """Have libraries that look into `__main__` find the body's variables there, as in the notebook."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"] = before


def _give_sources(sources: Mapping[str, str]) -> None:
    for name, text in sources.items():
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
