"""Crashes at every point of what a store does: inherit `CrashContract` and say how to make the store.

A scenario is run once while its file operations are written down. Then each beginning of them is laid out as a folder,
as it would be found after a crash there, and the store must stand what it finds.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from milepost.model.errors import CorruptCheckpointError, UntrustedError
from milepost.model.record import Record
from milepost.ports import Blob, Store
from milepost.testing.disk import write_tree
from milepost.testing.states import Contents, CrashState, Notes, bytes_of, record

EVERY = "MILEPOST_TEST_CRASHES"
"""Set in the environment, every state is checked; else a sample of them."""


def check(
    state: CrashState,
    contents: Contents,
    folder: Path,
    make_store: Callable[[Path], Store],
    tidy: Callable[[Any], object] = lambda store: None,
) -> None:
    """Lay the state out in `folder`, and require that the store keeps its promises there and goes on working.

    `make_store` is given the folder that the scenario knew as its top; `tidy(store)` may be called at any time.
    """
    write_tree(state.tree, folder)
    # The disk is not waited for: what it would keep is known.
    with mock.patch.object(os, "fsync", os.fstat):
        try:
            _require_kept(make_store(folder), state, contents)
            tidy(make_store(folder))
            _require_kept(make_store(folder), state, contents)
            _require_going_on(make_store, state, contents, folder)
        except Exception as error:
            raise AssertionError(f"after {state.name}: {error}") from error


def _require_kept(store: Store, state: CrashState, contents: Contents) -> None:
    _require_promised(store, state)
    _require_right(store, contents, state)


def _require_going_on(make_store: Callable[[Path], Store], state: CrashState, contents: Contents, folder: Path) -> None:
    store = make_store(folder)
    again = [_save_again(store, key, parts) for key, parts in contents.items()]
    assert store.flush(), "what was saved again is not durable"
    fresh = make_store(folder)
    _require_promised(fresh, state)
    _require_right(fresh, contents | dict(again), state, frozenset(task for (task, _), _ in again))


class CrashContract:
    """The tests. A subclass overrides `make_store`, and adds scenarios of its own with `crash`."""

    def make_store(self, top: Path) -> Store:
        """The store below `top`, opened anew."""
        raise NotImplementedError("say how to open the store")

    def tidy(self, store: Any) -> None:
        """What else the store does at times, such as cleaning up: all must still be there afterwards."""

    @pytest.mark.parametrize("seed", [0])
    @pytest.mark.parametrize("name", ["small", "large", "two", "again", "forget", "several_parts"])
    def test_every_crash_is_survived(self, name: str, seed: int, tmp_path: Path) -> None:
        scenario = getattr(self, f"scenario_{name}")
        self.crash(scenario, tmp_path, seed)

    def crash(
        self, scenario: Callable[[Notes, Any], object], folder: Path, seed: int = 0, *, count: int | None = 60
    ) -> int:
        """Crash a scenario in so many states, or in all (None); how many there were."""
        top = folder / "recorded"
        top.mkdir()

        def run(notes: Notes) -> None:
            store = self.make_store(top)
            scenario(notes, store)
            store.flush()

        recording = record(top, run)
        states = sample(list(recording.states(seed)), seed, count)
        for state in states:
            place = Path(tempfile.mkdtemp(dir=folder))
            check(state, recording.notes.contents, place, self.make_store, self.tidy)
            shutil.rmtree(place)
        return len(states)

    def scenario_small(self, notes: Notes, store: Store) -> None:
        """One small result."""
        self.save(notes, store, _record("a"), {"values": Blob(b"small")})

    def scenario_large(self, notes: Notes, store: Store) -> None:
        """One with a stream that is not small, and buffers."""
        self.save(notes, store, _record("a"), {"values": Blob(_noise(5000), (_noise(150_000), b"tiny", b""))})

    def scenario_two(self, notes: Notes, store: Store) -> None:
        """Two that share an object, the second after the first is there."""
        self.save(notes, store, _record("a"), {"values": Blob(b"one", (_noise(70_000),))})
        notes.begin()
        self.save(notes, store, _record("b"), {"values": Blob(_noise(3000), (_noise(70_000), _noise(900)))})

    def scenario_again(self, notes: Notes, store: Store) -> None:
        """One task again and again, the last time with the same bytes."""
        for number in (1, 2, 2):
            blob = Blob(b"v%d" % number, (_noise(4000 + number),))
            self.save(notes, store, _record("a", key=f"k{number}"), {"values": blob})

    def scenario_forget(self, notes: Notes, store: Store) -> None:
        """One of two is forgotten, and then saved once more."""
        for task in ("a", "b"):
            self.save(notes, store, _record(task), {"values": Blob(task.encode(), (_noise(4000),))})
        notes.begin()
        notes.dropping("a")
        store.forget(["a"])
        notes.dropped("a")
        self.save(notes, store, _record("a", key="new"), {"values": Blob(b"new", (_noise(4000),))})

    def scenario_several_parts(self, notes: Notes, store: Store) -> None:
        """One with the parts that a cell has."""
        parts = {
            "values": Blob(_noise(2500)),
            "display": Blob(b"[]"),
            "random": Blob(_noise(2600)),
            "shared": Blob(b""),
        }
        self.save(notes, store, _record("a"), parts)

    def save(self, notes: Notes, store: Store, record: Record, blobs: Mapping[str, Blob]) -> Record:
        """Save, wait until it is durable, and note both."""
        saved = notes.save(store, record, blobs)
        if store.flush():
            notes.durable(saved)
        return saved


def sample(states: list[Any], seed: int, count: int | None) -> list[Any]:
    """All of them where that was asked for, else so many drawn at random, in order, with the last."""
    if os.environ.get(EVERY) or count is None or len(states) <= count:
        return states
    chosen = random.Random(seed).sample(range(len(states)), count)
    return [states[number] for number in sorted({*chosen, len(states) - 1})]


def _require_promised(store: Store, state: CrashState) -> None:
    newest = {item.task: item for item in store.records()}
    for task, promised in state.promised.items():
        found = [item for item in store.history(task) if item.saved_at >= promised.saved_at]
        assert any(item.key == promised.key for item in found), f"what was saved of {task!r} is missing"
        assert newest[task].saved_at >= promised.saved_at, f"an older result of {task!r} hides the newest"
    back = state.gone & newest.keys() - {item.task for item in newest.values() if item.key.startswith("again ")}
    assert not back, f"{sorted(back)} were forgotten and are back"


def _require_right(store: Store, contents: Contents, state: CrashState, sure: frozenset[str] = frozenset()) -> None:
    """Nothing that is opened is wrong, and nothing that was promised, or is of the tasks `sure`, fails to open."""
    for task in {task for task, _ in contents}:
        for item in store.history(task):
            promised = state.promised.get(task)
            must = task in sure and item.key.startswith("again ")
            must = must or (promised is not None and item.trusted and item.saved_at == promised.saved_at)
            _require_parts(store, item, contents[task, item.key], must)


def _require_parts(store: Store, record: Record, parts: Mapping[str, tuple[bytes, ...]], must: bool) -> None:
    assert record.blobs.keys() == parts.keys(), f"parts of {record.task!r} are missing"
    for part, expected in parts.items():
        try:
            found = bytes_of(store.open(record, part))
        except (CorruptCheckpointError, UntrustedError) as error:
            if must:
                raise AssertionError(f"{record.task!r} cannot be opened: {error}") from error
            continue
        assert found == expected, f"part {part!r} of {record.task!r} has other bytes than were saved"


def _save_again(
    store: Store, key: tuple[str, str], parts: Mapping[str, tuple[bytes, ...]]
) -> tuple[tuple[str, str], dict[str, tuple[bytes, ...]]]:
    task, name = key[0], f"again {key[1]}"
    blobs = {part: Blob(stream, buffers) for part, (stream, *buffers) in parts.items()}
    saved = store.save(_record(task, key=name), blobs)
    _require_parts(store, saved, parts, True)
    return (task, name), dict(parts)


def _noise(size: int) -> bytes:
    """Bytes that no other size begins with."""
    return random.Random(size).randbytes(size)


def _record(task: str, **facts: Any) -> Record:
    return Record(**{"task": task, "key": "k", **facts})
