"""`f.map(items)` in a script: names, order, partial failure, chains and reductions, on every executor."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Board
from tests.keys import signing_key

from milepost import RetryPolicy, Task, TaskFunction, TaskRunner, TaskRunnerBuilder, TaskStatus, task
from milepost.functions import use_registry
from milepost.functions.bodies import find_slot
from milepost.functions.names import item_text
from milepost.model.errors import ItemsFailed, TaskFailed, TaskGraphError, UsageError

EXECUTORS = ("main", "threads", "processes")


@pytest.fixture
def runner() -> Iterator[TaskRunner]:
    made = TaskRunnerBuilder().build()
    use_registry(made)
    yield made
    use_registry(None)
    made.close()


@pytest.fixture(params=EXECUTORS)
def on(request: pytest.FixtureRequest, runner: TaskRunner) -> str:
    return str(request.param)


def double(item: Any) -> Any:
    return item * 2


def odd_fails(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number * 10


def doubling(**options: Any) -> TaskFunction[[Any], Any]:
    return task("double", **options)(double)


# results


def test_results_keep_the_order_of_the_items(on: str) -> None:
    mapped = doubling(on=on).map(["b", "a", 3, 1.5])
    assert mapped.results() == ["bb", "aa", 6, 3.0]
    assert len(mapped) == 4
    assert [item.name for item in mapped] == ["double['b']", "double['a']", "double[3]", "double[1.5]"]
    assert mapped[1].result() == "aa"
    assert [item.result() for item in mapped[2:]] == [6, 3.0]


def test_items_run_side_by_side_and_results_wait_for_all(runner: TaskRunner) -> None:
    meet, gate = threading.Barrier(4), threading.Event()

    @task
    def wait(number: int) -> int:
        if number == 0:  # the first ends last
            gate.wait(WAIT)
        else:
            meet.wait(WAIT)
            gate.set() if number == 3 else None
        return number

    threading.Thread(target=meet.wait, args=(WAIT,)).start()
    assert wait.map(range(4)).results() == [0, 1, 2, 3]


def test_concurrency_is_a_limit(runner: TaskRunner) -> None:
    lock, running, most = threading.Lock(), 0, 0

    @task
    def count(number: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1

    count.map(range(40)).results(concurrency=3)
    assert 1 < most <= 3


def test_processes_run_side_by_side(runner: TaskRunner, board: Board) -> None:
    board.shut("end")

    @task(on="processes")
    def meet(number: int) -> int:
        board.note("here")
        board.pass_gate("end")
        return number

    threading.Thread(target=lambda: (board.wait_for("here", 2), board.open_all())).start()
    assert meet.map([1, 2]).results() == [1, 2]


def test_a_coroutine_function_is_mapped(runner: TaskRunner) -> None:
    @task
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    assert later.map([1, 2]).results() == [2, 3]


def test_what_has_a_result_does_not_run_again(runner: TaskRunner, board: Board) -> None:
    @task
    def note(word: str) -> str:
        board.note(word)
        return word

    mapped = note.map(["a", "b"])
    assert mapped[1].result() == "b"
    assert board.notes() == ["b"]
    assert mapped.results() == ["a", "b"]
    assert mapped.results() == ["a", "b"]
    assert board.notes() == ["b", "a"]


def test_no_items(runner: TaskRunner) -> None:
    mapped = doubling().map([])
    assert mapped.results() == mapped.outcomes() == []
    assert mapped.reduce(list, "all").result() == []
    assert mapped.reduce(sum, skip_failed=True).result() == 0


def test_a_generator_is_read_once(runner: TaskRunner) -> None:
    read = []
    mapped = doubling().map(read.append(n) or n for n in range(3))  # type: ignore[func-returns-value]
    assert mapped.results() == mapped.results() == [0, 2, 4]
    assert read == [0, 1, 2]


# partial failure


def test_failed_items_leave_the_others_alone(on: str) -> None:
    mapped = task("part", on=on)(odd_fails).map(range(6))
    outcomes = mapped.outcomes()
    assert [outcome.status for outcome in outcomes] == [TaskStatus.SUCCESS, TaskStatus.FAILURE] * 3
    assert [outcome.data for outcome in outcomes if outcome.ok] == [0, 20, 40]
    with pytest.raises(ItemsFailed) as caught:
        mapped.results()
    assert str(caught.value).splitlines()[0] == "3 of 6 items of 'part' did not succeed:"
    assert all(f"part[{n}]: ValueError: {n} is odd" in str(caught.value) for n in (1, 3, 5))
    assert isinstance(caught.value, TaskFailed)
    assert [str(error) for error in caught.value.exceptions] == ["1 is odd", "3 is odd", "5 is odd"]
    with pytest.raises(TaskFailed, match=r"part\[1\]"):
        mapped[1].result()


def test_an_error_names_some_and_counts_all(runner: TaskRunner) -> None:
    with pytest.raises(ItemsFailed) as caught:
        task(odd_fails).map(range(1, 99, 2)).results()
    assert "49 of 49 items" in str(caught.value)
    assert "… and 44 more" in str(caught.value)
    assert len(caught.value.exceptions) == 49
    caught_odd = []
    try:
        raise caught.value
    except* ValueError as odd:
        caught_odd += odd.exceptions
    assert len(caught_odd) == 49


def test_failed_items_run_again_and_only_those(runner: TaskRunner, board: Board) -> None:
    @task
    def once(word: str) -> str:
        if board.note(word) == 1 and word == "b":
            raise OSError("first time")
        return word

    mapped = once.map(["a", "b", "c"])
    assert [outcome.ok for outcome in mapped.outcomes()] == [True, False, True]
    assert mapped.results() == ["a", "b", "c"]
    assert sorted(board.notes()) == ["a", "b", "b", "c"]


# the options of `@task`


def test_options_hold_for_each_item(runner: TaskRunner, board: Board) -> None:
    @task(retry=RetryPolicy(2), priority=3, timeout=WAIT)
    def second(word: str) -> int:
        if board.note(word) == 1:
            raise OSError
        return 2

    mapped = second.map(["a", "b"])
    assert mapped.results() == [2, 2]
    assert sorted(board.notes()) == ["a", "a", "b", "b"]
    assert {(task.priority, task.timeout) for task in runner.tasks.values()} == {(3, WAIT)}


def test_a_condition_skips_items(runner: TaskRunner) -> None:
    outcomes = task("never", condition=lambda context: False)(double).map([1, 2]).outcomes()
    assert [outcome.status for outcome in outcomes] == [TaskStatus.SKIPPED] * 2


def test_a_function_that_takes_any_name_gets_what_it_comes_after(runner: TaskRunner) -> None:
    @task
    def scale() -> int:
        return 10

    @task(after=("scale",))
    def alone(**rest: Any) -> Any:
        return rest

    @task(after=("scale",))
    def scaled(item: int, **rest: Any) -> Any:
        return item, rest

    assert alone.result() == {"scale": 10}
    assert scaled.map([1, 2]).results() == [(1, {"scale": 10}), (2, {"scale": 10})]


def test_other_parameters_name_tasks_or_are_given(runner: TaskRunner, board: Board) -> None:
    @task
    def rate() -> int:
        board.note("rate")
        return 10

    @task
    def priced(row: int, rate: int, signal: Any, context: Any = 7, digits: int = 2) -> tuple[Any, ...]:
        return row * rate, signal.cancelled, context, digits

    assert priced.map([1, 2]).results() == [(10, False, None, 2), (20, False, None, 2)]
    assert board.notes() == ["rate"]


def test_after_comes_first(runner: TaskRunner, board: Board) -> None:
    task("login")(lambda: board.note("login"))
    task("get", after=["login"])(lambda page: board.note(page)).map(["a", "b"]).results()
    assert board.notes()[0] == "login"


# chains


def test_a_chain_goes_on_item_by_item(runner: TaskRunner) -> None:
    cleaned = threading.Event()

    @task
    def fetch(url: str) -> str:
        assert url != "b" or cleaned.wait(WAIT), "the first item waits for the whole first map"
        return url * 2

    @task
    def clean(page: str) -> str:
        cleaned.set()
        return page + "!"

    mapped = clean.map(fetch.map(["a", "b"]))
    assert mapped.names == ("clean['a']", "clean['b']")
    assert mapped.results(concurrency=2) == ["aa!", "bb!"]


def test_a_chain_in_processes(runner: TaskRunner) -> None:
    first = task("first", on="processes")(double).map(["a", "b"])
    assert task("again", on="processes")(double).map(first).reduce("".join).result() == "aaaabbbb"


def test_an_item_whose_forerunner_failed_is_skipped(runner: TaskRunner) -> None:
    last = doubling().map(task(odd_fails).map(range(4)))
    assert [str(o.status) for o in last.outcomes()] == ["success", "skipped", "success", "skipped"]
    with pytest.raises(ItemsFailed, match=r"double\[1\]: skipped, since 'odd_fails\[1\]' failed"):
        last.results()
    assert last.reduce(list, "kept", skip_failed=True).result() == [0, 40]


def test_part_of_a_map_is_mapped(runner: TaskRunner) -> None:
    mapped = task("first")(double).map([1, 2, 3])
    assert doubling().map(mapped[1:]).results() == [8, 12]


# reductions


def test_a_reduction_gets_the_results_in_order(on: str) -> None:
    joined = doubling().map(["c", "a", "b"]).reduce("-".join, "joined")
    report = task("report", on=on)(lambda joined: f"<{joined}>")
    assert report.result() == "<cc-aa-bb>"
    assert joined.result() == "cc-aa-bb"


def test_a_reduction_runs_where_it_says(on: str) -> None:
    @task(on=on)
    def total(values: list[int], scale: int = 2) -> int:
        return sum(values) * scale

    assert doubling().map(range(4)).reduce(total).result() == 24


def test_a_reduction_has_inputs_of_its_own(runner: TaskRunner) -> None:
    task("rate")(lambda: 10)
    assert doubling().map([1, 2]).reduce(lambda rate, values: [rate, *values]).result() == [10, 2, 4]


def test_one_failure_skips_the_reduction(runner: TaskRunner) -> None:
    reduced = task(odd_fails).map(range(4)).reduce(list)
    with pytest.raises(TaskFailed, match=r"skipped, since 'odd_fails\[[13]\]' failed"):
        reduced.result()


def test_a_reduction_of_those_that_succeeded(on: str) -> None:
    mapped = task("part", on=on)(odd_fails).map(range(6))
    assert mapped.reduce(list, "kept", skip_failed=True).result() == [0, 20, 40]
    assert mapped.reduce(list, "none", skip_failed=True).result() == [0, 20, 40]


def test_a_reduction_of_nothing_but_failures(runner: TaskRunner) -> None:
    assert task(odd_fails).map([1, 3]).reduce(len, skip_failed=True).result() == 0


def test_a_reduction_needs_its_other_inputs_all_the_same(runner: TaskRunner) -> None:
    task("rate")(lambda: 1 / 0)
    reduced = doubling().map([1]).reduce(lambda values, rate: 0, "priced", skip_failed=True)
    with pytest.raises(TaskFailed, match="'rate' failed"):
        reduced.result()


def test_continue_on_error_gives_none_in_its_place(runner: TaskRunner) -> None:
    mapped = task("part", continue_on_error=True)(odd_fails).map(range(3))
    assert mapped.reduce(list, "all").result() == [0, None, 20]
    assert mapped.reduce(list, "kept", skip_failed=True).result() == [0, 20]


def test_the_whole_graph_runs(runner: TaskRunner) -> None:
    mapped = doubling().map([1, 2])
    mapped.reduce(sum, "total")
    snapshot = runner.run()
    assert snapshot["total"].data == 6
    assert list(snapshot) == ["double[1]", "double[2]", "total"], "the function without an item is no task"


@pytest.mark.parametrize("ends", [TaskStatus.FAILURE, TaskStatus.SKIPPED, TaskStatus.SUCCESS])
def test_an_optional_dependency_is_waited_for(ends: TaskStatus, runner: TaskRunner, board: Board) -> None:
    def first() -> str:
        board.pass_gate("first")
        board.note("first")
        if ends is TaskStatus.FAILURE:
            raise OSError
        return "data"

    def last(**inputs: Any) -> None:
        board.note("last")

    board.shut("first")
    tasks = [
        Task("root", first),
        Task("middle", lambda root: root, ("root",), condition=lambda _: ends is TaskStatus.SUCCESS),
        Task("last", last, ("middle",), optional=frozenset({"middle"})),
    ]
    handle = runner.start(tasks)
    board.open_all()
    results = handle.wait(WAIT)
    assert board.notes() == ["first", "last"]
    assert results["last"].ok


# again


def test_a_later_map_takes_the_place_of_an_earlier_one(runner: TaskRunner) -> None:
    function = doubling()
    first = function.map(["a", "b"])
    total = first.reduce("".join, "total")
    chained = task("chained")(double).map(first)
    second = function.map(["b", "c"])
    assert second.results() == ["bb", "cc"]
    assert list(runner.tasks) == ["double['b']", "chained['a']", "chained['b']", "double['c']"]
    asked: list[Callable[[], Any]] = [first.results, first[0].result, total.result, chained.results]
    for ask in asked:
        with pytest.raises(UsageError, match=r"replaced by a later one.*'double'"):
            ask()
    with pytest.raises(UsageError, match="replaced"):
        task("other")(double).map(first)


def test_maps_with_names_live_side_by_side(runner: TaskRunner) -> None:
    function = doubling()
    train, test = function.map([1, 2], "train"), function.map([2, 3], "test")
    assert (train.results(), test.results()) == ([2, 4], [4, 6])
    assert train.names == ("train[1]", "train[2]")


def test_reductions_do_not_take_each_others_place_unseen(runner: TaskRunner) -> None:
    mapped, other = doubling().map([1, 2]), doubling().map([3], "other")
    assert (mapped.reduce(sum).result(), mapped.reduce(max).result(), other.reduce(sum).result()) == (6, 4, 6)
    first = mapped.reduce(lambda values: values[0])
    assert mapped.reduce(lambda values: values[1]).result() == 4
    with pytest.raises(UsageError, match="replaced by a later reduction"):
        first.result()

    @task
    def total(values: list[int]) -> int:
        return sum(values)

    assert mapped.reduce(total).result() == 6
    for name in (None, "total"):
        with pytest.raises(UsageError, match="there is a task 'total' already"):
            other.reduce(total, name)
    assert other.reduce(total, "other_total").result() == 6


def test_a_mapped_function_is_no_task_by_itself(runner: TaskRunner) -> None:
    function = doubling()
    function.map([1])
    with pytest.raises(UsageError, match=r"'double' is no task any more: it was mapped over items"):
        function.result()
    assert function(4) == 8


def test_a_store_keeps_each_item(tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_KEY_FILE", signing_key(tmp_path / "key"))

    def total(items: list[int], shift: int) -> int:
        runner = TaskRunnerBuilder().with_store(tmp_path / "store").build()
        use_registry(runner)

        @task
        def shifted(item: int) -> int:
            board.note(str(item))
            return item + shift

        try:
            result: int = shifted.map(items).reduce(sum, "total").result()
            return result
        finally:
            use_registry(None)
            runner.close()

    assert total([1, 3], 1) == 6
    assert total([1, 2, 3], 1) == 9
    assert sorted(board.notes()) == ["1", "2", "3"]
    assert total([3, 2], 2) == 9
    assert sorted(board.notes()) == ["1", "2", "2", "3", "3"]


# names


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("a", "'a'"),
        ("it's\n", '"it\'s\\n"'),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        (1.5, "1.5"),
        (("a", 1), "('a', 1)"),
        ((1,), "(1,)"),
        ({"id": [1, 2]}, "{'id': [1, 2]}"),
        (PurePosixPath("a/b"), "'a/b'"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (object(), "#7"),
        ([object()], "#7"),
        ({1, 2}, "#7"),
        (b"x", "#7"),
        ("x" * 20_000, "#7"),
    ],
)
def test_an_item_is_called_after_its_value(item: Any, text: str) -> None:
    assert item_text(7, item, None) == text


def test_numpy_items_are_called_after_their_value() -> None:
    numpy = pytest.importorskip("numpy")
    values = (numpy.int64(3), numpy.float64(1.5), numpy.str_("a"))
    assert [item_text(0, value, None) for value in values] == ["3", "1.5", "'a'"]


def test_a_long_value_is_cut_and_stays_unique() -> None:
    one, two = (item_text(0, "https://example.com/" + "x" * 99 + end, None) for end in "ab")
    assert one != two
    assert len(one) == len(two) <= 60
    assert one.startswith("'https://example.com/xxx")
    assert one == item_text(9, "https://example.com/" + "x" * 99 + "a", None)


def test_equal_items_get_a_number(runner: TaskRunner) -> None:
    mapped = doubling().map(["a", "b", "a", "a"])
    assert mapped.names == ("double['a']", "double['b']", "double['a' #2]", "double['a' #3]")
    assert mapped.results() == ["aa", "bb", "aa", "aa"]


def test_a_key_names_items(runner: TaskRunner) -> None:
    mapped = doubling().map([b"x", b"y"], key=lambda item: item.decode())
    assert mapped.names == ("double['x']", "double['y']")
    with pytest.raises(UsageError, match="key gives a bytes for item 0"):
        doubling().map([b"x"], key=lambda item: item)


# which parameter


def slot(function: Callable[..., Any], to: str | None = None, **roles: Any) -> str:
    return find_slot(function, to, lambda name: roles.get(name, ""), "f.map").name


def test_the_parameter_is_the_one_that_nothing_else_fills() -> None:
    assert slot(lambda model, row: 0, model="task") == "row"
    assert slot(lambda row, model: 0, model="variable") == "row"
    assert slot(lambda row, model: 0, row="variable", model="task") == "row"
    assert slot(lambda row, signal, context, by=2: 0) == "row"
    assert slot(lambda row: 0, row="task") == "row"
    assert slot(lambda a, b: 0, to="b") == "b"


@pytest.mark.parametrize(
    ("function", "to", "words"),
    [
        (lambda: 0, None, "no parameter without a default"),
        (lambda by=2: 0, None, "no parameter without a default"),
        (lambda *rest: 0, None, "no parameter without a default"),
        (lambda a, b: 0, None, "'a' and 'b' could each take it; say which one does with to='a'"),
        (lambda a, b: 0, "c", "no parameter 'c'"),
        (lambda a, signal: 0, "signal", "no parameter 'signal'"),
        (lambda **rest: 0, "rest", "any number"),
    ],
)
def test_bad_parameters(function: Callable[..., Any], to: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        slot(function, to)


def test_parameters_that_all_name_tasks() -> None:
    with pytest.raises(UsageError, match="each name a task"):
        slot(lambda a, b: 0, a="task", b="task")


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (3, "int cannot be iterated over; for one item write"),
        ("abc", "one str, 'abc', is no collection"),
        (b"abc", "one bytes"),
    ],
)
def test_bad_items(items: Any, words: str, runner: TaskRunner) -> None:
    with pytest.raises(UsageError, match=words):
        doubling().map(items)
    assert list(runner.tasks) == ["double"], "what is refused changes nothing"


def test_a_task_is_no_collection(runner: TaskRunner) -> None:
    listing = task("listing")(lambda: [1, 2])
    for items in (listing, [listing]):
        with pytest.raises(UsageError, match=r"ask for its data first: f.map\(task.result\(\)\)"):
            doubling().map(items)  # type: ignore[arg-type]
    assert doubling().map(listing.result()).results() == [2, 4]


def test_a_missing_task_is_named(runner: TaskRunner) -> None:
    with pytest.raises(TaskGraphError, match="depends on 'rats', which is no task here"):
        task("bad")(lambda row, rats: 0).map([1], to="row").results()


def test_reduce_takes_a_function(runner: TaskRunner) -> None:
    with pytest.raises(UsageError, match="takes a function"):
        doubling().map([1]).reduce(3)  # type: ignore[arg-type]


# many


def test_ten_thousand_items(runner: TaskRunner) -> None:
    begin = time.perf_counter()
    mapped = doubling().map(range(10_000))
    assert mapped.results() == list(range(0, 20_000, 2))
    assert mapped.reduce(sum).result() == 99_990_000
    doubling().map(range(10_000))
    assert time.perf_counter() - begin < 10, "the cost of an item grows with their number"
