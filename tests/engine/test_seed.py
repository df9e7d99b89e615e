"""The request itself, on every backend: rows S1 to S8. Save a workflow's state, resume from where it was."""

from __future__ import annotations

import asyncio
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from tests.engine.helpers import WAIT, Backend, Board, success

from milepost import Snapshot, Task, TaskError, TaskResult, TaskRunnerBuilder, TaskStateManager, TaskStatus
from milepost.model.errors import SnapshotError, SnapshotWarning

pytestmark = pytest.mark.usefixtures("own_key")


def must_not_run() -> None:
    raise AssertionError("this ran again")


def test_s1_a_snapshot_can_be_taken_while_tasks_run(backend: Backend, board: Board, tmp_path: Path) -> None:
    def slow(first: int) -> int:
        board.note("running")
        board.pass_gate("release")
        return first + 1

    tasks = [
        backend.task("first", lambda: 1),
        backend.task("slow", slow, ("first",)),
        backend.task("last", print, ("slow",)),
    ]
    runner = backend.build()
    board.shut("release")
    handle = runner.start(tasks)
    board.wait_for("running")
    during = runner.snapshot()
    board.open("release")
    after = handle.wait(WAIT)

    assert {name: result.data for name, result in during.items()} == {"first": 1}
    assert list(after) == ["first", "slow", "last"]
    assert len(during) == 1, "a snapshot never changes"
    assert runner.state.snapshot() == after
    during.save(tmp_path / "state.json")
    assert Snapshot.load(tmp_path / "state.json") == Snapshot.from_json(during.to_json()) == during


def test_s1_the_state_manager_gives_a_snapshot_too() -> None:
    state = TaskStateManager()
    state.put("a", success(1))
    snapshot = state.snapshot()
    state.put("b", success(2))
    assert dict(snapshot) == {"a": success(1)}


def test_s2_the_builder_takes_a_snapshot() -> None:
    builder = TaskRunnerBuilder()
    assert builder.with_snapshot(Snapshot({"a": success("kept")})) is builder
    assert builder.build().snapshot()["a"].data == "kept"


def test_s3_what_succeeded_never_runs_again_whatever_its_code_is_now(backend: Backend) -> None:
    runner = backend.builder().with_snapshot(Snapshot({"a": success("kept")})).build()
    results = asyncio.run(runner.execute([backend.task("a", must_not_run)]))
    assert results["a"].ok
    assert results["a"].data == "kept"


def test_s3_a_second_run_of_the_resumed_runner_keeps_it_too(backend: Backend) -> None:
    runner = backend.builder().with_snapshot(Snapshot({"a": success("kept")})).build()
    runner.add(backend.task("a", must_not_run))
    assert runner.run() == runner.run()
    assert runner.snapshot()["a"].data == "kept"


def test_s4_it_counts_as_done_for_dependents_and_its_data_reaches_them(backend: Backend) -> None:
    saved = Snapshot.from_json(Snapshot({"a": success([1, 2]), "none": success()}).to_json())
    runner = backend.builder().with_snapshot(saved).build()
    results = runner.run(
        [
            backend.task("a", must_not_run),
            backend.task("none", must_not_run),
            backend.task("b", lambda a, none: (sum(a), none), ("a", "none")),
            backend.task("c", lambda b: b[0] + 1, ("b",)),
        ]
    )
    assert results["b"].data == (3, None)
    assert results["c"].data == 4


def test_s5_all_that_did_not_succeed_is_evaluated_again_and_so_is_what_is_new(backend: Backend, board: Board) -> None:
    ended = {
        "failed": TaskResult(TaskStatus.FAILURE, error=TaskError("ValueError", "then"), data="stale"),
        "skipped": TaskResult(TaskStatus.SKIPPED, data="stale"),
        "cancelled": TaskResult(TaskStatus.CANCELLED, data="stale"),
    }
    saved = Snapshot.from_json(Snapshot({"done": success(), **ended}).to_json())
    names = [*ended, "new"]
    tasks = [backend.task(name, lambda name=name: board.note(name)) for name in names]
    after = backend.task("after", lambda: board.note("after"), tuple(names))
    done = backend.task("done", must_not_run)
    results = backend.builder().with_snapshot(saved).build().run([done, *tasks, after])

    ran = board.notes()
    assert sorted(ran[:-1]) == sorted(names)
    assert ran[-1] == "after"
    assert all(result.ok and result.data == 1 for name, result in results.items() if name != "done")


def test_s5_a_condition_is_asked_again(backend: Backend) -> None:
    saved = Snapshot({"a": TaskResult(TaskStatus.SKIPPED, "its condition does not hold")})
    tasks = [backend.task("a", lambda: 1, condition=lambda context: context["go"])]
    assert backend.builder({"go": False}).with_snapshot(saved).build().run(tasks)["a"].status is TaskStatus.SKIPPED
    assert backend.builder({"go": True}).with_snapshot(saved).build().run(tasks)["a"].ok


class Context:
    """Would betray itself if anyone pickled it."""

    def __reduce__(self) -> Any:
        raise AssertionError("the context was pickled")


def test_s6_a_snapshot_holds_names_and_results_and_never_the_context() -> None:
    context = Context()
    runner = TaskRunnerBuilder(context).build()
    snapshot = runner.run([Task("a", lambda context: [context is not None])])
    assert list(snapshot) == ["a"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        entries = json.loads(snapshot.to_json())["results"]
    assert list(entries) == ["a"]
    assert entries["a"]["data"] == [True]


def test_s6_resuming_tasks_that_use_a_context_warns_once_and_names_them(backend: Backend) -> None:
    runner = backend.builder({}).with_snapshot(Snapshot({"uses": success(), "plain": success()})).build()
    tasks = [
        backend.task("uses", lambda context: context),
        backend.task("plain", must_not_run),
        backend.task("new", lambda context: context),
    ]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runner.run(tasks)
        runner.run(tasks)
    texts = [str(warning.message) for warning in caught if issubclass(warning.category, SnapshotWarning)]
    assert len(texts) == 1
    assert "'uses'" in texts[0]
    assert "'plain'" not in texts[0]
    assert "'new'" not in texts[0]


def test_s7_a_kept_success_is_restored_and_never_started(backend: Backend) -> None:
    heard: list[tuple[str, str]] = []
    runner = (
        backend.builder()
        .with_snapshot(Snapshot({"a": success(1), "bad": TaskResult(TaskStatus.FAILURE)}))
        .on("*", lambda event: heard.append((str(event.kind), event.task)))
        .build()
    )
    runner.run([backend.task("a", must_not_run), backend.task("bad", lambda a: a, ("a",))])
    assert heard == [
        ("workflow_start", ""),
        ("task_restored", "a"),
        ("task_start", "bad"),
        ("task_end", "bad"),
        ("workflow_end", ""),
    ]


def test_s8_a_task_that_is_gone_is_named_and_nothing_else_is_lost(backend: Backend) -> None:
    saved = Snapshot({"gone": success(), "failed before": TaskResult(TaskStatus.FAILURE), "a": success(1)})
    runner = backend.builder().with_snapshot(saved).build()
    with pytest.warns(SnapshotWarning, match="'failed before', 'gone'"):
        results = runner.run([backend.task("a", must_not_run), backend.task("b", lambda a: a + 1, ("a",))])
    assert results["b"].data == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("{not json", "malformed"),
        ("[1, 2]", "no Milepost snapshot"),
        ('{"a": {"status": "success"}}', "no Milepost snapshot"),
        (Snapshot({"a": success(1)}).to_json().rstrip()[:-1], "truncated"),
        (Snapshot({"a": success("text")}).to_json()[:100], "truncated"),
        ('{"format": "milepost-snapshot", "version": 99, "results": {}}', "newer format 99.*upgrade"),
        ('{"format": "milepost-snapshot", "version": "x", "results": {}}', "version is 'x'"),
        ('{"format": "milepost-snapshot", "version": 1, "results": []}', 'no "results"'),
    ],
)
def test_s8_what_is_no_snapshot_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=words):
        Snapshot.from_json(text)
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(SnapshotError, match=r"state\.json"):
        Snapshot.load(path)


def test_s8_one_bad_entry_costs_only_itself() -> None:
    data = json.loads(Snapshot({name: success(name) for name in ("a", "flipped", "odd", "z")}).to_json())
    data["results"]["flipped"]["data"] = "flopped"
    data["results"]["odd"] = {"status": "sucess", "data": 1}
    with pytest.warns(SnapshotWarning) as caught:
        read = Snapshot.from_json(json.dumps(data))
    assert dict(read) == {"a": success("a"), "z": success("z")}
    texts = [str(warning.message) for warning in caught]
    assert len(texts) == 2
    assert "'flipped'" in texts[0]
    assert "'odd'" in texts[1]
    assert "sucess" in texts[1]
