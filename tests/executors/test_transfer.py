"""What travels to worker processes and back, and what is refused, with the reason."""

from __future__ import annotations

import gzip
import io
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milepost import RetryPolicy, Task, TaskResult, TaskRunner, TaskRunnerBuilder
from milepost.executors.processes import ProcessesExecutor


@pytest.fixture(scope="module")
def executor() -> Iterator[ProcessesExecutor]:
    made = ProcessesExecutor(1)
    yield made
    made.shutdown()


@pytest.fixture
def runner(executor: ProcessesExecutor) -> TaskRunner:
    return TaskRunnerBuilder().with_executor(executor).build()


def refusal(result: TaskResult) -> str:
    assert result.error is not None
    assert result.error.type == "TransferError"
    return result.message


class TestOpenFiles:
    """cloudpickle would send what they hold, so that what is read and written there is not read and written here."""

    @pytest.mark.parametrize("mode", ["r", "r+", "rb", "w", "wb", "w+"])
    def test_are_no_arguments(self, mode: str, executor: ProcessesExecutor, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("one\n")
        with open(tmp_path / "log", mode) as log:
            context = TaskRunnerBuilder({"log": log}).with_executor(executor).build()
            message = refusal(context.run([Task("a", lambda context: 1)])["a"])
        assert "task 'a': its argument 'context' (dict) cannot be sent to a worker process" in message
        assert f"the open file '{tmp_path}/log' belongs to this process; pass its path" in message

    def test_are_no_variables_of_a_body(self, runner: TaskRunner) -> None:
        with tempfile.TemporaryFile("w+") as file:
            message = refusal(runner.run([Task("a", lambda: file.read())])["a"])
        assert "its body, or a variable that it uses, cannot be sent" in message

    @pytest.mark.parametrize("mode", ["r", "rb"])
    def test_are_no_results(self, mode: str, runner: TaskRunner) -> None:
        message = refusal(runner.run([Task("a", lambda: [open(__file__, mode)])])["a"])  # noqa: SIM115
        assert "task 'a': its result (list) cannot be sent back from its worker process: the open file" in message
        assert "belongs to this process; pass its path" in message

    def test_of_any_kind(self, runner: TaskRunner, tmp_path: Path) -> None:
        for file in (gzip.open(tmp_path / "a.gz", "wb"), tempfile.SpooledTemporaryFile()):  # noqa: SIM115
            with file:
                assert "open file" in refusal(runner.run([Task("a", lambda file=file: 1)])["a"])

    def test_but_files_in_memory_travel(self, runner: TaskRunner) -> None:
        text, data = io.StringIO("one\ntwo"), io.BytesIO(b"three")
        text.readline()
        here = runner.run([Task("a", lambda: (text, data))])["a"].data
        assert (here[0].read(), here[1].read()) == ("two", b"three")

    def test_and_those_that_know_how(self, runner: TaskRunner) -> None:
        class Remote(io.RawIOBase):
            def __init__(self, url: str) -> None:
                self.url = url

            def __reduce__(self) -> Any:
                return Remote, (self.url,)

        remote = Remote("memory://a")
        assert runner.run([Task("a", lambda: remote.url)])["a"].data == "memory://a"

    def test_the_streams_of_a_process_are_its_own(self, runner: TaskRunner) -> None:
        out = sys.stdout
        assert runner.run([Task("a", lambda: out is sys.stdout)])["a"].data is True
        assert runner.run([Task("a", lambda: sys.stdout)])["a"].data is sys.stdout


class TestUnpicklable:
    def test_a_body(self, runner: TaskRunner) -> None:
        lock = threading.Lock()
        message = refusal(runner.run([Task("a", lambda: lock)])["a"])
        start = "task 'a': its body, or a variable that it uses, cannot be sent to a worker process: "
        assert message.startswith(f"{start}cannot pickle '_thread.lock' object")
        assert message.endswith('Make it inside the task, or run the task in this process (on="threads")')

    def test_an_argument(self, executor: ProcessesExecutor) -> None:
        runner = TaskRunnerBuilder().with_executor(executor).build()
        tasks = [Task("good", lambda: 1, on="main"), Task("bad", threading.Lock, on="main")]
        message = refusal(runner.run([*tasks, Task("a", lambda good, bad: 1, ("good", "bad"))])["a"])
        start = "task 'a': its argument 'bad' (lock) cannot be sent to a worker process: "
        assert message.startswith(f"{start}cannot pickle '_thread.lock' object")
        assert message.endswith('Make it inside the task, or run the task in this process (on="threads")')

    def test_a_result(self, runner: TaskRunner) -> None:
        message = refusal(runner.run([Task("a", lambda: (number for number in (1, 2)))])["a"])
        start = "task 'a': its result (generator) cannot be sent back from its worker process: "
        assert message.startswith(f"{start}cannot pickle 'generator' object")
        assert message.endswith('(a list instead of a generator, say), or run it in this process (on="threads")')

    def test_a_result_that_cannot_be_built_again(self, runner: TaskRunner) -> None:
        class Odd:
            def __reduce__(self) -> Any:
                return int, ("no number",)

        message = refusal(runner.run([Task("a", Odd)])["a"])
        assert message.startswith("task 'a': its result cannot be built again from what its worker process sent")
        assert "no number" in message


class ApiError(Exception):
    """Its `__init__` takes other arguments than it passes on."""

    def __init__(self, status: int, url: str) -> None:
        super().__init__(f"{status} for {url}")
        self.status = status


class DiskError(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(28, "full", path)
        self.lock = threading.Lock()
        self.path = path


class TestExceptions:
    def test_with_an_init_of_their_own_are_retried(self, runner: TaskRunner) -> None:
        def fails() -> None:
            raise ApiError(503, "http://x")

        result = runner.run([Task("a", fails, retry=RetryPolicy(2, retry_on=ApiError))])["a"]
        assert result.message == "503 for http://x (attempt 2 of 2)"
        assert isinstance(result.exception, ApiError)
        assert (str(result.exception), result.exception.status) == ("503 for http://x", 503)

    def test_come_back_without_what_cannot_travel(self, runner: TaskRunner) -> None:
        def fails() -> None:
            raise DiskError("/a")

        error = runner.run([Task("a", fails)])["a"].exception
        assert isinstance(error, DiskError)
        assert (error.errno, error.strerror, error.filename, error.path) == (28, "full", "/a", "/a")
        assert not hasattr(error, "lock")

    def test_of_a_class_whose_args_cannot_travel_bear_its_name(self, runner: TaskRunner) -> None:
        def fails() -> None:
            raise ValueError(threading.Lock())

        error = runner.run([Task("a", fails)])["a"].exception
        assert type(error).__name__ == "ValueError"
        assert not isinstance(error, ValueError)
