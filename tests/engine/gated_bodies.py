"""Conditions and bodies that wait for the test's answer, so that the test forces the order of everything."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

from tests.engine.helpers import WAIT
from tests.engine.rules_model import Call, Rules, Run

from milepost import CancelSignal, Event, LoopPolicy, RetryPolicy, Snapshot, Task, TaskResult
from milepost.model.errors import TaskCancelled

planned: ContextVar[Mapping[str, str]] = ContextVar("planned")
"""Set for a dry run: how the conditions turn out, by task."""


run_of_call: ContextVar[Run] = ContextVar("run_of_call")
"""The run that a call belongs to."""


class Failed(Exception):
    """What a body raises that is not tried again."""


class Again(Exception):
    """What a body raises that its policy retries."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that waits: what it waits for, and its run."""

    answer: Future[Any]
    run: Run


class Gates:
    """Where calls wait; the test says beforehand which may come, and with which inputs."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: dict[Call, Waiting] = {}
        self.allowed: dict[Call, dict[Run, dict[str, Any]]] = {}
        self.free: set[str] = set()
        """Tasks whose calls are not looked at."""
        self.wrong: list[str] = []
        self.events: list[Event] = []
        self._calls: Counter[str] = Counter()

    def arrive(self, name: str, phase: str, inputs: dict[str, Any]) -> tuple[Call, Future[Any]]:
        """A call waits from now on."""
        with self.changed:
            self._calls[name] += 1
            call, answer, run = Call(name, phase, self._calls[name]), Future[Any](), run_of_call.get()
            if name not in self.free:
                right = self.allowed.get(call, {}).get(run)
                if inputs != right:
                    self.wrong.append(f"{call} came with {inputs}; right is {right}; allowed are {list(self.allowed)}")
                self.waiting[call] = Waiting(answer, run)
            self.changed.notify_all()
        return call, answer

    def gone(self, call: Call) -> None:
        """A call waits no longer."""
        with self.changed:
            self.waiting.pop(call, None)
            self.changed.notify_all()

    def answer(self, call: Call, value: Any = None, error: BaseException | None = None) -> None:
        """Let a call go on."""
        with self.changed:
            waiting = self.waiting.pop(call)
        give(waiting.answer, value, error)

    def hear(self, event: Event) -> None:
        """A listener to all events."""
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()


def give(waiting: Future[Any], value: Any = None, error: BaseException | None = None) -> None:
    """Answer, unless a cancel was faster."""
    with contextlib.suppress(InvalidStateError):
        waiting.set_result(value) if error is None else waiting.set_exception(error)


class Body:
    """A body whose parameters are the names of its dependencies, and the signal, which it heeds at once."""

    def __init__(self, gates: Gates, rules: Rules) -> None:
        self._gates, self._rules = gates, rules
        names = (*rules.needs, "signal")
        self.__signature__ = Signature([Parameter(name, Parameter.KEYWORD_ONLY) for name in names])

    def __call__(self, signal: CancelSignal, **inputs: Any) -> Any:
        return self._later(signal, inputs) if self._rules.coroutine else self._now(signal, inputs)

    def _now(self, signal: CancelSignal, inputs: dict[str, Any]) -> Any:
        call, answer = self._gates.arrive(self._rules.name, "body", inputs)
        unsubscribe = signal.on_cancel(lambda: give(answer, error=TaskCancelled(signal.reason)))
        try:
            return answer.result(WAIT)
        finally:
            unsubscribe()
            self._gates.gone(call)

    async def _later(self, signal: CancelSignal, inputs: dict[str, Any]) -> Any:
        call, answer = self._gates.arrive(self._rules.name, "body", inputs)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), WAIT)
        finally:
            self._gates.gone(call)


def condition(gates: Gates, name: str) -> Callable[[Any], bool]:
    """A condition that waits for its answer; in a dry run it answers as planned."""

    def holds(context: Any) -> bool:
        if plan := planned.get(None):
            return verdict(plan[name])
        call, answer = gates.arrive(name, "condition", {})
        try:
            return verdict(answer.result(WAIT))
        finally:
            gates.gone(call)

    return holds


def verdict(word: str) -> bool:
    """ "yes" or "no"; anything else raises."""
    if word not in ("yes", "no"):
        raise Failed(word)
    return word == "yes"


def task(gates: Gates, rules: Rules) -> Task:
    """The real task to these rules."""
    return Task(
        rules.name,
        Body(gates, rules),
        rules.needs,
        rules.priority,
        condition=condition(gates, rules.name) if rules.conditional else None,
        retry=RetryPolicy(rules.attempts, retry_on=(Again,)) if rules.attempts > 1 else None,
        loop=LoopPolicy(lambda data: data != "again", max_iterations=rules.iterations)
        if rules.iterations > 1
        else None,
        timeout=0.005 if rules.expires else None,
        continue_on_error=rules.continues,
        on="main" if rules.own_thread else "",
    )


class RunThread:
    """A run in a thread, whose bodies know which of the model's it is."""

    def __init__(self, run: Run, work: Callable[[CancelSignal], Snapshot]) -> None:
        self.signal, self.run = CancelSignal(), run
        self._work, self._results = work, Future[Snapshot]()
        threading.Thread(target=self._keep, name="run", daemon=True).start()

    def _keep(self) -> None:
        run_of_call.set(self.run)
        try:
            self._results.set_result(self._work(self.signal))
        except BaseException as error:
            self._results.set_exception(error)

    def wait(self) -> Snapshot:
        """The results; raises what the run raised."""
        return self._results.result(WAIT)


def outcome(result: TaskResult) -> tuple[str, Any]:
    """Status and data, as the model has them."""
    return str(result.status), result.data
