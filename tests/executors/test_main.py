"""The main executor: what reaches a body that runs in the main thread."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from milepost import Task, TaskRunnerBuilder, TaskStatus

LONG = 60.0


def test_a_cancel_from_another_thread_interrupts_the_body() -> None:
    runner = TaskRunnerBuilder().with_executor("main").build()
    running = threading.Event()

    def body() -> None:
        running.set()
        time.sleep(LONG)

    def cancel() -> None:
        running.wait(LONG)
        runner.cancel("enough")

    thread = threading.Thread(target=cancel)
    thread.start()
    results = runner.run([Task("a", body), Task("b", lambda: 1)])
    thread.join()
    assert results["a"].status is TaskStatus.CANCELLED
    assert results["a"].message == "enough"
    assert isinstance(results["a"].exception, KeyboardInterrupt)
    assert results["b"].status is TaskStatus.CANCELLED


@pytest.fixture(autouse=True)
def _plain_interrupts() -> Iterator[None]:
    """As in a plain script: other tests of this process may have left a handler of an event loop's."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_comes_just_before_the_body_sleeps_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def send(thread: int, number: int) -> None:
        sent.append(number)
        if len(sent) > 1:  # the first one came when nobody looked
            kill(thread, number)

    kill = signal.pthread_kill
    monkeypatch.setattr("milepost.executors.main.signal.pthread_kill", send)
    runner = TaskRunnerBuilder().with_executor("main").build()

    def body() -> None:
        threading.Timer(0.01, runner.cancel).start()
        time.sleep(LONG)

    results = runner.run([Task("a", body)])
    assert results["a"].status is TaskStatus.CANCELLED
    assert len(sent) == 2


def test_a_timeout_interrupts_the_body_and_only_that() -> None:
    runner = TaskRunnerBuilder().with_executor("main").build()
    results = runner.run([Task("slow", lambda: time.sleep(LONG), timeout=0.05), Task("next", lambda: 1)])
    assert results["slow"].error is not None
    assert results["slow"].error.type == "TaskTimeout"
    assert results["next"].data == 1


def test_a_body_that_cancels_its_own_run_is_not_interrupted() -> None:
    runner = TaskRunnerBuilder().with_executor("main").build()

    def body() -> str:
        runner.cancel()
        return "to the end"

    results = runner.run([Task("a", body), Task("b", lambda: 1, ("a",))])
    assert results["a"].data == "to the end"
    assert results["b"].status is TaskStatus.CANCELLED
