"""`track` where no notebook is: as a plain bar, and in the tasks of a runner."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.engine.helpers import WAIT, build

from milepost import Event, Task, TaskRunner, TaskRunnerBuilder, UsageError, progress, track
from milepost.model.errors import TaskCancelled
from milepost.tracking import loop, report
from milepost.tracking.filling import Parts, fill, misfit
from milepost.tracking.report import progress_text


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """Gives the lines that came to stderr, however short a loop is, as in a terminal."""
    monkeypatch.setattr(report, "_live", lambda stream: True)
    monkeypatch.setattr(loop, "BRIEF", 0.0)
    monkeypatch.setattr(loop, "TICK", 0.0)
    return lambda: capsys.readouterr().err.splitlines()


def test_outside_of_a_task_it_is_a_plain_bar(shown: Callable[[], list[str]]) -> None:
    assert list(track("abc", name="letters")) == ["a", "b", "c"]
    assert shown()[-1].startswith("letters · 3/3 · 100 %")
    for _ in track(range(2), name="outer"):
        for _ in track(iter([1, 2]), name="inner"):
            pass
    assert any(line.startswith("outer · 0/2 · 0 %") and "inner · 2/2" in line for line in shown())
    assert len(track([1, 2])) == 2


def test_it_goes_through_what_comes_later(shown: Callable[[], list[str]]) -> None:
    async def later() -> list[int]:
        async def numbers() -> Any:
            yield 1
            yield 2

        return [n async for n in track(numbers(), name="later")] + [n async for n in track([3])]

    assert asyncio.run(later()) == [1, 2, 3]
    assert "later · 2" in "".join(shown())


@pytest.mark.parametrize("runs_on", ["main", "threads", "processes"])
def test_a_runner_hears_of_it(runs_on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    runner = TaskRunnerBuilder().with_executor(runs_on).on("task_progress", heard.append).build()
    result = runner.run([Task("counts", counts)])["counts"]
    assert result.data == 3
    assert [event.message.split(" · ")[0] for event in heard][-1] == "3/3"
    assert heard[0].message == "1/4 · 25 % · parts"


def counts() -> int:
    progress(1, 4, "parts")
    return sum(1 for _ in track(range(3)))


def waiting(runner: TaskRunner, reached: threading.Event, go: threading.Event, seen: list[int]) -> None:
    for number in track(range(10)):
        seen.append(number)
        if number == 3:
            reached.set()
            go.wait(WAIT)


@pytest.mark.parametrize("cancels", [False, True])
def test_pause_and_cancel_take_effect_between_items(cancels: bool) -> None:
    runner, reached, go, seen = build(), threading.Event(), threading.Event(), list[int]()
    handle = runner.start([Task("loops", lambda: waiting(runner, reached, go, seen))])
    assert reached.wait(WAIT)
    handle.pause()
    go.set()
    with pytest.raises(TimeoutError):
        handle.wait(0.1)
    assert seen == [0, 1, 2, 3]
    if cancels:
        handle.cancel()
        assert isinstance(handle.wait(WAIT)["loops"].exception, TaskCancelled | KeyboardInterrupt)
        return
    handle.resume()
    assert handle.wait(WAIT)["loops"].ok
    assert seen == list(range(10))


def test_words_of_progress() -> None:
    assert progress_text(3, 10, "files") == "3/10 · 30 % · files"
    assert progress_text(0.5, 2.0) == "0.5/2 · 25 %"
    assert progress_text(7) == "7"
    assert progress_text("downloading") == "downloading"
    for wrong in ((-1, 3), ("a", 3), (1, "b"), (True, 2)):
        with pytest.raises(UsageError, match="numbers from 0 on"):
            progress_text(*wrong)  # type: ignore[arg-type]


class Model:
    def __init__(self) -> None:
        self.weights = np.zeros(2)
        self.history = [{"loss": 1}]


def test_content_goes_back_into_the_same_objects() -> None:
    model, shared = Model(), np.zeros(2)
    state = {"model": model, "best": shared, "last": shared, "rng": np.random.default_rng(1)}
    weights, history, draws = model.weights, model.history, state["rng"]
    before = Parts.of(state)
    state["best"] = best = np.ones(2)  # by then the best was another one, and the last still the one of the beginning
    same = before.still_in(Parts.of(state))
    state["best"] = shared
    saved = {"model": Model(), "best": best, "last": np.full(2, 3.0), "rng": np.random.default_rng(9)}
    saved["model"].weights += 5
    saved["model"].history.append({"loss": 0})
    assert fill(state, saved, same) is state
    assert state["model"] is model
    assert model.weights is weights
    assert model.history is history
    assert (weights.tolist(), history) == ([5, 5], [{"loss": 1}, {"loss": 0}])
    assert state["last"] is shared
    assert shared.tolist() == [3, 3]
    assert state["best"].tolist() == [1, 1]
    assert draws.random() == np.random.default_rng(9).random()


def test_what_cannot_be_filled_is_named() -> None:
    assert misfit({"a": [1, (2, {3})], "b": Model()}) == ""
    assert "state is a lock" in misfit(threading.Lock())
    assert "state=7 cannot be put back into a variable of a function" in misfit(7)
