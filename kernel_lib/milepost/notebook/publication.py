"""What a task in the background left for the notebook: put in place between two cells, all at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from milepost.model.record import Output, Record
from milepost.notebook.definition import RETURN
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.random_state import UNSEEDED, read_states, restore_states, state_digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The values by name, as of the moment at which the task's cell was run: a cell that was run later wins.

    `shared` are the task's inputs as objects: what it changed in place is known by them. `states` are states of random
    generators, which count while those are where the task found them: `found` has the digests. `state` is what the
    task changed of the state of the process, where that is to be put back.
    """

    task: str
    moment: int
    values: Mapping[str, Any]
    outputs: tuple[Output, ...]
    record: Record | None = None
    deleted: tuple[str, ...] = ()
    shared: Mapping[str, Any] = field(default_factory=dict)
    states: Mapping[str, Any] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)

    def publish(self, data: dict[str, Any], ledger: Ledger) -> list[str]:
        """Bind the names in the user's namespace; those that a later cell has bound meanwhile are left, and named."""
        late = []
        for name in self.deleted:
            if not ledger.bound_after(name, self.moment):
                data.pop(name, None)
        for output in self.outputs:
            if output.name != RETURN and not self._bind(output, data, ledger):
                late.append(output.name)
        self._restore_states()
        return late

    def _bind(self, output: Output, data: dict[str, Any], ledger: Ledger) -> bool:
        name = output.name
        if ledger.bound_after(name, self.moment):
            return name in self.values and self.values[name] is data.get(name)
        if name in self.values:
            data[name] = self.values[name]
        else:
            data.pop(name, None)
        ledger.produced(name, self.known(output), self.moment)
        return True

    def known(self, output: Output) -> Known:
        """What the ledger notes of an output."""
        return Known(self.task, output.digest, self.record)

    def clashes(self) -> list[str]:
        """Libraries whose random generator something else has moved since the task started from it."""
        now = state_digests(read_states())
        seeded = {name: found for name, found in self.found.items() if name in self.states and found != UNSEEDED}
        return [name for name, found in seeded.items() if now.get(name) != found]

    def _restore_states(self) -> None:
        now = state_digests(read_states())
        restore_states({name: state for name, state in self.states.items() if now.get(name) == self.found.get(name)})
