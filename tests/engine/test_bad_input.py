"""What a user can get wrong, and what Milepost says: what, which one, what to do; several mistakes in one error."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, build, in_thread, statuses

from milepost import Event, LoopPolicy, RetryPolicy, Task, TaskRunnerBuilder, task
from milepost.engine import plugins
from milepost.engine.strategies.retrying import delay
from milepost.executors.threads import ThreadsExecutor
from milepost.functions import use_registry
from milepost.model.errors import TaskGraphError, UsageError
from milepost.ports import PluginContext


async def later(*values: Any) -> bool:
    return bool(values)


def without_address(value: object) -> str:
    """A name that is the same in each process that collects the tests."""
    return re.sub(" at 0x[0-9a-f]+", "", str(value))


def yields() -> Any:
    yield 1


async def yields_later() -> Any:
    yield 1


def two(context: Any, more: Any) -> bool:
    return True


def by_position(load: Any, /) -> Any:
    return load


# tasks and policies


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": ""}, "its name is a string that is not empty"),
        ({"name": 3}, "its name is a string"),
        ({"run": "load"}, "its body is a function, not 'load'"),
        ({"run": None}, "its body is a function, not None"),
        ({"dependencies": "load"}, r"its dependencies are several names, such as \('load',\), not 'load'"),
        ({"dependencies": 3}, "its dependencies are several names"),
        ({"dependencies": [1]}, "its dependencies are names of tasks, not 1"),
        ({"dependencies": [Task("load", print)]}, "its dependencies are names of tasks, not Task"),
        ({"priority": "high"}, "its priority is a whole number, not 'high'"),
        ({"priority": math.nan}, "its priority is a whole number, not nan"),
        ({"run": yields}, "its body is a generator function, which does nothing when it is called"),
        ({"run": yields_later}, "its body is a generator function"),
        ({"condition": True}, "its condition is a function, not True"),
        (
            {"condition": lambda: True},
            "its condition is called with one argument, the context, which <lambda> does not",
        ),
        ({"condition": two}, "its condition is called with one argument, the context, which two does not take"),
        ({"retry": 3}, r"retry is a RetryPolicy, such as RetryPolicy\(3\), not 3"),
        ({"loop": 3}, "loop is a LoopPolicy"),
        ({"timeout": -1}, "its timeout is a number of seconds, 0 or more, not -1"),
        ({"timeout": math.nan}, "its timeout .* not nan"),
        ({"timeout": math.inf}, "its timeout .* not inf"),
        ({"timeout": "5s"}, "its timeout .* not '5s'"),
        ({"timeout": True}, "its timeout .* not True"),
        ({"continue_on_error": "no"}, "continue_on_error is True or False, not 'no'"),
        ({"on": None}, 'on is the name of an executor, such as "threads", not None'),
        ({"optional": "load"}, "its optional dependencies are several names"),
    ],
    ids=without_address,
)
def test_a_task_that_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Task(**{"name": "a", "run": print, **settings})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"attempts": 0}, "attempts is a whole number, 1 or more, not 0"),
        ({"attempts": -3}, "attempts .* not -3"),
        ({"attempts": 2.5}, "attempts .* not 2.5"),
        ({"attempts": True}, "attempts .* not True"),
        ({"delay": math.nan}, "delay is a number of seconds, 0 or more, not nan"),
        ({"delay": -1}, "delay .* not -1"),
        ({"delay": math.inf}, "delay .* not inf"),
        ({"delay": None}, "delay .* not None"),
        ({"backoff": "linear"}, 'backoff is "fixed" or "exponential", not \'linear\''),
        ({"jitter": 1.5}, "jitter is a number from 0 to 1, not 1.5"),
        ({"jitter": math.nan}, "jitter .* not nan"),
        ({"jitter": "some"}, "jitter .* not 'some'"),
        ({"retry_on": ("OSError",)}, "retry_on are classes of exceptions, not 'OSError'"),
        ({"retry_on": OSError()}, "retry_on are classes of exceptions, not OSError"),
        ({"retry_on": (OSError, int)}, "retry_on are classes of exceptions, not <class 'int'>"),
    ],
    ids=without_address,
)
def test_a_retry_policy_that_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        RetryPolicy(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"until": 5}, "until is a function, not 5"),
        ({"until": lambda: True}, "until is called with one argument, the data, which <lambda> does not take"),
        ({"until": later}, "until is a plain function; 'later' is a coroutine function"),
        ({"interval": -1}, "interval is a number of seconds, 0 or more, not -1"),
        ({"interval": math.nan}, "interval .* not nan"),
        ({"max_iterations": 0}, "max_iterations is a whole number, 1 or more, not 0"),
    ],
)
def test_a_loop_policy_that_makes_no_sense_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        LoopPolicy(**{"until": bool, **settings})


def test_all_mistakes_in_one_task_are_in_one_error() -> None:
    with pytest.raises(UsageError, match=r"^task 'a': ") as caught:
        Task("a", print, priority="high", timeout=-1, retry=3)  # type: ignore[arg-type]
    assert str(caught.value).count("; ") == 2
    with pytest.raises(UsageError, match=r"attempts.*; delay.*; jitter"):
        RetryPolicy(0, -1, jitter=7)


def test_what_means_the_same_is_taken() -> None:
    assert Task("a", print, ["b"]).dependencies == ("b",)  # type: ignore[arg-type]
    assert Task("a", print, ("b",), optional={"b"}).optional == frozenset({"b"})  # type: ignore[arg-type]
    assert RetryPolicy(retry_on=OSError).retry_on == (OSError,)  # type: ignore[arg-type]
    assert RetryPolicy(retry_on=[OSError, KeyError]).retry_on == (OSError, KeyError)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("where", ["run", "condition"])
def test_a_coroutine_where_its_function_is_expected(where: str) -> None:
    with pytest.raises(UsageError, match="is a coroutine; give the function 'later' itself, without calling it"):
        Task(**{"name": "a", "run": print, where: later()})


def test_very_many_attempts_do_not_overflow() -> None:
    policy = RetryPolicy(100_000, 1.0, "exponential")
    assert delay(policy, 100_000) == threading.TIMEOUT_MAX
    assert delay(RetryPolicy(100_000, 0.0, "exponential"), 100_000) == 0.0


# graphs


def needs(data: Any, *, more: Any) -> Any:
    return data, more


class Called:
    def __call__(self, whatever: Any, default: int = 0) -> None: ...

    def method(self, other: Any) -> None: ...


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        (lambda lod: lod, ["'lod', which names none of its dependencies; did you mean 'load'?"]),
        (lambda other: other, ["'other', which names none of its dependencies; add 'other' to them"]),
        (needs, ["'data', which names none of its dependencies; give it a default, or", "'more'"]),
        (Called(), ["'whatever'"]),
        (Called().method, ["'other'"]),
        (by_position, ["takes 'load' by position only; take out the '/'"]),
        (lambda contxt: contxt, ["'contxt', which names none of its dependencies; did you mean 'context'?"]),
        (lambda load, context, signal, progress, default=1, *rest, **more: None, []),
    ],
)
def test_a_parameter_that_nothing_would_fill_is_told_before_anything_runs(body: Any, problems: list[str]) -> None:
    tasks = [Task("load", lambda: 1), Task("other", lambda: 1), Task("b", body, ("load",))]
    if not problems:
        assert build().run(tasks)["b"].ok
        return
    with pytest.raises(TaskGraphError) as caught:
        build().run(tasks)
    assert len(caught.value.problems) == len(problems)
    for problem, words in zip(caught.value.problems, problems, strict=True):
        assert words in problem
        assert "task 'b'" in problem


def test_mistakes_of_all_kinds_in_a_graph_are_in_one_error() -> None:
    tasks = [
        Task("a", print),
        Task("a", print),
        Task("b", print, ("x",)),
        Task("c", print, ("c",)),
        Task("d", lambda nothing: nothing),
        Task("e", print, on="gpu"),
    ]
    with pytest.raises(TaskGraphError) as caught:
        build().run(tasks)
    assert len(caught.value.problems) == 5
    for words in ("2 tasks are named 'a'", "depends on 'x'", "c → c", "'nothing'", "'gpu', which is no executor"):
        assert words in str(caught.value)


@pytest.mark.parametrize("how", ["run", "execute", "start"])
def test_what_is_no_task_is_refused(how: str) -> None:
    runs: dict[str, Callable[[Any], object]] = {
        "run": lambda tasks: build().run(tasks),
        "execute": lambda tasks: asyncio.run(build().execute(tasks)),
        "start": lambda tasks: build().start(tasks),
    }
    with pytest.raises(TaskGraphError, match="2 problems") as caught:
        runs[how]([Task("a", print), "b", 3])
    assert "'b' is no Task" in str(caught.value)
    with pytest.raises(TaskGraphError, match=r"several tasks, such as \[task\]"):
        runs[how](Task("a", print))
    with pytest.raises(TaskGraphError, match=r"not of a dict; write \[Task\(name, function\) for"):
        runs[how]({"a": print})
    with pytest.raises(TaskGraphError, match=r"not of a dict; give its values\(\)"):
        runs[how]({"a": Task("a", print)})
    with pytest.raises(TaskGraphError, match=r'is no Task; write Task\("name", function\)'):
        runs[how]([print])


def test_a_task_function_where_a_task_is_expected() -> None:
    use_registry(build())
    try:
        function = task(fails_not)
    finally:
        use_registry(None)
    with pytest.raises(TaskGraphError, match=r"<task 'fails_not'> is no Task; give its to_task\(\)"):
        build().run([function])  # type: ignore[list-item]
    with pytest.raises(UsageError, match="is no Task"):
        build().add(function)  # type: ignore[arg-type]


def fails_not() -> None: ...


def test_options_that_a_decorator_does_not_know_are_told_together() -> None:
    with pytest.raises(
        UsageError, match=r"no option 'retries'; did you mean 'retry'\?; .*'x'; after are several names"
    ):
        task(retries=3, x=1, after="load")  # type: ignore[call-overload]


@pytest.mark.parametrize("condition", [lambda context: True, lambda *all: True, lambda c, more=1: True, bool, later])
def test_whatever_takes_one_argument_is_a_condition(condition: Callable[[Any], Any]) -> None:
    assert build().run([Task("a", int, condition=condition)])["a"].message in ("", "its condition does not hold")


# runs


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"concurrency": 0}, "concurrency.* is a whole number, 1 or more, not 0"),
        ({"concurrency": -1}, "concurrency.* not -1"),
        ({"concurrency": True}, "concurrency.* not True"),
        ({"concurrency": 1.5}, "concurrency.* not 1.5"),
        ({"concurrency": None}, "concurrency.* not None"),
        ({"timeout": -1}, "timeout is a number of seconds, 0 or more, not -1"),
        ({"timeout": math.nan}, "timeout .* not nan"),
        ({"timeout": math.inf}, "timeout .* not inf"),
        ({"timeout": "1"}, "timeout .* not '1'"),
        ({"signal": threading.Event()}, r"signal is a CancelSignal, such as CancelSignal\(\), not <threading.Event"),
        ({"only": "name"}, r"only is several names, such as \['name'\], not one string"),
    ],
    ids=without_address,
)
def test_a_run_that_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    heard: list[Event] = []
    runner = TaskRunnerBuilder().on("*", heard.append).build()
    runner.add(Task("a", print))
    with pytest.raises(UsageError, match=words):
        runner.run(**options)
    with pytest.raises(UsageError, match=words):
        asyncio.run(runner.execute(**options))
    with pytest.raises(UsageError, match=words):
        runner.start(**options)
    assert not heard
    assert not runner.running


def test_two_mistakes_in_a_run_are_in_one_error() -> None:
    with pytest.raises(UsageError, match=r"concurrency.*; timeout"):
        build().run([], concurrency=0, timeout=-1)


# listeners


def test_a_typo_in_an_events_name_is_told_with_the_names() -> None:
    with pytest.raises(UsageError, match=r"'task_ended'.*task_start, task_end, .*did you mean 'task_end'\?"):
        build().on("task_ended", print)
    with pytest.raises(UsageError, match="there is no event 3"):
        build().on(3, print)  # type: ignore[arg-type]


@pytest.mark.parametrize("listener", [None, "print", 3])
def test_a_listener_that_cannot_be_called_is_refused(listener: Any) -> None:
    with pytest.raises(UsageError, match="'task_end' is a function that takes the event, not"):
        build().on("task_end", listener)


def test_a_listener_that_would_have_to_be_awaited_is_refused() -> None:
    with pytest.raises(UsageError, match=r"is a plain function; .*later is a coroutine function"):
        build().on("task_end", later)


@pytest.mark.parametrize("error", [RuntimeError("listener bug"), SystemExit(3), asyncio.CancelledError()], ids=repr)
def test_a_listener_that_raises_is_told_once_and_the_run_goes_on(
    backend: Backend, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise error

    heard: list[str] = []
    runner = backend.builder().on("task_end", broken).on("task_end", lambda event: heard.append(event.task)).build()
    results: list[Any] = []
    tasks = [backend.task(f"t{number}", lambda: 1) for number in range(5)]
    in_thread(lambda: results.append(runner.run(tasks))).join(WAIT)
    assert len(statuses(results[0])) == 5
    assert sorted(heard) == [f"t{number}" for number in range(5)]
    (record,) = [record for record in caplog.records if record.name == "milepost.events"]
    assert record.levelno == logging.ERROR
    assert "test_bad_input.test_a_listener_that_raises" in record.message
    assert "task_end" in record.message
    assert type(error).__name__ in caplog.text


def test_an_interrupt_in_a_listener_in_the_main_thread_ends_the_run() -> None:
    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    runner = TaskRunnerBuilder().with_executor("main").on("task_end", interrupted).build()
    with pytest.raises(KeyboardInterrupt):
        runner.run([Task("a", int), Task("b", int, ("a",))])
    assert statuses(runner.snapshot()) == {"a": "success", "b": "cancelled"}


# plugins and other parts


class Plugin:
    name, version = "mine", "1"

    def install(self, context: PluginContext) -> None: ...


class Half:
    version = "1"


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (Plugin, r"Plugin is a class; a plugin is an object: give Plugin\(\)"),
        (object(), "has no name and no version and no install"),
        (Half(), "has no name and no install"),
        (None, "None is no plugin"),
    ],
)
def test_what_is_no_plugin_is_refused(plugin: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TaskRunnerBuilder().with_plugin(plugin).build()


def test_a_plugin_that_fails_half_way_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    class Broken(Plugin):
        name = "broken"

        def install(self, context: PluginContext) -> None:
            context.on("task_end", lambda event: heard.append(event.task))
            context.on("task_ended", print)

    TaskRunnerBuilder().with_plugin(Broken()).build().run([Task("a", int)])
    assert not heard
    (record,) = [record for record in caplog.records if record.name == "milepost.plugins"]
    assert "plugin 'broken' 1 failed to install and is left out" in record.message


class Entry:
    """As an entry point of an installed package."""

    def __init__(self, name: str, found: Any) -> None:
        self.name, self.found = name, found

    def load(self) -> Any:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def test_an_installed_package_with_a_broken_plugin_breaks_no_runner(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    class Good(Plugin):
        def install(self, context: PluginContext) -> None:
            context.on("task_end", lambda event: heard.append(event.task))

    entries = [Entry("gone", ImportError("no such module")), Entry("odd", 3), Entry("half", Half), Entry("good", Good)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    build().run([Task("a", int)])
    assert heard == ["a"]
    assert [record.args for record in caplog.records] == [("gone",), ("odd",), ("half",)]


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda builder: builder.with_executor("thread"), "there is no executor 'thread'; there are main, threads"),
        (lambda builder: builder.with_executor(3), "3 is no executor: it needs name, inline, submit, invoke and shut"),
        (lambda builder: builder.with_executor("main", "threads"), "'threads' is no executor"),
        (lambda builder: builder.with_executor(ThreadsExecutor), "ThreadsExecutor'> is no executor"),
        (lambda builder: builder.with_snapshot({"a": 1}), r"with_snapshot takes a Snapshot \(see Snapshot.load\)"),
        (lambda builder: builder.with_snapshot("run.json"), "with_snapshot takes a Snapshot"),
        (lambda builder: builder.with_logger("yaml"), 'with_logger takes "text" or "json", not \'yaml\''),
        (lambda builder: builder.use_strategy("retry"), "use_strategy takes a function or class"),
    ],
)
def test_the_builder_refuses_what_is_no_part(use: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        use(TaskRunnerBuilder()).build()


# bodies


class Speechless(Exception):
    def __str__(self) -> str:
        raise self


def speechless() -> None:
    raise Speechless


def test_an_exception_that_cannot_be_shown_fails_its_task_alone(backend: Backend) -> None:
    results: list[Any] = []
    tasks = [backend.task("bad", speechless), backend.task("ok", lambda: 1)]
    in_thread(lambda: results.append(backend.build().run(tasks))).join(WAIT)
    assert statuses(results[0]) == {"bad": "failure", "ok": "success"}
    assert results[0]["bad"].error.type == "Speechless"
    assert results[0]["bad"].message == "(its message cannot be shown)"


def deep() -> None:
    deep()


def test_a_body_without_end_fails_alone(backend: Backend) -> None:
    results = backend.build().run([backend.task("deep", deep), backend.task("ok", lambda: 1)])
    assert statuses(results) == {"deep": "failure", "ok": "success"}
    assert results["deep"].error is not None
    assert results["deep"].error.type == "RecursionError"


class Yields:
    def __call__(self) -> Any:
        yield 1


class YieldsLater:
    async def __call__(self) -> Any:
        yield 1


@pytest.mark.parametrize(
    "body", [yields, yields_later, functools.partial(yields), Yields(), Yields().__call__, YieldsLater()]
)
def test_a_generator_function_is_no_body_however_it_is_wrapped(body: Any) -> None:
    with pytest.raises(UsageError, match="its body is a generator function, which does nothing when it is called"):
        Task("a", body)


def test_a_generator_function_that_a_decorator_hides_has_failed() -> None:
    @functools.wraps(yields)
    def hidden() -> Any:
        return yields()

    @functools.wraps(yields)
    def collected() -> Any:
        return list(yields())

    results = build().run([Task("a", hidden), Task("b", list, ("a",)), Task("c", collected)])
    assert statuses(results) == {"a": "failure", "b": "skipped", "c": "success"}
    assert "is a generator function, which does nothing when it is called; have it return" in results["a"].message
