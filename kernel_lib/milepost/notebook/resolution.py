"""What resolving the inputs of a task came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from milepost.model.record import Input


@dataclass(slots=True)
class Resolution:
    """The inputs of one task at one moment.

    `blockers` are inputs that nothing can vouch for, with the reason: a task that has one runs again; `notes` are for
    people. `walked` are the objects in each input, until all inputs are known.
    """

    inputs: dict[str, Input] = field(default_factory=dict)
    blockers: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    walked: dict[str, tuple[object, ...]] = field(default_factory=dict, repr=False)

    def sources(self, name: str) -> tuple[str, ...]:
        """The tasks whose outputs the task `name` reads."""
        return tuple(dict.fromkeys(i.source for i in self.inputs.values() if i.source and i.source != name))
