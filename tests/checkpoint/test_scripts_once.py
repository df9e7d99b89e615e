"""Tasks of scripts that happen once: in one process and the next, whatever changes and wherever they run."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib
import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.keys import signing_key

import milepost.checkpoint.once
import milepost.engine.once
from milepost import RetryPolicy, Task, TaskResult, TaskRunnerBuilder, TaskStatus, task, use_runner
from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.memory import MemoryStore
from milepost.engine.strategies import checkpointing
from milepost.model.cancel import CancelSignal
from milepost.model.errors import ResultNotGivenBack, TaskGraphError, TaskInDoubt, UsageError
from milepost.model.once import Standing
from milepost.model.task import LoopPolicy


@pytest.fixture(autouse=True)
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_KEY_FILE", signing_key(tmp_path / "key"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "study.milepost"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


def lines(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def note(log: Path, word: str) -> None:
    with log.open("a") as file:
        file.write(f"{word}\n")


def run(place: Path, *tasks: Task, executor: str = "threads", context: Any = None, **options: Any) -> Any:
    """As a new process would."""
    with TaskRunnerBuilder(context).with_store(place).with_executor(executor).build() as runner:
        return runner.run(tasks, **options)


def pay(log: Path, key: Callable[[], str] = lambda: task.key) -> Callable[..., str]:
    """A body that notes its key."""

    def body(amount: int = 5) -> str:
        note(log, key())
        return f"paid {amount}"

    return body


def pay_plainly(context: Path) -> str:
    note(context, task.key)
    return "paid"


async def pay_on_a_loop(context: Path) -> str:
    await asyncio.sleep(0)
    note(context, task.key)
    return "paid"


def die(context: Path) -> None:
    note(context, task.key)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("body", "executor"),
    [
        *((pay_plainly, executor) for executor in ("processes", "threads", "main")),
        *((pay_on_a_loop, executor) for executor in ("processes", "threads")),
    ],
)
def test_the_body_finds_its_key_wherever_it_runs(place: Path, log: Path, body: Any, executor: str) -> None:
    for restored in (False, True):
        result = run(place, Task("pay", body, once=True), executor=executor, context=log)["pay"]
        assert (result.data, result.restored) == ("paid", restored)
    assert [len(key) for key in lines(log)] == [32]


def test_another_body_gives_what_the_first_left_and_says_so(place: Path, log: Path) -> None:
    run(place, Task("pay", pay(log), once=True))
    other = run(place, Task("pay", lambda: note(log, "again"), once=True))["pay"]
    assert other.data == "paid 5"
    assert "what it depends on changed, and it does not happen again" in other.message
    assert len(lines(log)) == 1


def test_what_needs_a_task_in_doubt_waits(place: Path, log: Path) -> None:
    def broken() -> str:
        note(log, task.key)
        raise ValueError("unlucky")

    tasks = [Task("pay", broken, once=True), Task("mail", lambda pay: f"mail: {pay}", ("pay",)), Task("else", int)]
    first = run(place, *tasks)
    assert "it is in doubt now" in first["pay"].message
    second = run(place, *tasks)
    assert isinstance(second["pay"].exception, TaskInDoubt)
    assert "ValueError: unlucky" in second["pay"].message
    assert [second[name].status for name in ("mail", "else")] == [TaskStatus.SKIPPED, TaskStatus.SUCCESS]
    assert len(lines(log)) == 1
    LocalStore(place).once.resolve("pay", done=True, value='{"$type": "tuple", "value": [1]}')
    assert run(place, *tasks)["mail"].data == "mail: (1,)"
    assert run(place, *tasks)["mail"].restored
    assert len(lines(log)) == 1


def test_only_errors_that_say_that_nothing_happened_are_tried_again(place: Path, log: Path) -> None:
    def refused() -> None:
        note(log, task.key)
        raise ConnectionRefusedError

    named = RetryPolicy(2, retry_on=ConnectionRefusedError)
    for _ in range(2):
        assert run(place, Task("pay", refused, once=True, retry=named))["pay"].status is TaskStatus.FAILURE
    assert len(lines(log)) == 4
    assert len(set(lines(log))) == 1


def test_a_worker_that_dies_leaves_it_in_doubt(place: Path, log: Path) -> None:
    tasks = Task("pay", die, once=True)
    assert run(place, tasks, executor="processes", context=log)["pay"].error.type == "WorkerDied"
    assert run(place, tasks, executor="processes", context=log)["pay"].error.type == "TaskInDoubt"
    assert len(lines(log)) == 1


def test_cancelled_before_its_body_it_may_start_later(place: Path, log: Path) -> None:
    signal = CancelSignal()

    class Cancels:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def execute(self, call: Any) -> TaskResult:
            call.signal.cancel("enough")
            call.signal.raise_if_cancelled()
            raise AssertionError

    builder = TaskRunnerBuilder().with_store(place)
    builder._wraps.insert(0, Cancels)
    with contextlib.suppress(Exception), builder.build() as runner:
        runner.run([Task("pay", pay(log), once=True)], signal=signal)
    assert run(place, Task("pay", pay(log), once=True))["pay"].ok
    assert len(lines(log)) == 1


def test_cancelled_in_its_body_it_is_in_doubt(place: Path, log: Path) -> None:
    def waits(signal: CancelSignal) -> None:
        note(log, task.key)
        signal.cancel("stopped")
        signal.raise_if_cancelled()

    assert run(place, Task("pay", waits, once=True))["pay"].status is TaskStatus.CANCELLED
    assert LocalStore(place).once.look("pay").standing is Standing.IN_DOUBT


LINES = {module.__file__ for module in (milepost.engine.once, checkpointing, milepost.checkpoint.once)}


def interrupted(number: int, run: Callable[[], object]) -> bool:
    """Whether as many lines of these files ran, before the last of which Ctrl-C came."""
    left = iter(range(number))

    def look(frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename not in LINES:
            return None
        if event == "line" and next(left, None) is None:
            sys.settrace(None)
            raise KeyboardInterrupt
        return look

    sys.settrace(look)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            run()
        return sys.gettrace() is None
    finally:
        sys.settrace(None)


def test_interrupted_before_any_line_it_does_not_seem_to_run_for_ever(tmp_path: Path, log: Path) -> None:
    standings = set()
    for number in itertools.count():
        store = LocalStore(tmp_path / f"{number}.milepost")
        with TaskRunnerBuilder().with_store(store).with_executor("main").build() as runner:
            more = interrupted(number, partial(runner.run, [Task("pay", pay(log), once=True)]))
        standing, ran = store.once.look("pay").standing, bool(lines(log))
        standings.add((standing, ran))
        assert standing in ((Standing.IN_DOUBT, Standing.DONE) if ran else (Standing.FREE, Standing.IN_DOUBT)), number
        log.unlink(missing_ok=True)
        if not more:
            break
    assert {(Standing.FREE, False), (Standing.IN_DOUBT, True), (Standing.DONE, True)} <= standings


def test_a_result_that_is_damaged_is_asked_for(place: Path, log: Path) -> None:
    tasks = Task("pay", lambda: bytes(100_000), once=True)
    run(place, tasks)
    for path in (place / "objects").glob("*/*"):
        path.chmod(0o600)
        path.write_bytes(b"x" * path.stat().st_size)
    assert "its checkpoint is damaged" in run(place, tasks)["pay"].message
    LocalStore(place).once.resolve("pay", done=True, value="7")
    assert run(place, tasks)["pay"].data == 7


def damage(place: Path) -> Callable[[], None]:
    """Write over all objects; what is returned puts them back."""
    before = {path: path.read_bytes() for path in (place / "objects").glob("*/*")}
    for path, data in before.items():
        path.chmod(0o600)
        path.write_bytes(b"x" * len(data))
    return lambda: [path.write_bytes(data) for path, data in before.items()] and None


def test_what_was_damaged_and_is_put_back_is_given_back_once_a_person_says_that_it_is_done(place: Path) -> None:
    tasks = Task("pay", lambda: bytes(100_000), once=True)
    run(place, tasks)
    mend = damage(place)
    assert isinstance(run(place, tasks)["pay"].exception, TaskInDoubt)
    shutil.rmtree(place / "quarantine", ignore_errors=True)
    mend()
    LocalStore(place).resolve("pay", done=True)
    for _ in range(2):
        result = run(place, tasks)["pay"]
        assert (result.data, result.restored) == (bytes(100_000), True)


def test_done_without_a_value_leaves_nothing_where_the_result_stays_damaged(place: Path, log: Path) -> None:
    tasks = Task("pay", lambda: note(log, "paid") or bytes(100_000), once=True)
    run(place, tasks)
    damage(place)
    assert isinstance(run(place, tasks)["pay"].exception, TaskInDoubt)
    LocalStore(place).resolve("pay", done=True)
    for _ in range(2):
        result = run(place, tasks)["pay"]
        assert (result.ok, result.data) == (True, None)
    assert len(lines(log)) == 1


@pytest.fixture
def paid_with_a_module(place: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Task]:
    """A task that left an object of a module, in a process that has not loaded that, and cannot."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "receipts.py").write_text("class Receipt:\n    number = 17\n")

    def paid() -> Any:
        note(log, "paid")
        return importlib.import_module("receipts").Receipt()

    tasks = Task("pay", paid, once=True)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path / "library")
        assert run(place, tasks)["pay"].ok
    sys.modules.pop("receipts")
    yield tasks
    sys.modules.pop("receipts", None)


def test_a_result_that_cannot_be_built_today_is_given_back_tomorrow(
    paid_with_a_module: Task, place: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = Task("mail", lambda pay: pay.number, ("pay",))
    first = run(place, paid_with_a_module, needs)
    assert isinstance(first["pay"].exception, ResultNotGivenBack)
    for words in ("'pay' was done once", "need the module 'receipts'", "is not run again for that", "resolve pay done"):
        assert words in first["pay"].message
    assert first["mail"].status is TaskStatus.SKIPPED
    assert LocalStore(place).once.look("pay").standing is Standing.DONE
    monkeypatch.syspath_prepend(tmp_path / "library")
    assert run(place, paid_with_a_module, needs)["mail"].data == 17
    assert len(lines(log)) == 1


def test_what_it_left_can_be_said_where_it_cannot_be_built_any_more(
    paid_with_a_module: Task, place: Path, log: Path
) -> None:
    with pytest.raises(UsageError, match="not in doubt: it was done once"):
        LocalStore(place).resolve("pay", done=False)
    LocalStore(place).resolve("pay", done=True, value="18")
    assert run(place, paid_with_a_module)["pay"].data == 18
    assert len(lines(log)) == 1


@pytest.mark.parametrize("folder", ["objects", "once"])
def test_without_file_handles_it_fails_this_time_only(
    place: Path, log: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    tasks = Task("pay", lambda: note(log, "paid") or bytes(100_000), once=True)
    run(place, tasks)
    real = os.open

    def refused(path: Any, *rest: Any, **options: Any) -> int:
        if f"/{folder}/" in os.fspath(path):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return real(path, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        result = run(place, tasks)["pay"]
    assert not isinstance(result.exception, TaskInDoubt)
    assert "Too many open files" in result.message
    assert len(list((place / "once").glob("*.0*"))) == 2, "nothing was noted"
    assert run(place, tasks)["pay"].data == bytes(100_000)
    assert len(lines(log)) == 1


def test_a_rehearsal_notes_nothing(place: Path, log: Path) -> None:
    assert run(place, Task("pay", pay(log), once=True), dry_run=True)["pay"].ok
    assert not place.exists()


@pytest.fixture
def registered(place: Path) -> Iterator[None]:
    with TaskRunnerBuilder().with_store(place).build() as runner:
        use_runner(runner)
        yield
        use_runner(None)


@pytest.mark.usefixtures("registered")
def test_functions_and_maps(log: Path) -> None:
    @task(once=True)
    def send(address: str) -> str:
        note(log, task.key)
        return address.upper()

    assert send.map(["a", "b"]).results() == ["A", "B"]
    assert send.map(["b", "c"], "others").results() == ["B", "C"]
    assert len(set(lines(log))) == 4, "each item has a key of its own"
    with pytest.raises(UsageError, match="known by its name, and #0 says only where"):
        send.map([object()])
    with pytest.raises(UsageError, match=r"task\.key is there in the body"):
        send("d")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"retry": RetryPolicy(3)}, "name them, as in RetryPolicy"),
        ({"retry": RetryPolicy(3, retry_on=(OSError, BaseException))}, "name them"),
        ({"loop": LoopPolicy(bool)}, "a loop repeats its body"),
        ({"continue_on_error": True}, "leave continue_on_error out"),
        ({"once": "yes"}, "once is True or False, not 'yes'"),
    ],
)
def test_contradictions_are_refused_when_it_is_registered(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Task("pay", int, **{"once": True, **options})
    with pytest.raises(UsageError, match=words):
        task(**{"once": True, **options})


@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["no store", "in memory"])
def test_where_nothing_would_remember_it_is_refused(store: MemoryStore | None) -> None:
    builder = TaskRunnerBuilder() if store is None else TaskRunnerBuilder().with_store(store)
    with pytest.raises(TaskGraphError, match=r"'pay' happens once, and nothing here would remember"):
        builder.build().run([Task("pay", int, once=True)])
