"""What a run works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from milepost.engine.claims import Claims
from milepost.engine.events import EventBus
from milepost.engine.pause import PauseGate
from milepost.engine.strategies.standard import AwaitRunner
from milepost.ports import Clock, ExecutionStrategy, Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The same for every run of one runner, but for a run's own name."""

    strategy: ExecutionStrategy
    executors: Mapping[str, Executor]
    """By the names that `Task.on` may have; "" is the runner's own."""
    bus: EventBus
    clock: Clock
    gate: PauseGate
    claims: Claims
    run_coroutine: AwaitRunner
    context: Any = None
    keeps_once: bool = False
    """Whether tasks may be `once`: a strategy sees to it."""
    run: str = ""
    """Which run this is: in its events."""

    @property
    def workers(self) -> Executor:
        """Whose threads run what must not run in the thread that called for the run."""
        own = self.executors[""]
        return self.executors["threads"] if own.inline else own
