"""Where a task runs: what it reads is found there, and what it leaves is put there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from milepost.model.reasons import Reason
from milepost.model.record import Input, Record
from milepost.model.result import TaskResult
from milepost.notebook.checkpoints import Checkpoints, Saved
from milepost.notebook.definition import Definition
from milepost.notebook.facts import Facts
from milepost.notebook.inputs import InputResolver
from milepost.notebook.recorder import Output
from milepost.notebook.resolution import Resolution
from milepost.ports import ExecutionStrategy, TaskCall


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found out about a task before anything runs: its inputs, its key, and a valid record if there is one."""

    definition: Definition
    facts: Facts
    resolution: Resolution
    key: str
    why: Reason
    record: Record | None
    once: str = ""
    """Of a task that happens once: the attempt."""
    found: float = field(default_factory=time.monotonic)
    """When, by the monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a body left.

    `obstacle` says why that must not be saved, if it must not; `random_before` and `random_after` are the digests
    before and the states after of the random generators that it drew from; `lost` says why a name that it bound is not
    there, although the body succeeded; `state` is what it changed of the state of the process, by aspect; `observed`
    are inputs that only its run has shown; `shared` are objects that its values may hold: those of modules, and inputs
    whose names it bound anew; `kept` are what IPython keeps as `_` and in `Out`, `keeps` says that a cell asks for it.
    """

    values: Mapping[str, Any]
    mutated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    display: bytes = b"[]"
    obstacle: str = ""
    random_before: Mapping[str, str] = field(default_factory=dict)
    random_after: Mapping[str, Any] = field(default_factory=dict)
    peak_bytes: int = 0
    lost: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    observed: tuple[Input, ...] = ()
    shared: Mapping[str, Any] = field(default_factory=dict)
    kept: tuple[Any, ...] = ()
    keeps: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What a record gave back: values, what the task showed, states of random generators, the state of the process.

    `kept` are what IPython is to keep as `_` and in `Out`, None where they are not there.
    """

    values: dict[str, Any]
    shown: list[Output]
    states: dict[str, Any]
    state: dict[str, Any] = field(default_factory=dict)
    kept: list[Any] | None = field(default_factory=list)


class Stage(Protocol):
    """One task's place: the notebook itself, or a namespace of its own in the background."""

    @property
    def facts(self) -> Facts: ...
    @property
    def resolver(self) -> InputResolver: ...
    @property
    def checkpoints(self) -> Checkpoints: ...

    def plan(self) -> Plan | None:
        """What was found out already, and still holds."""

    def live(self, name: str) -> Any:
        """The value of an input now, None where there is none."""

    def note(self, text: str, *, symbol: str = "↺", warning: bool = False) -> None:
        """Say something of the task that is not its own output."""

    def enter(self, restored: Restored) -> None:
        """Put the state of the process where the task left it; `StoreError`, and nothing changed, where that fails."""

    def give_back(self, plan: Plan, record: Record, restored: Restored) -> None:
        """Put what a record holds in place, and show what the task showed."""

    def run(self, inner: ExecutionStrategy, call: TaskCall, plan: Plan) -> tuple[TaskResult, Left | None]:
        """Have the body run; what it left is None where it did not succeed."""

    def keep(self, plan: Plan, left: Left, saved: Saved) -> None:
        """Put in place what the body left, now that it is saved."""
