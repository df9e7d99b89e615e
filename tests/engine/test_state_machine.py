"""Random graphs, steered at random, against a simple model of the rules: never a task run twice, too early, or lost."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.engine.gated_bodies import Again, Failed, Gates, RunThread, outcome, planned, task
from tests.engine.rules_model import Call, Rules, Run, World

from milepost import Snapshot, TaskResult, TaskRunner, TaskRunnerBuilder, TaskStatus

EXAMPLES = int(os.environ.get("MILEPOST_STATE_MACHINE_EXAMPLES", "200"))
UNLIMITED = 64
PATIENCE = 10.0
VERDICTS = ("success", "success", "success", "success", "fail", "retry", "again", "skip", "interrupt")


@st.composite
def graphs(draw: st.DrawFn, executor: str) -> list[Rules]:
    """Up to twelve tasks, in any order."""
    size = draw(st.sampled_from((1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)))
    order = draw(st.permutations(range(size)))
    flag = st.sampled_from((False, False, False, True))
    made = []
    for place in range(size):
        needs = draw(st.lists(st.integers(0, place - 1), max_size=3, unique=True)) if place else []
        expires = draw(st.sampled_from((False,) * 9 + (True,)))
        made.append(
            Rules(
                f"t{place}",
                tuple(f"t{need}" for need in needs),
                priority=draw(st.integers(0, 2)),
                conditional=not expires and draw(flag),
                continues=not expires and draw(flag),
                attempts=1 if expires else draw(st.sampled_from((1, 1, 2, 3))),
                iterations=1 if expires else draw(st.sampled_from((1, 1, 2, 3))),
                expires=expires,
                own_thread=executor == "main" or (executor == "mixed" and draw(flag)),
                coroutine=executor == "coroutines" or (executor == "mixed" and draw(flag)),
            )
        )
    return [made[place] for place in order]


class Steering(RuleBasedStateMachine):
    """Each rule changes the runner and the model alike; then both must come to the same."""

    @initialize(data=st.data(), executor=st.sampled_from(("threads", "threads", "coroutines", "main", "mixed")))
    def begin(self, data: st.DataObject, executor: str) -> None:
        self.executor = executor
        self.before = set(threading.enumerate())
        rules = data.draw(graphs(executor))
        self.token = 0
        self.open_world(World({rule.name: rule for rule in rules}), TaskRunnerBuilder())

    def open_world(self, model: World, builder: TaskRunnerBuilder) -> None:
        """A model, and a runner with gates that does the same."""
        self.model, self.gates = model, Gates()
        self.gates.free = {name for name, rules in model.rules.items() if rules.expires}
        executor = "main" if self.executor == "main" else "threads"
        self.runner: TaskRunner = builder.with_executor(executor).on("*", self.gates.hear).build()
        for rules in model.rules.values():
            self.runner.add(task(self.gates, rules))
        self.threads: dict[Run, RunThread] = {}

    # rules

    @precondition(lambda self: self.room_for_a_run())
    @rule(data=st.data(), limit=st.sampled_from((1, 2, 3, UNLIMITED, UNLIMITED)))
    def start(self, data: st.DataObject, limit: int) -> None:
        names = st.sampled_from(list(self.model.rules))
        only = data.draw(st.none() | st.lists(names, min_size=1, unique=True), label="only")
        limit = UNLIMITED if self.executor == "mixed" or self.model.runs else limit
        run = self.model.start(only or list(self.model.rules), 1 if self.executor == "main" else limit)
        self.allow()
        runner = self.runner
        self.threads[run] = RunThread(run, lambda signal: runner.run(only=only, concurrency=limit, signal=signal))

    def room_for_a_run(self) -> bool:
        """A second run only where neither has to choose: what they start must not hang on who is first.

        And no third one before both are over: one would take over what has ended, the other make it anew.
        """
        runs = self.model.runs
        return not runs or (len(runs) == 1 and not self.model.ended and self.has_room_for_all())

    def has_room_for_all(self) -> bool:
        """Whether every ready task can start."""
        return not any(rules.own_thread for rules in self.model.rules.values()) and all(
            run.concurrency == UNLIMITED for run in self.model.runs
        )

    @precondition(lambda self: self.calls())
    @rule(data=st.data(), times=st.sampled_from((1, 2, 4, 8)))
    def answer(self, data: st.DataObject, times: int) -> None:
        while times and self.calls():
            self.answer_all([data.draw(st.sampled_from(self.calls()), label="call")], data)
            self.both_come_to_the_same()
            times -= 1

    @precondition(lambda self: len(self.calls()) > 1 and self.has_room_for_all())
    @rule(data=st.data())
    def answer_together(self, data: st.DataObject) -> None:
        """Where there is room for all, the order of the answers does not matter."""
        calls = st.lists(st.sampled_from(self.calls()), min_size=2, unique=True)
        self.answer_all(data.draw(calls, label="calls"), data, ("success", "success", "success", "fail", "retry"))

    @rule(data=st.data(), what=st.sampled_from(("pause", "pause", "cancel", "snapshot", "elsewhere", "dry run")))
    def steer(self, data: st.DataObject, what: str) -> None:
        """One rule for what ends or holds a run, so that runs also come far."""
        if what == "pause" and not self.model.paused:
            self.pause()
        elif self.model.paused and what in ("pause", "dry run"):
            self.resume()
        elif what == "cancel" and self.model.runs:
            self.cancel(self.model.runs[data.draw(st.integers(0, len(self.model.runs) - 1), label="run")])
        elif what == "snapshot":
            self.snapshot()
        elif what == "elsewhere":
            self.resume_elsewhere()
        elif what == "dry run" and not self.gates.free:
            verdicts = st.sampled_from(("yes", "yes", "no", "raise"))
            conditional = [name for name, rules in self.model.rules.items() if rules.conditional]
            self.dry_run({name: data.draw(verdicts, label=name) for name in conditional})

    def pause(self) -> None:
        self.model.paused = True
        self.runner.pause()

    def resume(self) -> None:
        self.model.paused = False
        self.model.advance()
        self.allow()
        self.runner.resume()

    def cancel(self, run: Run) -> None:
        asked = [call for call, owner in self.model.waiting().items() if owner is run and call.phase != "body"]
        run.cancel()
        for call in asked:  # a condition has no signal to heed, so it answers
            run.answer(call.name, "yes")
        self.model.advance()
        self.allow()
        self.threads[run].signal.cancel("enough")
        for call in asked:
            self.gates.answer(call, "yes")

    def snapshot(self) -> None:
        snapshot = self.runner.snapshot()
        assert {name: outcome(result) for name, result in snapshot.items()} == self.model.results
        assert Snapshot.from_json(snapshot.to_json()) == snapshot

    def resume_elsewhere(self) -> None:
        text = self.runner.snapshot().to_json()
        self.close_world()
        results = dict(self.model.results)
        done = {name for name, (status, _) in results.items() if status == "success"}
        builder = TaskRunnerBuilder().with_snapshot(Snapshot.from_json(text))
        self.open_world(World(self.model.rules, results, done), builder)

    def dry_run(self, plan: dict[str, str]) -> None:
        before, heard = self.runner.snapshot(), len(self.gates.events)
        token = planned.set(plan)
        try:
            results = self.runner.run(dry_run=True, concurrency=1)
        finally:
            planned.reset(token)
        started = [event.task for event in self.gates.events[heard:] if event.kind == "task_start"]
        del self.gates.events[heard:]
        assert self.runner.snapshot() == before
        self.check_dry_run(plan, started, {name: str(result.status) for name, result in results.items()})

    def check_dry_run(self, plan: dict[str, str], started: list[str], statuses: dict[str, str]) -> None:
        order: list[str] = []

        class Noting(World):
            def put(self, name: str, result: tuple[str, Any], run: Run) -> None:
                super().put(name, result, run)
                order.extend([name] * self.events[name].count((run, "task_start")))

        model = Noting(self.model.rules, dict(self.model.results), set(self.model.hydrated))
        model.plan = {name: plan.get(name, "yes") for name in model.rules}
        model.start(list(model.rules), 1)
        assert statuses == {name: status for name, (status, _) in model.results.items()}
        if self.executor == "mixed":
            started.sort(), order.sort()
        assert started == order

    # both at once

    def calls(self) -> list[Call]:
        """What waits for an answer, in a fixed order."""
        return sorted(self.model.waiting(), key=lambda call: call.name)

    def answer_all(self, calls: list[Call], data: st.DataObject, verdicts: tuple[str, ...] = VERDICTS) -> None:
        answers = []
        for call in calls:
            run, name = self.model.waiting()[call], call.name
            rules = self.model.rules[name]
            word = data.draw(
                st.sampled_from(("yes", "yes", "yes", "no", "raise") if call.phase != "body" else verdicts)
            )
            if word == "interrupt" and (rules.coroutine or len(self.model.waiting()) > 1):
                word = "success"  # a coroutine shares its loop; what else runs is told as in `cancel`
            self.token += 1
            value = "again" if word == "again" else f"{name} {self.token}"
            run.answer(name, word, value)
            answers.append((call, word, value))
        self.model.advance()
        self.allow()
        for call, word, value in answers:
            self.gates.answer(call, *reply(call, word, value))

    def allow(self) -> None:
        """Tell the gates which calls may come."""
        with self.gates.changed:
            self.gates.allowed = self.model.allowed()

    # the comparison

    @invariant()
    def both_come_to_the_same(self) -> None:
        if not hasattr(self, "model"):
            return
        gates = self.gates
        with gates.changed:
            end = time.monotonic() + PATIENCE
            while not (gates.wrong or self.same()) and time.monotonic() < end:
                gates.changed.wait(0.01)  # not everything that is compared tells when it changes
            assert not gates.wrong, gates.wrong
            for what, (real, right) in self.views().items():
                assert real == right, f"{what}: the runner says {real}, the model {right}"
            self.see_who_was_first()
        for run in [run for run in self.threads if run not in self.model.runs]:
            thread = self.threads.pop(run)
            if run.interrupted:
                with pytest.raises(KeyboardInterrupt):
                    thread.wait()
                continue
            given = {name: outcome(result) for name, result in thread.wait().items()}
            assert run.alone is False or given == self.model.results
        self.check_bracket()

    def see_who_was_first(self) -> None:
        """Of two runs that can start a task, either may do it."""
        for call, waiting in self.gates.waiting.items():
            if waiting.run is not self.model.owner[call.name]:
                self.model.hand_over(call.name, waiting.run)

    def same(self) -> bool:
        return all(real == right for real, right in self.views().values())

    def views(self) -> dict[str, tuple[Any, Any]]:
        """What the runner says, and what the model.

        How many runs there are, and which waits have begun, is looked at from the inside: nothing else shows it.
        """
        results = {name: outcome(result) for name, result in self.runner.snapshot().items()}
        return {
            "calls": (set(self.gates.waiting), set(self.model.waiting())),
            "results": (results, self.model.results),
            "events": (self.heard(), self.by_run(self.model.events)),
            "runs": (len(self.runner._runs), len(self.model.runs)),
            "waits not begun": (self.expected_waits() - self.waits(), Counter()),
        }

    def waits(self) -> Counter[str]:
        """How many runs wait for a task that another has under way, those among them that were cancelled meanwhile."""
        return Counter({name: len(runs) for (name, _), runs in self.runner._tools.claims._waiting.items() if runs})

    def expected_waits(self) -> Counter[str]:
        return Counter(name for run in self.model.runs for name in run.waits_for)

    def heard(self) -> dict[str, list[list[str]]]:
        """Events by task."""
        heard: defaultdict[str, list[tuple[Any, str]]] = defaultdict(list)
        for event in self.gates.events:
            if event.task:
                heard[event.task].append((event.run, str(event.kind)))
        return self.by_run(heard)

    def by_run(self, events: Mapping[str, list[tuple[Any, str]]]) -> dict[str, list[list[str]]]:
        """By task, the events of each run in their order: which of two runs is faster is open.

        So is whether a body has begun when its timeout comes.
        """
        found: defaultdict[str, defaultdict[Any, list[str]]] = defaultdict(lambda: defaultdict(list))
        for name, told in events.items():
            for run, kind in told:
                if kind != "task_start" or name not in self.gates.free:
                    found[name][run].append(kind)
        return {name: sorted(runs.values()) for name, runs in found.items()}

    def check_bracket(self) -> None:
        kinds = [str(event.kind) for event in self.gates.events if event.kind not in ("paused", "resumed", "cancelled")]
        depth = 0
        for kind in kinds:
            assert depth > 0 or kind == "workflow_start", f"{kind} outside of a run"
            depth += (kind == "workflow_start") - (kind == "workflow_end")
        assert depth == len(self.model.runs)

    # the end

    def close_world(self) -> None:
        """Cancel what is under way; nothing stays behind."""
        self.gates.allowed = {}
        self.runner.cancel("the end")
        with self.gates.changed:
            for call, waiting in list(self.gates.waiting.items()):
                if call.phase != "body":
                    waiting.answer.set_result("yes")
        for thread in self.threads.values():
            thread.wait()
        self.runner.close()

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        try:
            self.finish()
        finally:
            self.close_world()
        new = set(threading.enumerate()) - self.before
        left = [thread.name for thread in new if thread.name.startswith("milepost")]
        assert not left, f"left behind: {left}"

    def finish(self) -> None:
        """With yes and success to everything that is left, every run ends, and no task is lost."""
        if self.model.paused:
            self.resume()
        while calls := self.calls():
            self.both_come_to_the_same()
            word = "success" if calls[0].phase == "body" else "yes"
            self.model.waiting()[calls[0]].answer(calls[0].name, word, "end")
            self.model.advance()
            self.allow()
            self.gates.answer(calls[0], *reply(calls[0], word, "end"))
        self.both_come_to_the_same()
        assert not self.model.runs
        assert all(isinstance(result.status, TaskStatus) for result in self.runner.snapshot().values())


def reply(call: Call, word: str, value: str) -> tuple[Any, BaseException | None]:
    """What the call's future gets."""
    if call.phase != "body":
        return word, None
    if word == "skip":
        return TaskResult(TaskStatus.SKIPPED, "not today"), None
    errors = {"fail": Failed("no luck"), "retry": Again("not yet"), "interrupt": KeyboardInterrupt()}
    return value, errors.get(word)


TestSteering = pytest.mark.slow(Steering.TestCase)
TestSteering.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
