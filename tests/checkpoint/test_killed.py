"""Processes killed at any moment while they save: what they reported is there, and right.

A few kills here; MILEPOST_TEST_KILLS=300 does as many.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import CorruptCheckpointError
from milepost.model.record import Record

from . import busy

pytestmark = pytest.mark.torture

KILLS = int(os.environ.get("MILEPOST_TEST_KILLS", "8"))


@dataclass
class Expected:
    """What one process has said so far of its tasks, through all its lives."""

    saved: dict[str, int] = field(default_factory=dict)
    unsure: dict[str, set[int]] = field(default_factory=dict)
    """What was begun and never reported: it may be there; it, or what was there before, may be gone."""
    forgetting: set[str] = field(default_factory=set)
    last: int = 0

    def hear(self, line: bytes) -> None:
        kind, task, *rest = json.loads(line)
        getattr(self, f"_{kind}")(task, *rest)

    def _saving(self, task: str, version: int) -> None:
        self.last = max(self.last, version)
        self.unsure.setdefault(task, set()).add(version)

    def _saved(self, task: str, version: int) -> None:
        self.saved[task] = version
        self.unsure.pop(task)
        self.forgetting.discard(task)

    def _forgetting(self, task: str) -> None:
        self.forgetting.add(task)

    def _forgotten(self, task: str) -> None:
        self.saved.pop(task, None)
        self.unsure.pop(task, None)
        self.forgetting.discard(task)

    def check(self, store: LocalStore, name: str) -> None:
        """What was reported is there and right. What was not may be there; nothing that is given back is wrong.

        The clean-ups give no time of grace at all, so what was not reported, or was forgotten, may lack its objects.
        """
        for task, version in self.saved.items():
            if task not in self.forgetting:
                found = {int(record.key): record for record in store.history(task)}
                assert version in found, f"version {version} of {task} was reported and is missing"
                assert same(store.open(found[version], "values"), busy.content(task, version)), f"{task} is wrong"
        for record in store.records():
            if record.task.startswith(name):
                self._check_newest(store, record)

    def _check_newest(self, store: LocalStore, record: Record) -> None:
        task, version = record.task, int(record.key)
        if task in self.saved and task not in self.forgetting:
            allowed = {self.saved[task]} | self.unsure.get(task, set())
            assert version in allowed, f"{task} is at version {version} instead of one of {allowed}"
        with contextlib.suppress(CorruptCheckpointError):
            assert same(store.open(record, "values"), busy.content(task, version)), f"{task} is wrong"


def same(one: Any, other: Any) -> bool:
    buffers = zip(one.buffers, other.buffers, strict=True)
    return bool(one.stream == other.stream) and all(bytes(a) == bytes(b) for a, b in buffers)


@contextlib.contextmanager
def running(folder: Path, name: str, seed: int, first: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, busy.__file__, str(folder), name, str(seed), str(first)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def read(process: subprocess.Popen[bytes], expected: Expected, count: int) -> None:
    """Take in so many lines; what the process has done since is not known yet."""
    assert process.stdout
    for _ in range(count):
        line = process.stdout.readline()
        assert line, f"the process ended with {process.wait()}"
        expected.hear(line)


def test_what_was_reported_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "book.milepost"
    draw = random.Random(5)
    one, other = Expected(), Expected()
    for kill in range(KILLS):
        with running(folder, "a", kill, one.last) as first, running(folder, "b", -kill, other.last) as second:
            read(first, one, draw.randrange(1, 60))
            read(second, other, draw.randrange(1, 60))
            # Any moment will do, so nothing is lost when this takes longer.
            select.select([], [], [], draw.random() * 0.01)
            first.kill()
            second.kill()
            rest_of(first, one)
            rest_of(second, other)
        store = LocalStore(folder, busy.MINE)
        try:
            one.check(store, "a")
            other.check(store, "b")
        except Exception as error:
            raise AssertionError(f"after {kill + 1} kills: {error}") from error


def rest_of(process: subprocess.Popen[bytes], expected: Expected) -> None:
    """What it still reported; the last line may have been cut by the kill."""
    assert process.stdout
    for line in process.stdout:
        if line.endswith(b"\n"):
            expected.hear(line)
