"""A task beside the notebook in a worker process: what it reads goes there, what it leaves comes back."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from milepost.functions import TaskFunction
from milepost.model.errors import UsageError
from milepost.model.result import TaskResult
from milepost.notebook import background
from milepost.notebook.background import Background
from milepost.notebook.capture import recording
from milepost.notebook.checkpoints import Saved
from milepost.notebook.definition import Definition
from milepost.notebook.facts import Facts
from milepost.notebook.log import Log
from milepost.notebook.random_state import UNSEEDED, read_states, state_digests
from milepost.notebook.recorder import Event
from milepost.notebook.remote import Results
from milepost.notebook.send import Answer, Errand, Sender
from milepost.notebook.stage import Left, Plan
from milepost.notebook.wire import Decoder
from milepost.ports import ExecutionStrategy, Executor, TaskCall


class Desk(background.Desk, Protocol):
    """What a task in a worker process needs of the session."""

    @property
    def processes(self) -> Executor: ...
    def results_for(self, code: str, values: Iterable[Any]) -> Results: ...


class Elsewhere(Background):
    """The stage of one run whose body runs in a worker process."""

    def __init__(self, desk: Desk, facts: Facts, log: Log, may_save: Callable[[], bool]) -> None:
        super().__init__(desk, facts, log, may_save)
        self._office = desk
        self._states: dict[str, Any] | None = None
        self._answer: Answer | None = None
        self._strange: list[str] = []

    def _executed(self, inner: ExecutionStrategy, call: TaskCall) -> TaskResult:
        decoder = Decoder(self._show)
        sender = Sender(self._office.processes, self._errand(), self._desk.namespace.home, self._look)
        with recording(self._desk.shell, decoder):
            result = inner.execute(call._replace(executor=sender))
        decoder.close()
        self._answer = sender.answer
        return result

    def _show(self, event: Event) -> None:
        method, arguments = event
        getattr(self.log, method)(*arguments)

    def _errand(self) -> Errand:
        definition = self.facts.definition
        self._states = read_states() if self._desk.seeds.mentioned else None
        return Errand(
            task=definition.name,
            inputs=self.inputs,
            needed=frozenset(self._view.reach(definition.reads)),
            steps=definition.steps,
            outputs=definition.outputs,
            states=self._states,
            results=self._office.results_for(definition.code, self.inputs.values()),
        )

    def _look(self) -> None:
        """The inputs have arrived there: see whether they are what they were when the cell was run."""
        self._strange = [name for name, state in self._before.items() if self._view.state(name) != state]

    # what it left

    def _left(self, plan: Plan) -> Left:
        answer = self._answer
        assert answer is not None
        found = dict.fromkeys(answer.reply.states, UNSEEDED) | state_digests(self._states or {})
        values = self._with_aliases(answer)
        mutated = tuple(name for name in values if name in answer.reply.changed or name not in answer.values)
        return Left(
            values=values,
            mutated=mutated,
            observed=self._entangled(mutated, values),
            deleted=answer.reply.deleted,
            display=self.log.to_bytes(),
            obstacle=self._obstacle(),
            random_before={name: found[name] for name in answer.reply.states},
            random_after=answer.reply.states,
            peak_bytes=answer.peak_bytes,
            lost={name: _stayed(why) for name, why in answer.reply.lost.items()},
        )

    def _with_aliases(self, answer: Answer) -> dict[str, Any]:
        """The values, and variables that hold the very object that was changed: in the notebook they would see it."""
        values, home = dict(answer.values), self._desk.namespace
        for name in answer.reply.changed:
            for other in home.names():
                if home.data.get(other) is self.inputs[name] and not self._desk.ledger.bound_after(other, self.moment):
                    values.setdefault(other, answer.values[name])
        return values

    def _obstacle(self) -> str:
        names = ", ".join(map(repr, self._strange))
        return f"{names} changed after the cell was run, and before the task began" if names else ""

    def keep(self, plan: Plan, left: Left, saved: Saved) -> None:
        """Leave what the body left, and the random generators as it left them there."""
        super().keep(plan, left, saved)
        if self.facts.definition.options.save == "never":  # else that is said with what could not be saved
            for name, why in left.lost.items():
                self.note(f"{name!r} is not there: {why}", symbol="⚠", warning=True)
        assert self.left is not None
        self.left = replace(self.left, states=left.random_after, found=left.random_before)


def _stayed(why: str) -> str:
    return f"it stayed in the worker process: {why}; run the task --on threads if you need it"


# before anything is sent


def refuse(definition: Definition) -> None:
    """Raise `UsageError` for a cell that needs IPython, which a worker process does not have."""
    if "get_ipython" not in definition.code:
        return
    calls = [node for node in ast.walk(ast.parse(definition.code)) if _asks_ipython(node)]
    if calls:
        words = f"task {definition.name!r} cannot run --on processes: it uses {_used(calls[0])}"
        raise UsageError(f"{words}, and a worker process has no IPython. Leave that out, or run the task --on threads")


def _asks_ipython(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute | ast.Call) and ast.unparse(node).startswith("get_ipython()")


def _used(node: Any) -> str:
    """What the user wrote: `%magic`, `!command`, or the call."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return "get_ipython()"
    marks = {"run_line_magic": "%", "run_cell_magic": "%%", "system": "!", "getoutput": "!"}
    first, mark = node.args[0], marks.get(node.func.attr)
    return f"{mark}{first.value!s}" if mark and isinstance(first, ast.Constant) else "get_ipython()"


def results_for(functions: Iterable[TaskFunction[..., Any]], there: Callable[[Any], TaskResult]) -> Results:
    """What these functions have come to."""
    known: dict[str, TaskResult | str] = {}
    for function in functions:
        try:
            known[function.name] = there(function)
        except UsageError as error:
            known[function.name] = str(error)
    return Results(known)
