"""Events, progress, plugins, logs, graphs and results so far, on every backend: rows E15 to E19."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, Board, build, fails, success

from milepost import (
    Event,
    EventKind,
    RetryPolicy,
    Snapshot,
    Task,
    TaskError,
    TaskGraph,
    TaskMetrics,
    TaskResult,
    TaskRunnerBuilder,
    TaskStatus,
)
from milepost.engine.log import EventLogger
from milepost.model.errors import UsageError
from milepost.ports import PluginContext
from milepost.testing.clock import FakeClock

# E15, E16: events and plugins


def test_e15_events_come_in_order_and_a_failing_listener_breaks_nothing(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("listener bug")

    runner = backend.builder().on("*", broken).on("*", heard.append).build()
    results = runner.run([backend.task("bad", fails), backend.task("b", print, ("bad",))])
    assert [(str(event.kind), event.task) for event in heard] == [
        ("workflow_start", ""),
        ("task_start", "bad"),
        ("task_end", "bad"),
        ("task_skipped", "b"),
        ("workflow_end", ""),
    ]
    assert heard[2].result == results["bad"] == runner.snapshot()["bad"]
    assert [event.time for event in heard] == sorted(event.time for event in heard)
    assert "listener bug" in caplog.text


def test_e15_a_listener_can_leave_again(backend: Backend) -> None:
    heard: list[Event] = []
    runner = backend.build()
    leave = runner.on("task_end", heard.append)
    runner.run([backend.task("a", int)])
    leave()
    runner.run([backend.task("a", int)])
    assert len(heard) == 1


def test_e15_pause_holds_back_starts_until_resume(backend: Backend, board: Board) -> None:
    kinds: list[str] = []
    started, ended = threading.Event(), threading.Event()

    def body() -> None:
        board.note("first")
        board.pass_gate("go on")

    runner = backend.builder().on("task_end", lambda event: ended.set()).build()
    runner.on("*", lambda event: kinds.append(str(event.kind)))
    runner.on("task_start", lambda event: started.set())
    board.shut("go on")
    handle = runner.start([backend.task("a", body), backend.task("b", lambda: 1, ("a",))])
    board.wait_for("first")
    assert started.wait(WAIT)  # of a worker process it may be heard of after the body has begun
    handle.pause()
    board.open("go on")
    assert ended.wait(WAIT)
    with pytest.raises(TimeoutError):
        handle.wait(0.05)
    assert list(runner.snapshot()) == ["a"]
    assert runner.paused
    handle.resume()
    assert handle.wait(WAIT)["b"].data == 1
    assert kinds == [
        "workflow_start",
        "task_start",
        "paused",
        "task_end",
        "resumed",
        "task_start",
        "task_end",
        "workflow_end",
    ]


def test_e15_events_say_of_which_run_they_are(backend: Backend) -> None:
    heard: list[Event] = []
    runner = backend.builder().with_snapshot(Snapshot({"kept": success()})).on("*", heard.append).build()
    tasks = [
        backend.task("kept", fails),
        backend.task("bad", fails, retry=RetryPolicy(2)),
        backend.task("skipped", int, ("bad",)),
        backend.task("says", lambda progress: progress("half")),
    ]
    runner.run(tasks)
    first = heard.copy()
    heard.clear()
    runner.pause()
    runner.resume()
    assert [event.run for event in heard] == ["", ""]
    heard.clear()
    runner.run(tasks, dry_run=True)
    assert {str(event.kind) for event in first} == set(EventKind) - {"paused", "resumed", "cancelled"}
    assert len({event.run for event in first}) == len({event.run for event in heard}) == 1
    assert first[0].run != heard[0].run
    assert first[0].run


def test_e15_progress_is_told_in_order_between_start_and_end(backend: Backend) -> None:
    heard: list[tuple[str, str]] = []
    runner = backend.builder().on("*", lambda event: heard.append((str(event.kind), event.message))).build()

    def body(progress: Any, share: float = 0.5) -> str:
        for number in range(200):
            progress(f"step {number}")
        progress(share)
        progress("naïve\n日本 \ud800")
        return str(progress("last"))

    assert runner.run([backend.task("a", body)])["a"].data == "None"
    said = [message for kind, message in heard if kind == "task_progress"]
    assert said == [*(f"step {number}" for number in range(200)), "0.5", "naïve\n日本 \ud800", "last"]
    assert [kind for kind, _ in heard if kind != "task_progress"] == [
        "workflow_start",
        "task_start",
        "task_end",
        "workflow_end",
    ]
    assert [kind for kind, _ in heard].index("task_start") == 1
    assert heard[-2][0] == "task_end"


def test_e15_progress_comes_while_the_body_runs(backend: Backend, board: Board) -> None:
    told = threading.Event()

    def body(progress: Any) -> None:
        progress("half")
        board.pass_gate("go on")

    board.shut("go on")
    handle = backend.builder().on("task_progress", lambda event: told.set()).build().start([backend.task("a", body)])
    assert told.wait(WAIT)
    board.open("go on")
    assert handle.wait(WAIT)["a"].ok


def test_e15_progress_of_a_coroutine(backend: Backend) -> None:
    heard: list[str] = []

    async def body(progress: Any) -> None:
        progress("half")

    runner = backend.builder().on("task_progress", lambda event: heard.append(event.message)).build()
    assert runner.run([Task("a", body)])["a"].ok
    assert heard == ["half"]


def test_e15_a_listener_that_fails_on_progress_does_not_reach_the_body(backend: Backend) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError("listener bug")

    runner = backend.builder().on("task_progress", broken).build()
    assert runner.run([backend.task("a", lambda progress: progress("half"))])["a"].ok


def test_e16_a_plugin_installs_itself_and_a_broken_one_is_left_out(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    class Counting:
        name, version = "counting", "1"

        def install(self, context: PluginContext) -> None:
            context.on("task_end", lambda event: heard.append(event.task))

    class Broken(Counting):
        name = "broken"

        def install(self, context: PluginContext) -> None:
            raise RuntimeError("cannot")

    backend.builder().with_plugin(Broken()).with_plugin(Counting()).build().run([backend.task("a", int)])
    assert heard == ["a"]
    assert "'broken'" in caplog.text
    with pytest.raises(UsageError, match="install"):
        TaskRunnerBuilder().with_plugin(object()).build()  # type: ignore[arg-type]


def test_e16_an_installed_package_brings_its_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "counting_plugin.py").write_text(
        "ended = []\n"
        "class Counting:\n"
        "    name, version = 'counting', '1'\n"
        "    def install(self, context):\n"
        "        context.on('task_end', lambda event: ended.append(event.task))\n"
    )
    info = tmp_path / "counting-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[milepost.plugins]\ncounting = counting_plugin:Counting\n")
    monkeypatch.syspath_prepend(tmp_path)
    build().run([Task("a", int)])
    assert sys.modules["counting_plugin"].ended == ["a"]
    del sys.modules["counting_plugin"]


# E17: logs

FIELDS = ["event", "time", "run", "task", "attempt", "status", "restored", "seconds", "cpu", "peak_bytes"]
FIELDS += ["error", "traceback", "message"]


@pytest.mark.parametrize("style", ["text", "json"])
def test_e17_events_are_logged(backend: Backend, style: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    backend.builder().with_logger(style).build().run([backend.task("bad", fails)])
    records = [record for record in caplog.records if record.name == "milepost.run"]
    lines = [record.message for record in records]
    assert [record.levelname for record in records] == ["INFO", "INFO", "ERROR", "INFO"]
    if style == "json":
        data = [json.loads(line) for line in lines]
        assert [line["event"] for line in data] == ["workflow_start", "task_start", "task_end", "workflow_end"]
        assert (data[2]["task"], data[2]["status"], data[2]["attempt"]) == ("bad", "failure", 1)
        assert data[2]["error"] == "ValueError: no luck"
        assert "in fails" in data[2]["traceback"]
        assert data[2]["seconds"] > 0
        assert len({line["run"] for line in data}) == 1
    else:
        assert [*lines[:2], lines[3]] == ["workflow start", "task start bad", "workflow end"]
        assert lines[2].startswith("task end bad failure ValueError: no luck (")


def test_e17_attempts_levels_and_messages(backend: Backend, board: Board, caplog: pytest.LogCaptureFixture) -> None:
    def twice() -> None:
        if board.note("a") < 3:
            raise OSError("x")

    caplog.set_level(logging.INFO, "milepost.run")
    runner = backend.builder().with_snapshot(Snapshot({"kept": success()})).with_clock(FakeClock())
    tasks = [
        backend.task("kept", fails),
        backend.task("a", twice, retry=RetryPolicy(3, 2.0), priority=1),
        backend.task("no", int, condition=lambda context: False),
        backend.task("says", lambda progress: progress("half")),
    ]
    runner.with_logger("json").build().run(tasks, concurrency=1)
    told = [
        (line["event"], line["task"], line["status"], line["attempt"], line["restored"], record.levelname)
        for record in caplog.records
        for line in [json.loads(record.message)]
        if line["task"]
    ]
    assert told == [
        ("task_restored", "kept", "success", None, True, "INFO"),
        ("task_start", "a", None, None, None, "INFO"),
        ("task_retry", "a", "failure", 1, False, "WARNING"),
        ("task_retry", "a", "failure", 2, False, "WARNING"),
        ("task_end", "a", "success", 3, False, "INFO"),
        ("task_skipped", "no", "skipped", None, False, "INFO"),
        ("task_start", "says", None, None, None, "INFO"),
        ("task_progress", "says", None, None, None, "INFO"),
        ("task_end", "says", "success", 1, False, "INFO"),
    ]
    assert "attempt 1 of 3 failed; the next follows in 2 s" in caplog.text
    assert '"message": "half"' in caplog.text


def test_e17_a_cancelled_task_and_its_run_are_warnings(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    runner = backend.builder().with_logger("text").build()
    runner.on("task_start", lambda event: runner.cancel("enough"))
    runner.run([backend.task("a", fails), backend.task("b", int, ("a",))])
    levels = {record.message: record.levelname for record in caplog.records}
    assert levels["task end b cancelled not started: enough"] == "WARNING"
    assert levels["workflow end enough"] == "WARNING"


class Odd(Exception):
    def __str__(self) -> str:
        return 'two\nlines, \x1b[31mred\x1b[0m, \ud800 and "quotes"'


class Opaque:
    """Knows no JSON, and no words."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


ODD_NAMES = ["two\nlines", 'say "hi"', "\x1b[31mred", "half \ud800", "日本 🎉", " ", "\x00", "a" * 10_000, "\u2028"]


def odd_events() -> list[Event]:
    error = TaskError.of(Odd())
    metrics = TaskMetrics(math.nan, math.inf, math.nan, -math.inf, None)
    results = [TaskResult(status, "a\nb", error, Opaque(), metrics, exception=Odd()) for status in TaskStatus]
    events = [Event(kind, math.inf, name, message=name) for kind in EventKind for name in ("", *ODD_NAMES)]
    return events + [Event(EventKind.TASK_END, 1.0, name, result) for name in ODD_NAMES for result in results]


def strict(line: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    data: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return data


def test_e17_each_json_line_is_one_line_of_json_with_the_same_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    events, write = odd_events(), EventLogger("json")
    for event in events:
        write(event)
    assert len(caplog.records) == len(events)
    for record, event in zip(caplog.records, events, strict=True):
        assert record.message.isascii()
        assert "\n" not in record.message
        data = strict(record.message)
        assert list(data) == FIELDS
        assert (data["task"] or "") == event.task
        assert vars(record)["milepost"] == data


def test_e17_each_text_is_one_line_that_steers_no_terminal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "milepost.run")
    events, write = odd_events(), EventLogger("text")
    for event in events:
        write(event)
    assert len(caplog.records) == len(events)
    assert all(record.message.isprintable() for record in caplog.records)
    for record in caplog.records:
        record.message.encode()


SCRIPT = """
import logging, sys
{setup}
from milepost import Task, TaskRunnerBuilder
def fails():
    raise ValueError("no luck")
TaskRunnerBuilder().with_logger("json").build().run([Task("bad", fails), Task("ok", int)])
for name in ("milepost", "milepost.run", "milepost.events", "milepost.plugins"):
    assert not logging.getLogger(name).handlers
"""


@pytest.mark.parametrize(
    ("setup", "lines"),
    [
        ("", 0),
        ("logging.basicConfig()", 1),
        ("logging.basicConfig(level=logging.INFO, format='%(message)s')", 6),
        ("logging.basicConfig(level=logging.CRITICAL)", 0),
        ("logging.disable(logging.CRITICAL)", 0),
    ],
)
def test_e17_a_program_gets_the_lines_that_its_logging_asks_for_and_else_nothing(setup: str, lines: int) -> None:
    code = SCRIPT.format(setup=setup)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT, check=True)
    assert done.stdout == ""
    printed = done.stderr.splitlines()
    assert len(printed) == lines, done.stderr
    if "format" in setup:
        assert all(list(strict(line)) == FIELDS for line in printed)


# E18, E19: drawings, and what there is before the end


def test_e18_a_runner_gives_its_graph(backend: Backend) -> None:
    runner = backend.build()
    runner.add(backend.task('a "quoted" --> name', print))
    runner.add(backend.task("b", print, ('a "quoted" --> name',)))
    graph = runner.graph()
    assert isinstance(graph, TaskGraph)
    name = "a#32;#34;quoted#34;#32;#45;#45;#62;#32;name"
    assert graph.to_mermaid() == f'graph TD\n  t0["{name}"]\n  t1["b"]\n  t0 --> t1\n'
    assert "t0 -> t1;" in graph.to_dot()


def test_e19_each_result_is_there_as_soon_as_its_task_has_ended(backend: Backend) -> None:
    runner = backend.build()
    seen: list[Any] = []
    runner.on("task_end", lambda event: seen.append(dict(runner.snapshot())[event.task].data))
    runner.run([backend.task("a", lambda: 1), backend.task("b", lambda a: a + 1, ("a",))])
    assert seen == [1, 2]
