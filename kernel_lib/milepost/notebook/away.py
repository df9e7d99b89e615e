"""A `@task` function whose body runs in a worker process, while the cell that asked for its result waits."""

from __future__ import annotations

import contextvars
from collections.abc import Iterable
from typing import Any, Protocol

from milepost.analysis.digest import digest
from milepost.model.result import TaskResult
from milepost.notebook.arguments import Arguments
from milepost.notebook.capture import play, recording
from milepost.notebook.definition import RETURN
from milepost.notebook.facts import Facts
from milepost.notebook.namespace import Namespace
from milepost.notebook.random_state import UNSEEDED, Seeds, read_states, restore_states, state_digests
from milepost.notebook.remote import Results, argument
from milepost.notebook.send import Answer, Errand, Sender
from milepost.notebook.stamp import stamp
from milepost.notebook.wire import Decoder
from milepost.ports import ExecutionStrategy, Executor, TaskCall


class Desk(Protocol):
    """What this needs of the session."""

    shell: Any
    namespace: Namespace
    arguments: Arguments
    seeds: Seeds

    @property
    def processes(self) -> Executor: ...
    def results_for(self, code: str, values: Iterable[Any]) -> Results: ...


def runs_away(facts: Facts) -> bool:
    """Whether a task is a function for a worker process."""
    function = facts.definition.function
    return function is not None and function.options.on == "processes"


class Away:
    """One run of such a function."""

    def __init__(self, desk: Desk, facts: Facts) -> None:
        self._desk = desk
        self._facts = facts
        self._given = desk.arguments.values(facts.definition)
        self._states = read_states() if desk.seeds.mentioned else {}
        self.random: tuple[dict[str, str], dict[str, Any]] = {}, {}
        """The generators that it drew from: the digests of where they were, and where they are."""

    def execute(self, inner: ExecutionStrategy, call: TaskCall) -> TaskResult:
        """Run it; what it shows is shown in the cell, and what it left is in the notebook afterwards."""
        sender, here = (
            Sender(self._desk.processes, self._errand(), self._desk.namespace.home),
            contextvars.copy_context(),
        )
        decoder = Decoder(lambda event: here.run(play, self._desk.shell, [event]))
        with recording(self._desk.shell, decoder):
            result = inner.execute(call._replace(executor=sender))
        decoder.close()
        if result.ok and sender.answer is not None:
            self._take(sender.answer)
        return result

    def _errand(self) -> Errand:
        definition, namespace = self._facts.definition, self._desk.namespace
        assert definition.function is not None
        plain = definition.function.function
        inputs = namespace.read_by(digest(plain, namespace.home).globals)
        return Errand(
            task=definition.name,
            inputs=inputs,
            needed=frozenset(inputs),
            function=plain,
            arguments=self._given,
            states=self._states if self._desk.seeds.mentioned else None,
            results=self._desk.results_for(definition.code, inputs.values()),
        )

    def _take(self, answer: Answer) -> None:
        data, reply = self._desk.namespace.data, answer.reply
        own = {argument(name): name for name in self._given}
        data.update({n: value for n, value in answer.values.items() if n != RETURN and n not in own})
        for name in reply.deleted:
            data.pop(name, None)
        changed = {own[name]: answer.values[name] for name in reply.changed if name in own}
        self._facts.changed = tuple(name for name, value in changed.items() if not self._replaced(name, value))
        found = state_digests(self._states) if self._desk.seeds.mentioned else dict.fromkeys(reply.states, UNSEEDED)
        self.random = {name: found[name] for name in reply.states}, dict(reply.states)
        if self._desk.seeds.mentioned:
            restore_states(reply.states)
        for name, reason in reply.lost.items():
            stamp(self._desk.shell, f"{name!r} stayed in the worker process: {reason}", symbol="⚠", warning=True)

    def _replaced(self, name: str, value: Any) -> bool:
        """Whether a variable held an argument that was changed in place; it has the changed one from now on."""
        namespace = self._desk.namespace
        holders = [other for other in namespace.names() if namespace.data[other] is self._given[name]]
        namespace.data.update(dict.fromkeys(holders, value))
        return bool(holders)
