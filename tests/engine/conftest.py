"""A backend for each test that asks for one, a board for its bodies, and a signing key of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.helpers import BACKENDS, Backend, Board, shared_processes
from tests.keys import signing_key


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def backend(request: pytest.FixtureRequest) -> Backend:
    chosen: Backend = request.param
    return chosen


@pytest.fixture(scope="session", autouse=True)
def _no_workers_stay() -> Iterator[None]:
    yield
    if shared_processes.cache_info().currsize:
        shared_processes().shutdown()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path / "board")
    yield made
    made.open_all()


@pytest.fixture
def own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILEPOST_KEY_FILE", signing_key(tmp_path / "key"))
