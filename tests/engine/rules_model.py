"""The rules of a runner, once more and simply: one step at a time, no threads. The state machine compares with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

SUCCESS, FAILURE, SKIPPED, CANCELLED = "success", "failure", "skipped", "cancelled"
DRY = "dry"

Outcome = tuple[str, Any]
"""Status and data."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One task. `expires`: its body never answers, so its timeout comes; `own_thread`: it runs where the run does."""

    name: str
    needs: tuple[str, ...] = ()
    priority: int = 0
    conditional: bool = False
    continues: bool = False
    attempts: int = 1
    iterations: int = 1
    expires: bool = False
    own_thread: bool = False
    coroutine: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a condition or body that waits for its answer; the number counts the calls for this task."""

    name: str
    phase: str
    number: int


@dataclass(slots=True)
class Running:
    """Where a task that has started stands."""

    phase: str
    call: Call
    attempt: int = 1
    iteration: int = 1


@dataclass(eq=False, repr=False)
class World:
    """A runner: results, what a snapshot brought, whether it is paused, its runs, and what should have been heard."""

    rules: dict[str, Rules]
    results: dict[str, Outcome] = field(default_factory=dict)
    hydrated: set[str] = field(default_factory=set)
    runs: list[Run] = field(default_factory=list)
    paused: bool = False
    events: defaultdict[str, list[tuple[Run, str]]] = field(default_factory=lambda: defaultdict(list))
    """By task: the events, each with the run that tells it."""
    calls: Counter[str] = field(default_factory=Counter)
    owner: dict[str, Run] = field(default_factory=dict)
    """By task: the run that has it under way."""
    ended: dict[str, tuple[int, Run, Outcome]] = field(default_factory=dict)
    """By task: when it ended while runs overlapped, and under which of them."""
    serial: int = 0
    plan: dict[str, str] = field(default_factory=dict)
    """In a dry run: how the conditions turn out."""

    def start(self, targets: list[str], concurrency: int) -> Run:
        """A run begins."""
        run = Run(self, targets, concurrency)
        for name in targets:
            if name in self.hydrated:
                self.events[name].append((run, "task_restored"))
        self.runs.append(run)
        for each in self.runs:
            each.alone = len(self.runs) == 1
        self.advance()
        return run

    def waiting(self) -> dict[Call, Run]:
        """The calls that wait for an answer, with the runs that made them."""
        return {running.call: run for run in self.runs for running in run.running.values()}

    def allowed(self) -> dict[Call, dict[Run, dict[str, Any]]]:
        """The calls that may come: by the run that makes it (of two that can, either may be faster) its inputs."""
        return {
            call: {
                run: run.inputs(call.name) if call.phase == "body" else {}
                for run in self.runs
                if run is owner or call.name in run.waits_for
            }
            for call, owner in self.waiting().items()
        }

    def advance(self) -> None:
        """Start all that may start; runs that are done end."""
        moved = True
        while moved:
            moved = False
            for run in tuple(self.runs):
                while (name := run.next()) is not None:
                    run.take(name)
                    moved = True
        for run in tuple(self.runs):
            if not run.open and not run.running:
                self.runs.remove(run)
        if not self.runs:
            self.ended.clear()

    def hand_over(self, name: str, run: Run) -> None:
        """Two runs wanted to start a task at once, and this one was faster."""
        owner = self.owner[name]
        run.waits_for.remove(name)
        run.open.remove(name)
        run.running[name] = owner.running.pop(name)
        owner.open.add(name)
        owner.waits_for.add(name)
        self.owner[name] = run
        if (started := (owner, "task_start")) in self.events[name][-1:]:
            self.events[name][-1] = (run, started[1])

    def put(self, name: str, outcome: Outcome, run: Run) -> None:
        """A result, and its event."""
        self.results[name] = outcome
        self.hydrated.discard(name)
        self.events[name].append((run, "task_skipped" if outcome[0] == SKIPPED else "task_end"))


@dataclass(eq=False, repr=False)
class Run:
    """One run of the world."""

    world: World
    targets: list[str]
    concurrency: int
    open: set[str] = field(init=False)
    """Not started."""
    running: dict[str, Running] = field(default_factory=dict)
    waits_for: set[str] = field(default_factory=set)
    """Open tasks that another run has under way."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    earlier: dict[str, Outcome] = field(default_factory=dict)
    cancelled: bool = False
    interrupted: bool = False
    """Whether it ends with the interrupt of one of its bodies."""
    alone: bool = True
    """Whether no other run came in between."""

    def __post_init__(self) -> None:
        world = self.world
        self.moment = world.serial
        self.open = {name for name in self.targets if name not in world.hydrated}
        found = list(self.open)
        for name in found:  # grows while it is read
            for need in world.rules[name].needs:
                if need in self.open:
                    continue
                if world.results.get(need, ("",))[0] == SUCCESS:
                    self.earlier[need] = world.results[need]
                else:
                    self.open.add(need)
                    found.append(need)
        for name in self.open:
            world.results.pop(name, None)

    # starting

    def next(self) -> str | None:
        """The task that starts now, if any."""
        if self.cancelled or self.world.paused:
            return None
        rules, order = self.world.rules, list(self.world.rules)
        own_busy = any(rules[name].own_thread for name in self.running)
        ready = [
            name
            for name in self.open - self.waits_for
            if not (own_busy and rules[name].own_thread) and all(map(self._met, rules[name].needs))
        ]
        if len(self.running) >= self.concurrency or not ready:
            return None
        return min(ready, key=lambda name: (-rules[name].priority, order.index(name)))

    def _met(self, need: str) -> bool:
        return need in self.earlier or (need in self.outcomes and self._passes(need))

    def _passes(self, name: str) -> bool:
        status = self.outcomes[name][0]
        return status == SUCCESS or (status == FAILURE and self.world.rules[name].continues)

    def take(self, name: str) -> None:
        """Start a task, or leave it to the run that has it, or take over what that run made of it."""
        world = self.world
        moment, other, outcome = world.ended.get(name, (0, self, ("", None)))
        if name in world.owner:
            self.waits_for.add(name)
        elif moment > self.moment and other is not self and outcome[0] != CANCELLED:
            self.take_over(name, outcome)
        else:
            self.open.remove(name)
            world.owner[name] = self
            self._call(name, "condition" if world.rules[name].conditional else "body")

    def _call(self, name: str, phase: str) -> None:
        world, before = self.world, self.running.get(name)
        if phase == "body" and (before is None or before.phase == "condition"):
            world.events[name].append((self, "task_start"))
        world.calls[name] += 1
        call = Call(name, phase, world.calls[name])
        attempt, iteration = (before.attempt, before.iteration) if before else (1, 1)
        self.running[name] = Running(phase, call, attempt, iteration)
        if world.plan:
            self.answer(name, world.plan[name] if phase == "condition" else SUCCESS, DRY)
        elif world.rules[name].expires:
            self.settle(name, (FAILURE, None))

    def inputs(self, name: str) -> dict[str, Any]:
        """The data that the body gets."""
        return {need: (self.earlier.get(need) or self.outcomes[need])[1] for need in self.world.rules[name].needs}

    # answers

    def answer(self, name: str, verdict: str, data: Any = None) -> None:
        """What the condition or body that waits says."""
        running, rules = self.running[name], self.world.rules[name]
        if running.phase == "condition":
            self._answer_condition(name, verdict)
        elif verdict == "again" and running.iteration < rules.iterations:
            running.attempt, running.iteration = 1, running.iteration + 1
            self._call(name, "body")
        elif verdict == "retry" and running.attempt < rules.attempts:
            running.attempt += 1
            self.world.events[name].append((self, "task_retry"))
            self._call(name, "body")
        elif verdict == "again":
            self.settle(name, (FAILURE if rules.iterations > 1 else SUCCESS, data))
        elif verdict == "interrupt":
            self.interrupted |= self.world.rules[name].own_thread and not self.cancelled
            self.settle(name, (CANCELLED, None))
            self.cancel()
        else:
            status = {"success": SUCCESS, "skip": SKIPPED}.get(verdict, FAILURE)
            self.settle(name, (status, data if status == SUCCESS else None))

    def _answer_condition(self, name: str, verdict: str) -> None:
        if verdict == "yes" and self.cancelled:
            self.settle(name, (CANCELLED, None))
        elif verdict == "yes":
            self._call(name, "body")
        else:
            self.settle(name, (SKIPPED if verdict == "no" else FAILURE, None))

    # outcomes

    def settle(self, name: str, outcome: Outcome) -> None:
        """A task that ran here has ended."""
        world = self.world
        del self.running[name], world.owner[name]
        self.outcomes[name] = outcome
        world.put(name, outcome, self)
        if len(world.runs) > 1:
            world.serial += 1
            world.ended[name] = (world.serial, self, outcome)
        for run in world.runs:
            if name in run.waits_for:
                run.waits_for.remove(name)
                if outcome[0] != CANCELLED:
                    run.take_over(name, outcome)
        self._doom(name)

    def take_over(self, name: str, outcome: Outcome) -> None:
        """What another run made of a task counts here too."""
        self.open.remove(name)
        self.outcomes[name] = outcome
        self._doom(name)

    def _doom(self, name: str) -> None:
        """Skip all that hangs on a task that did not pass."""
        if self._passes(name):
            return
        for other in self.world.rules.values():
            if name in other.needs and other.name in self.open and not self.cancelled:
                self.open.remove(other.name)
                self.waits_for.discard(other.name)
                self.outcomes[other.name] = (SKIPPED, None)
                self.world.put(other.name, (SKIPPED, None), self)
                self._doom(other.name)

    def cancel(self) -> None:
        """What waits is not started; what runs heeds the signal."""
        self.cancelled = True
        self.waits_for.clear()
        for name in sorted(self.open):
            self.open.remove(name)
            self.outcomes[name] = (CANCELLED, None)
            self.world.put(name, (CANCELLED, None), self)
        for name, running in tuple(self.running.items()):
            if running.phase == "body":
                self.settle(name, (CANCELLED, None))
