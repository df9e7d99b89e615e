"""`@task` functions in a script: defined anew, failing further up, mistyped, and asked for where nothing can run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.engine.helpers import success

from milepost import CancelSignal, Snapshot, Task, TaskRunner, TaskRunnerBuilder, task
from milepost.functions import use_registry
from milepost.model.errors import ItemsFailed, TaskFailed, TaskGraphError


@pytest.fixture
def runner() -> Iterator[TaskRunner]:
    made = TaskRunnerBuilder().build()
    use_registry(made)
    yield made
    use_registry(None)
    made.close()


def define(name: str, value: Any, *needs: str, **options: Any) -> Any:
    """A `@task` function of that name, which adds what it needs."""

    def body(**given: Any) -> Any:
        return sum(given.values(), start=value)

    return task(name, after=needs, **options)(body)


def chain(*names: str) -> Any:
    """Each takes the one before; the last."""
    made = [define(name, 1, *names[max(0, place - 1) : place]) for place, name in enumerate(names)]
    return made[-1]


# what depends on what was made anew


@pytest.mark.parametrize("how", ["define", "add", "forget"])
def test_what_depends_on_a_task_that_is_another_one_now_runs_again(runner: TaskRunner, how: str) -> None:
    last, beside = chain("a", "b", "c"), define("beside", 5)
    assert (last.result(), beside.result()) == (3, 5)
    if how == "define":
        define("a", 10)
    elif how == "add":
        runner.add(Task("a", lambda: 10), replace=True)
    else:
        runner.forget("a")
        runner.add(Task("a", lambda: 10))
    assert list(runner.snapshot()) == ["beside"]
    assert last.result() == 12


def test_a_map_that_is_made_anew_drops_what_was_made_of_it(runner: TaskRunner) -> None:
    double = task("double")(lambda item: item * 2)
    total = double.map([1, 2], "doubles").reduce(sum, "total")
    after = define("after", 100, "total")
    assert (total.result(), after.result()) == (6, 106)
    double.map([1, 5], "doubles").reduce(sum, "total")
    assert after.result() == 112


def test_an_item_that_is_made_anew_drops_what_was_made_of_it(runner: TaskRunner) -> None:
    task("double")(lambda item: item * 2).map([1, 2])
    after = define("after", 100, "double[1]")
    assert after.result() == 102
    task("double")(lambda item: item * 20).map([1, 2])
    assert after.result() == 120


def test_what_a_snapshot_brought_stays_when_its_task_is_defined(runner: TaskRunner) -> None:
    snapshot = Snapshot({"a": success(10), "b": success(20)})
    use_registry(TaskRunnerBuilder().with_snapshot(snapshot).build())
    last = chain("a", "b", "c")
    assert last.result() == 21


# what failed further up


def test_a_skip_names_the_task_that_it_goes_back_to(runner: TaskRunner) -> None:
    @task
    def a() -> None:
        raise ValueError("disk full")

    for name, before in (("b", "a"), ("c", "b"), ("d", "c")):
        last = define(name, 1, before)
    with pytest.raises(TaskFailed, match="task 'd': skipped, since 'a' failed: ValueError: disk full") as caught:
        last.result()
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(TaskFailed, match="task 'a': disk full") as caught:
        a.result()
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_skip_goes_past_what_may_fail(runner: TaskRunner) -> None:
    def fail() -> None:
        raise ValueError("no matter")

    task("tolerated", continue_on_error=True)(fail)
    define("no", 1, condition=lambda context: False)
    with pytest.raises(TaskFailed, match="since 'no' was skipped: its condition does not hold") as caught:
        define("last", 1, "tolerated", "no").result()
    assert caught.value.__cause__ is None


def test_a_skip_after_a_cancel(runner: TaskRunner) -> None:
    signal = CancelSignal()
    task("a")(lambda: signal.cancel("enough"))
    last = chain("b", "c")
    runner.add(Task("b", lambda a: 1, ("a",)), replace=True)
    runner.run(signal=signal)
    assert {name: str(result.status) for name, result in runner.snapshot().items()}["c"] == "cancelled"
    assert last.result() == 2, "what was cancelled runs when it is asked for"


def test_items_that_were_skipped_raised_nothing_themselves(runner: TaskRunner) -> None:
    def invert(item: float) -> float:
        return 1 / item

    inverted = task("invert")(invert).map([1, 0])
    with pytest.raises(ItemsFailed) as caught:
        task("double")(lambda item: item * 2).map(inverted).results()
    (error,) = caught.value.exceptions
    assert isinstance(error, TaskFailed)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert "since 'invert[0]' failed: ZeroDivisionError" in str(error)


# mistakes


def test_a_mistyped_parameter_is_told_with_the_name_that_is_near(runner: TaskRunner) -> None:
    define("fetch", 1)

    @task
    def clean(fetsh: int) -> int:
        return fetsh

    with pytest.raises(TaskGraphError, match=r"'fetsh', which is no task here; did you mean 'fetch'\?"):
        clean.result()


@pytest.fixture
def far(runner: TaskRunner) -> Any:
    base = task("base")(lambda: 20)

    def call() -> int:
        return base() + 1

    def ask() -> int:
        return base.result() + 1

    def each() -> Any:
        return base.map([1])

    return {body.__name__: task(body.__name__, on="processes")(body) for body in (call, ask, each)}


def test_a_body_in_a_worker_process_calls_functions_and_asks_for_no_results(far: Any) -> None:
    assert far["call"].result() == 21
    with pytest.raises(TaskFailed, match="cannot ask for the result of task 'base': name it as a parameter"):
        far["ask"].result()
    with pytest.raises(TaskFailed, match="cannot map task 'base' over items: map it before"):
        far["each"].result()


def test_a_mistyped_name_of_what_shall_run_is_told_with_the_name_that_is_near(runner: TaskRunner) -> None:
    define("fetch", 1)
    with pytest.raises(TaskGraphError, match=r"there is no task 'fetsh'; did you mean 'fetch'\?"):
        runner.run(only=["fetsh"])
