"""A thousand runs with a cancel at a random moment: every task has an outcome, and nothing is left behind."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.engine.helpers import WAIT, in_thread

from milepost import (
    CancelSignal,
    Event,
    LoopPolicy,
    RetryPolicy,
    Snapshot,
    Task,
    TaskResult,
    TaskRunnerBuilder,
    TaskStatus,
)

RUNS = 50  # by test
SOURCES = ("thread", "body", "listener", "timeout")


@dataclass
class Storm:
    """One run: what its bodies did, and the cancel that they, a listener or a thread bring about."""

    dice: random.Random
    source: str
    signal: CancelSignal = field(default_factory=CancelSignal)
    called: Counter[str] = field(default_factory=Counter)
    returned: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    moment: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.countdown = self.dice.randrange(60)

    def at_work(self, source: str, now: bool = False) -> None:
        """Cancel when it is time; `now` comes from a body that waits for nothing else."""
        self.countdown -= 1
        if self.countdown > 0 and not now:
            return
        if self.source == "thread":
            self.moment.set()
        elif self.source == source or (now and self.source != "timeout"):
            self.signal.cancel("storm")

    def hear(self, event: Event) -> None:
        self.events.append(event)
        self.at_work("listener")

    def from_thread(self) -> None:
        self.moment.wait(WAIT)
        for _ in range(self.dice.randrange(300)):  # a few microseconds more or less
            pass
        self.signal.cancel("storm")


# bodies


def quick(storm: Storm, name: str) -> Callable[..., Any]:
    def body() -> str:
        storm.called[name] += 1
        storm.at_work("body")
        storm.returned.add(name)
        return name

    return body


def heeding(storm: Storm, name: str) -> Callable[..., Any]:
    def body(signal: CancelSignal) -> None:
        storm.called[name] += 1
        storm.at_work("body", now=True)
        signal.wait(WAIT)
        signal.raise_if_cancelled()

    return body


def deaf(storm: Storm, name: str) -> Callable[..., Any]:
    def body() -> str:
        storm.called[name] += 1
        storm.at_work("body", now=True)
        storm.over.wait(WAIT)
        return name

    return body


def failing(storm: Storm, name: str) -> Callable[..., Any]:
    def body() -> None:
        storm.called[name] += 1
        storm.at_work("body")
        raise ValueError(name)

    return body


def awaiting(storm: Storm, name: str) -> Callable[..., Any]:
    async def body() -> str:
        storm.called[name] += 1
        for _ in range(3):
            await asyncio.sleep(0)
        storm.at_work("body")
        return name

    return body


def endless(storm: Storm, name: str) -> Callable[..., Any]:
    async def body() -> None:
        storm.called[name] += 1
        storm.at_work("body", now=True)
        await asyncio.Event().wait()

    return body


KINDS = {
    "main": (quick, quick, quick, failing, heeding),
    "threads": (quick, quick, quick, failing, heeding),
    "coroutines": (awaiting, awaiting, awaiting, failing, endless),
    "mixed": (quick, awaiting, quick, failing, heeding, endless),
}


def tasks(storm: Storm, kind: str) -> Iterator[Task]:
    """Some 30 tasks with up to two dependencies each; few of them wait for the cancel, late in the graph."""
    dice, names = storm.dice, [f"t{number}" for number in range(30)]
    for place, name in enumerate(names):
        make = dice.choice(KINDS[kind][:4] if place < 25 else KINDS[kind])
        if kind == "threads" and place == 29 and dice.random() < 0.2:
            make = deaf
        yield Task(
            name,
            make(storm, name),
            tuple(dice.sample(names[max(0, place - 6) : place], min(place, dice.randrange(3)))),
            priority=dice.randrange(3),
            continue_on_error=dice.random() < 0.7,
            condition=(lambda context: True) if dice.random() < 0.2 else None,
            timeout=WAIT if dice.random() < 0.2 else None,
            retry=RetryPolicy(2) if dice.random() < 0.2 else None,
            loop=LoopPolicy(lambda data: True) if dice.random() < 0.2 else None,
            on=dice.choice(("main", "threads", "")) if kind == "mixed" else "",
        )


# the runs


def run_one(kind: str, seed: int) -> None:
    dice = random.Random(f"{kind} {seed}")
    storm = Storm(dice, SOURCES[seed % len(SOURCES)])
    listed = list(tasks(storm, kind))
    executor = kind if kind in ("main", "threads") else "threads"
    runner = TaskRunnerBuilder().with_executor(executor).on("*", storm.hear).build()
    canceller = in_thread(storm.from_thread)
    results = runner.run(
        listed,
        concurrency=dice.choice((1, 2, 8, 64)),
        signal=storm.signal,
        timeout=dice.random() / 50 if storm.source == "timeout" else None,
    )
    storm.moment.set()
    canceller.join(WAIT)
    assert runner.snapshot() == results
    check_outcomes(storm, listed, results)
    if kind == "threads":  # nothing interrupts a function in a thread, so what it gave is not lost
        assert all(results[name].ok for name in storm.returned)
    check_events(storm, results)
    storm.over.set()
    again = runner.run([Task("after", lambda: "fine")])
    assert again["after"].data == "fine", "the runner is as good as new"
    runner.close()
    assert {name: runner.snapshot()[name] for name in results} == results, "what came late changes nothing"


def check_outcomes(storm: Storm, listed: list[Task], results: Snapshot) -> None:
    by_name = {task.name: task for task in listed}
    assert results.keys() == by_name.keys()
    for task in listed:
        result = results[task.name]
        assert isinstance(result.status, TaskStatus)
        calls = storm.called[task.name]
        assert calls <= (task.retry.attempts if task.retry else 1)
        if calls:
            assert all(passes(results[name], by_name[name]) for name in task.dependencies)
        else:
            assert result.status in (TaskStatus.CANCELLED, TaskStatus.SKIPPED)
        if result.ok:
            assert result.data == task.name


def passes(result: TaskResult, task: Task) -> bool:
    return result.ok or (result.status is TaskStatus.FAILURE and task.continue_on_error)


def check_events(storm: Storm, results: Snapshot) -> None:
    kinds = [str(event.kind) for event in storm.events]
    assert (kinds[0], kinds[-1]) == ("workflow_start", "workflow_end")
    ends = [event for event in storm.events if event.kind in ("task_end", "task_skipped")]
    assert Counter(event.task for event in ends) == Counter(results.keys())
    assert all(event.result is results[event.task] for event in ends)
    for name in results:
        own = [str(event.kind) for event in storm.events if event.task == name]
        retries = own[1:-1]
        assert set(retries) <= {"task_retry"}
        assert own in (["task_start", *retries, "task_end"], ["task_end"], ["task_skipped"])


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_whenever_the_cancel_comes_all_is_settled_and_tidy(kind: str, part: int) -> None:
    before = set(threading.enumerate())
    for seed in range(part * RUNS, (part + 1) * RUNS):
        run_one(kind, seed)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)  # a timer that was cancelled ends by itself
        assert not thread.is_alive(), f"{thread.name} was left behind"
