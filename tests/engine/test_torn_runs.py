"""What goes wrong in or around the engine's own code: a run ends with its error, and the next one is not held up."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.engine.helpers import WAIT, statuses

from milepost import CancelSignal, Event, Task, TaskResult, TaskRunner, TaskRunnerBuilder, TaskStatus
from milepost.engine import outcomes, workflow
from milepost.executors.threads import ThreadsExecutor
from milepost.model.errors import UsageError
from milepost.ports import TaskCall

EXECUTORS = ("main", "threads")


class Forgets:
    def __init__(self, inner: Any) -> None: ...

    def execute(self, call: TaskCall) -> Any:
        return None


class Later:
    def __init__(self, inner: Any) -> None: ...

    async def execute(self, call: TaskCall) -> Any:
        return None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("wrap", [Forgets, Later])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_strategy_that_gives_no_result_fails_its_tasks(executor: str, wrap: Any) -> None:
    runner = TaskRunnerBuilder().with_executor(executor).use_strategy(wrap).build()
    result = runner.start([Task("a", int)]).wait(WAIT)["a"]
    assert result.status is TaskStatus.FAILURE
    assert "execute(call) returns a TaskResult" in result.message


def test_a_wrap_that_gives_no_strategy_is_refused() -> None:
    with pytest.raises(UsageError, match=r"gave None, which is no strategy: it has no execute\(call\)"):
        TaskRunnerBuilder().use_strategy(lambda inner: None).build()  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_error_of_the_engine_ends_the_run_and_frees_its_tasks(
    executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = TaskRunnerBuilder().with_executor(executor).build()
    tasks = [Task("a", lambda: 1), Task("b", lambda a: a, ("a",)), Task("c", lambda b: b, ("b",))]

    def inputs(self: Any, task: Task) -> Any:
        if task.name == "b":
            raise MemoryError("no more")
        return {}

    with monkeypatch.context() as patch:
        patch.setattr(outcomes.Outcomes, "inputs", inputs)
        with pytest.raises(MemoryError, match="no more"):
            runner.start(tasks).wait(WAIT)
    assert statuses(runner.snapshot()) == {"a": "success", "b": "cancelled", "c": "cancelled"}
    assert runner.start(tasks).wait(WAIT)["c"].data == 1


def test_where_the_system_gives_no_more_threads_those_that_are_there_do_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor, start = ThreadsExecutor(), threading.Thread.start
    left = [2]

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "milepost-worker":
            left[0] -= 1
            if left[0] < 0:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    runner = TaskRunnerBuilder().with_executor(executor).build()
    tasks = [Task(f"t{number}", lambda: time.sleep(0.002)) for number in range(30)]
    assert all(result.ok for result in runner.run(tasks, concurrency=10).values())
    assert left[0] < 0
    runner.close()


@pytest.mark.parametrize("status", ["success", "sucess"])
def test_a_status_that_is_text(status: Any) -> None:
    tasks = [Task("a", lambda: TaskResult(status, data=5)), Task("b", lambda a: a, ("a",))]
    results = TaskRunnerBuilder().build().run(tasks)
    if status == "success":
        assert results["b"].data == 5
    else:
        assert "'sucess', which is none; did you mean 'success'?" in results["a"].message
        assert results["a"].status is TaskStatus.FAILURE
    assert statuses(type(results).from_json(results.to_json())) == statuses(results)


# runs side by side


def test_tasks_of_one_name_and_two_bodies_in_two_runs_are_not_taken_for_each_other() -> None:
    runner = TaskRunnerBuilder().build()
    barrier = threading.Barrier(2, timeout=WAIT)

    def both(number: int) -> list[Task]:
        def body() -> int:
            barrier.wait()
            return number

        return [Task("x", body), Task("y", lambda x: x, ("x",))]

    handles = [runner.start(both(number)) for number in range(2)]
    assert [handle.wait(WAIT)["y"].data for handle in handles] == [0, 1]
    assert [handle.wait(WAIT)["x"].data for handle in handles] == [0, 1]


def test_a_run_in_a_body_has_results_of_its_own() -> None:
    runner = TaskRunnerBuilder().build()

    def outer(load: str) -> Any:
        inner = runner.run([Task("load", lambda: "inner")])["load"].data
        return load, inner

    results = runner.run([Task("load", lambda: "outer"), Task("use", outer, ("load",))])
    assert results["use"].data == ("outer", "inner")
    assert results["load"].data == "outer"


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_listener_may_run_the_task_again_of_which_it_hears(executor: str) -> None:
    runner = TaskRunnerBuilder().with_executor(executor).build()
    tries: list[int] = []

    def body() -> int:
        tries.append(1)
        return len(tries)

    task = Task("a", body)

    def again(event: Event) -> None:
        if len(tries) == 1:
            runner.run([task])

    runner.on("task_end", again)
    runner.start([task]).wait(WAIT)
    assert len(tries) == 2


def test_runs_that_are_awaited_in_bodies_do_not_wait_for_a_thread() -> None:
    """Each level holds one for as long as it waits: a pool would be used up."""
    runner = TaskRunnerBuilder().build()

    async def nested(level: int) -> int:
        if not level:
            return 0
        results = await runner.execute([Task(f"t{level}", lambda: asyncio.run(nested(level - 1)))])
        return 1 + int(results[f"t{level}"].data)

    async def many() -> int:
        last = asyncio.Event()

        async def wait(number: int) -> Any:
            if number == 39:
                loop.call_soon(last.set)
            return await runner.execute([Task(f"w{number}", last_is_there)])

        def last_is_there() -> bool:
            return asyncio.run_coroutine_threadsafe(last.wait(), loop).result(WAIT)

        loop = asyncio.get_running_loop()
        return len(await asyncio.gather(*map(wait, range(40))))

    assert asyncio.run(nested(12)) == 12
    assert asyncio.run(many()) == 40


def test_an_interrupt_of_a_listener_to_the_start_leaves_no_run_behind() -> None:
    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    runner = TaskRunnerBuilder().on("workflow_start", interrupted).build()
    with pytest.raises(KeyboardInterrupt):
        runner.run([Task("a", int)])
    assert not runner.running


# cancels


def test_a_cancel_is_an_event_of_the_run_with_its_reason() -> None:
    heard: list[Event] = []
    runner = TaskRunnerBuilder().on("cancelled", heard.append).build()
    runner.run([Task("a", lambda: runner.cancel("enough"))])
    runner.run([Task("late", lambda signal: signal.wait(WAIT))], timeout=0.01)
    assert [event.message for event in heard] == ["enough", "the run took longer than its 0.01 s"]
    assert len({event.run for event in heard} - {""}) == 2


def test_a_callback_that_raises_does_not_keep_others_from_hearing_of_a_cancel(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[str] = []
    own = CancelSignal()
    own.on_cancel(lambda: 1 / 0)
    own.on_cancel(lambda: told.append("later"))
    handle_done = TaskRunnerBuilder().build()
    started = threading.Event()

    def body(signal: CancelSignal) -> None:
        started.set()
        signal.wait(WAIT)

    thread = threading.Thread(target=lambda: handle_done.run([Task("a", body)], signal=own))
    thread.start()
    assert started.wait(WAIT)
    own.cancel()
    thread.join(WAIT)
    assert not thread.is_alive()
    assert told == ["later"]
    assert "ZeroDivisionError" in caplog.text


def test_a_signal_handler_may_cancel_at_any_moment() -> None:
    """Also while the interrupted code holds the signal's own lock."""
    cancel = CancelSignal()
    cancel._lock.acquire()
    try:
        done = threading.Event()
        cancel.on_cancel(done.set)
        cancel.cancel("by a handler")
    finally:
        cancel._lock.release()
    assert done.is_set()


def test_a_coroutine_that_blocks_its_loop_does_not_hold_up_those_of_later_runs() -> None:
    runner = TaskRunnerBuilder().build()
    release = threading.Event()

    async def blocks() -> None:
        release.wait(WAIT)

    async def quick() -> int:
        return 1

    results = runner.run([Task("blocks", blocks)], timeout=0.05)
    assert results["blocks"].status is TaskStatus.CANCELLED
    assert runner.start([Task("quick", quick)]).wait(WAIT)["quick"].data == 1
    release.set()
    runner.close()


def test_a_second_interrupt_leaves_no_task_without_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = TaskRunnerBuilder().build()
    started, release = threading.Event(), threading.Event()

    def deaf() -> None:
        started.set()
        release.wait(WAIT)

    def interrupted(self: Any) -> None:
        assert started.wait(WAIT)
        raise KeyboardInterrupt

    def interrupted_again(self: Any) -> float:
        raise KeyboardInterrupt

    tasks = [Task("a", deaf), Task("b", int, ("a",))]
    with monkeypatch.context() as patch:
        patch.setattr(workflow.WorkflowExecutor, "_wait", interrupted)
        patch.setattr(workflow.WorkflowExecutor, "_patience", interrupted_again)
        with pytest.raises(KeyboardInterrupt):
            runner.run(tasks)
    assert statuses(runner.snapshot()) == {"a": "cancelled", "b": "cancelled"}
    release.set()
    assert runner.start(tasks).wait(WAIT)["b"].ok


def test_an_interrupt_that_leaves_the_books_taken_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = TaskRunnerBuilder().with_executor("main").build()
    enter = workflow.Books._enter
    with monkeypatch.context() as patch:
        ended: list[BaseException] = []
        thread = threading.Thread(target=lambda: _catch(lambda: runner.run([Task("a", int), Task("b", int)]), ended))
        thread.daemon = True
        patch.setattr(workflow.Books, "_enter", lambda self, entry: _tear(self) if entry == 0 else enter(self, entry))
        thread.start()
        thread.join(WAIT)
    assert not thread.is_alive()
    assert isinstance(ended[0], KeyboardInterrupt)
    assert statuses(runner.snapshot()) == {"a": "success", "b": "cancelled"}


def _tear(books: Any) -> None:
    """An interrupt between the taking of the desk and the `try` that gives it back."""
    books._desk = threading.Lock()
    books._desk.acquire()
    raise KeyboardInterrupt


def _catch(work: Callable[[], object], errors: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:
        errors.append(error)


def test_a_timeout_ends_a_body_in_the_main_thread_of_an_event_loop() -> None:
    """Which has its own plans for SIGINT."""
    runner = TaskRunnerBuilder().with_executor("main").build()

    def busy() -> None:
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            pass

    async def main(runner: TaskRunner) -> Any:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        return await runner.execute([Task("busy", busy, timeout=0.05), Task("next", lambda: 1)])

    results = asyncio.run(main(runner))
    assert results["busy"].error.type == "TaskTimeout"
    assert results["next"].data == 1


TRACED = """
import asyncio, sys, threading, time
from milepost import CancelSignal, Task, TaskRunnerBuilder
from milepost.notebook.interrupt import interruptible

def in_a_thread():
    for late in (True, False):
        signal = CancelSignal()
        with interruptible(signal):
            if late:
                signal.cancel()  # arrives, at the latest, when the body is left

def short():
    time.sleep(0.01)

async def in_a_loop():
    return await TaskRunnerBuilder().with_executor("main").build().execute([Task("a", short, timeout=0.001)] * 1)

try:
    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    asyncio.run(in_a_loop())
except KeyboardInterrupt:
    pass
sys.settrace(lambda frame, event, argument: None)

def step():
    return 1

step()
print("done")
"""


def test_a_debugger_can_step_after_an_interrupt_that_no_signal_brings() -> None:
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, timeout=WAIT, check=True)
    assert done.stdout == "done\n"
