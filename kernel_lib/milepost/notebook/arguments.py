"""What a `@task` function is given: the data of the tasks, or the variables, that its parameters name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from milepost.analysis.digest import digest
from milepost.model.errors import UsageError
from milepost.model.graph import did_you_mean
from milepost.model.record import Input
from milepost.notebook.definition import RETURN, Definition
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import Stands, fixed_inputs
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.namespace import Namespace
from milepost.notebook.provider import Provider


@dataclass(frozen=True, slots=True)
class Argument:
    """One parameter's value, and what a task left of it: under which output name, with which digest and record."""

    value: Any
    output: str
    known: Known | None = None


class Arguments:
    """Finds and fingerprints arguments. `facts` are the session's tasks, `data` what functions returned, by task."""

    def __init__(
        self,
        namespace: Namespace,
        ledger: Ledger,
        provider: Provider,
        stands: Stands,
        facts: Mapping[str, Facts],
        data: Mapping[str, Any],
    ) -> None:
        self._namespace = namespace
        self._ledger = ledger
        self._provider = provider
        self._stands = stands
        self._facts = facts
        self._data = data

    def settle(self, definition: Definition) -> None:
        """Have everything at hand that a function needs: upstream functions run, missing variables are restored.

        Raises
        ------
        UsageError
            For a parameter that names no task and no variable.
        """
        after = definition.function.options.after if definition.function else ()
        for name in (*definition.upstream, *after):
            facts = self._facts.get(name)
            if facts is not None and facts.definition.function is not None:
                facts.definition.function.result()
            elif facts is None and name not in self._namespace.data and not self._provider.provide(name):
                self._restore(name, definition)

    def _restore(self, name: str, definition: Definition) -> None:
        record = self._provider.record_of_task(name)
        if record is None:
            hint = did_you_mean(name, [*self._facts, *self._namespace.names()])
            raise UsageError(
                f"task {definition.name!r} needs {name!r}, but no task and no saved result has that name"
                f"{hint or f'; give the parameter a default, or define {name!r} first'}"
            )
        self._provider.restore(record)

    def values(self, definition: Definition) -> dict[str, Any]:
        """The arguments by parameter."""
        return {name: self.argument(name).value for name in definition.upstream}

    def inputs(self, definition: Definition) -> dict[str, Input]:
        """A function's parameters as inputs: upstream data by content, defaults and closure by value."""
        if definition.function is None:
            return {}
        found = fixed_inputs(definition.function.function, self._namespace.home)
        return {**found, **{name: self.input(name) for name in definition.upstream}}

    def input(self, name: str) -> Input:
        """What a parameter, or a task, of this name stands for, by content."""
        argument = self.argument(name)
        content, known = digest(argument.value, self._namespace.home), argument.known
        stands = known is not None and (not content.hex or self._stands(known, argument.output, content.hex))
        counts = known.digest if known is not None and stands else content.hex
        kind, text = ("task", "") if counts else ("opaque", content.opaque)
        return Input(name=name, kind=kind, digest=counts, text=text, source=known.task if known else "")

    def argument(self, name: str) -> Argument:
        """The data of a task, or a variable."""
        facts, data = self._facts.get(name), self._namespace.data
        if facts is not None and facts.definition.function is not None:
            recorded = next((item.digest for item in facts.outputs if item.name == RETURN), "")
            return Argument(self._data.get(name), RETURN, Known(name, recorded, facts.record))
        if name in data:
            return Argument(data[name], name, self._ledger.known.get(name))
        outputs = [n for n, known in self._ledger.known.items() if known.task == name and n in data]
        if len(outputs) == 1:
            return Argument(data[outputs[0]], outputs[0], self._ledger.known[outputs[0]])
        return Argument({n: data[n] for n in outputs}, name, Known(name, ""))

    def changed(self, given: Mapping[str, Any], before: Mapping[str, str]) -> list[str]:
        """Arguments that a body changed in place although no variable holds them: nothing could put that back."""
        held = {id(value) for value in self._namespace.data.values()}
        return [name for name, value in given.items() if id(value) not in held and self._state(value) != before[name]]

    def states(self, given: Mapping[str, Any]) -> dict[str, str]:
        """What tells afterwards whether arguments were changed in place."""
        return {name: self._state(value) for name, value in given.items()}

    def _state(self, value: Any) -> str:
        return digest(value, self._namespace.home).hex
