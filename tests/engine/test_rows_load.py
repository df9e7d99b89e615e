"""The request under load: rows S1 to S8 with thousands of tasks, snapshots at any moment, damage at any place."""

from __future__ import annotations

import json
import os
import random
import threading
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, in_thread, success

from milepost import Event, Snapshot, Task, TaskResult, TaskRunner, TaskStatus
from milepost.model.errors import SnapshotError, SnapshotWarning

pytestmark = [pytest.mark.usefixtures("own_key"), pytest.mark.filterwarnings("error::RuntimeWarning")]

SIZES = {"main": 3_000, "threads": 3_000, "coroutines": 1_000, "processes": 300}
WIDTH = 50
"""Tasks in a layer; each but those of the first depends on two of the layer before."""


class Ledger:
    """Which bodies ran, in a file to which any process may append a line at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def enter(self, name: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{name}\n".encode())
        os.close(descriptor)

    def read(self) -> Counter[str]:
        return Counter(self.path.read_text().split())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


def needs(number: int) -> tuple[str, ...]:
    layer, place = divmod(number, WIDTH)
    if not layer:
        return ()
    return tuple(f"t{(layer - 1) * WIDTH + (place + shift) % WIDTH}" for shift in (0, 1))


def layered(backend: Backend, ledger: Ledger, broken: frozenset[str] = frozenset()) -> list[Task]:
    """Each task has the sum of what it depends on, and one more; `broken` ones fail."""

    def one(name: str, ups: tuple[str, ...]) -> Task:
        def body(**data: int) -> int:
            ledger.enter(name)
            if name in broken:
                raise ValueError("no luck")
            return sum(data.values()) + 1

        body.__milepost_inputs__ = ups  # type: ignore[attr-defined]
        return backend.task(name, body, ups)

    return [one(f"t{number}", needs(number)) for number in range(SIZES[backend.name])]


def expected(size: int) -> dict[str, int]:
    data: dict[str, int] = {}
    for number in range(size):
        data[f"t{number}"] = sum(data[name] for name in needs(number)) + 1
    return data


def done(snapshot: Snapshot) -> set[str]:
    return {name for name, result in snapshot.items() if result.ok}


def stopped_after(runner: TaskRunner, tasks: list[Task], ended: int) -> Snapshot:
    """The results of a run that is cancelled once so many tasks have ended."""
    count = iter(range(1, len(tasks) + 1))
    leave = runner.on("task_end", lambda event: next(count, None) == ended and runner.cancel("enough"))
    try:
        return runner.run(tasks, concurrency=16)
    finally:
        leave()


def test_s1_every_snapshot_taken_while_tasks_run_holds_with_each_success_all_it_built_on(
    backend: Backend, ledger: Ledger
) -> None:
    runner, over, taken = backend.build(), threading.Event(), list[Snapshot]()

    def take() -> None:
        while not over.is_set():
            taken.append(runner.snapshot())
            over.wait(0.001)

    taker = in_thread(take)
    tasks = layered(backend, ledger)
    last = runner.run(tasks, concurrency=16)
    over.set()
    taker.join(WAIT)
    right = expected(len(tasks))
    assert {name: result.data for name, result in last.items()} == right
    assert len({len(snapshot) for snapshot in taken}) > 2, "none was taken in the middle"
    for before, snapshot in zip([Snapshot({}), *taken], taken, strict=False):
        assert before.keys() <= snapshot.keys()
        for name, result in snapshot.items():
            assert result.data == right[name]
            assert all(up in snapshot for up in needs(int(name[1:])))


@pytest.mark.parametrize("seed", range(3))
def test_s1_to_s5_a_cancelled_run_is_resumed_and_nothing_that_succeeded_runs_again(
    backend: Backend, ledger: Ledger, tmp_path: Path, seed: int
) -> None:
    dice, size = random.Random(seed), SIZES[backend.name]
    broken = frozenset(f"t{number}" for number in dice.sample(range(size), 3))
    cut = stopped_after(backend.build(), layered(backend, ledger, broken), dice.randrange(WIDTH, size // 2))
    cut.save(tmp_path / "run.json")

    saved = Snapshot.load(tmp_path / "run.json")
    assert saved == cut
    heard: list[Event] = []
    runner = backend.builder().with_snapshot(saved).on("*", heard.append).build()
    again = Ledger(tmp_path / "again")  # its own: bodies that the cancelled run left to themselves may still begin
    results = runner.run(layered(backend, again), concurrency=16)

    right = expected(size)
    assert {name: result.data for name, result in results.items()} == right
    ran = again.read()
    kept = done(saved)
    assert 0 < len(kept) < size
    assert set(ran) == right.keys() - kept
    assert set(ran.values()) == {1}
    told: dict[str, set[str]] = {kind: set() for kind in ("task_restored", "task_start", "task_end", "task_skipped")}
    for event in heard:
        if event.task:
            told[str(event.kind)].add(event.task)
    assert told["task_restored"] == kept, "S7"
    assert told["task_start"] == told["task_end"] == right.keys() - kept
    assert not told["task_skipped"]


def test_s5_s7_a_snapshot_of_many_failures_is_evaluated_again_and_its_successes_stay(
    backend: Backend, ledger: Ledger
) -> None:
    size = SIZES[backend.name]
    statuses = list(TaskStatus)
    data = expected(size)
    ended = {name: TaskResult(statuses[number % 4], data=data[name]) for number, name in enumerate(data)}
    runner = backend.builder().with_snapshot(Snapshot.from_json(Snapshot(ended).to_json())).build()
    results = runner.run(layered(backend, ledger), concurrency=16)
    assert {name: result.data for name, result in results.items()} == data
    assert ledger.read() == Counter(name for name, result in ended.items() if not result.ok)
    assert all(result.restored is ended[name].ok for name, result in results.items())


def test_s6_many_tasks_with_a_context_are_named_in_one_warning(backend: Backend) -> None:
    size = SIZES[backend.name]
    tasks = [backend.task(f"t{number}", lambda context: context) for number in range(size)]
    runner = backend.builder({}).with_snapshot(Snapshot({task.name: success() for task in tasks})).build()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        threads = [in_thread(lambda: runner.run(tasks)) for _ in range(4)]
        for thread in threads:
            thread.join(WAIT)
    (warning,) = [item for item in caught if issubclass(item.category, SnapshotWarning)]
    assert all(repr(task.name) in str(warning.message) for task in tasks)


def test_s3_s4_runs_side_by_side_of_a_resumed_runner_run_the_rest_once(backend: Backend, ledger: Ledger) -> None:
    size = SIZES[backend.name]
    data = expected(size)
    kept = {name: success(value) for number, (name, value) in enumerate(data.items()) if number < size // 2}
    runner, results = backend.builder().with_snapshot(Snapshot(kept)).build(), list[Snapshot]()
    tasks = layered(backend, ledger)
    threads = [in_thread(lambda: results.append(runner.run(tasks, concurrency=8))) for _ in range(3)]
    for thread in threads:
        thread.join(2 * WAIT)
    assert len(results) == 3
    assert {name: result.data for name, result in runner.snapshot().items()} == data
    assert set(ledger.read()) == data.keys() - kept.keys()


# S8: damage at any place

MANY = {f"t{number}": success({"value": number, "text": f"é{number}"}) for number in range(300)}


def read_quietly(data: bytes, path: Path) -> Snapshot | None:
    """The snapshot in a file, or None where it is refused."""
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Snapshot.load(path)
        except SnapshotError:
            return None


def test_s8_a_snapshot_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    text = Snapshot(MANY).to_json().encode()
    dice = random.Random(1)
    for length in [0, 1, len(text.rstrip()) - 1, *(dice.randrange(len(text.rstrip())) for _ in range(200))]:
        assert read_quietly(text[:length], tmp_path / "run.json") is None


def test_s8_a_flipped_bit_anywhere_never_gives_wrong_data(tmp_path: Path) -> None:
    text = Snapshot(MANY).to_json().encode()
    dice, usable = random.Random(2), 0
    for _ in range(300):
        damaged = bytearray(text)
        damaged[dice.randrange(len(text))] ^= 1 << dice.randrange(8)
        read = read_quietly(bytes(damaged), tmp_path / "run.json")
        if read is not None:
            assert all(name not in MANY or result.data == MANY[name].data for name, result in read.items())
            assert len(read) >= len(MANY) - 2, "its entry, and another one if its name became that one's"
            usable += 1
    assert usable > 100, "what still is JSON is read, but for what does not hold"


def test_s8_thousands_of_bad_entries_and_names_that_are_gone_cost_only_themselves(
    backend: Backend, ledger: Ledger
) -> None:
    size = SIZES[backend.name]
    data = expected(size)
    saved: dict[str, Any] = json.loads(Snapshot({name: success(value) for name, value in data.items()}).to_json())
    bad = [name for number, name in enumerate(data) if number % 3 == 0]
    for name in bad:
        saved["results"][name]["status"] = "sucess"
    saved["results"] |= {f"gone {number}": saved["results"]["t1"] for number in range(size)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        snapshot = Snapshot.from_json(json.dumps(saved))
        results = backend.builder().with_snapshot(snapshot).build().run(layered(backend, ledger), concurrency=16)
    texts = "\n".join(str(warning.message) for warning in caught if issubclass(warning.category, SnapshotWarning))
    assert all(repr(name) in texts for name in bad)
    assert {name: results[name].data for name in data} == data
    assert ledger.read() == Counter(bad)
