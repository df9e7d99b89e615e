"""Large values: what Milepost, joblib, dill and a bare write take to save one, and what Milepost takes to restore."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rivals import timed

from milepost.checkpoint.local import LocalStore
from milepost.checkpoint.serializers.notebook import NotebookSerializer
from milepost.model.record import Record
from milepost.model.trust import Signer
from milepost.ports import Blob

HAS_JOBLIB = importlib.util.find_spec("joblib") is not None
FLOATS = 16


def frame(mib: int) -> Any:
    """A data frame of about so many MiB: 16 columns of floats, and one of strings."""
    import numpy as np
    import pandas as pd

    words = [f"word {number}" for number in range(997)]
    rows = (mib << 20) // (FLOATS * 8 + 16)
    values = np.random.default_rng(0).random((rows, FLOATS))
    columns = pd.DataFrame(values, columns=[f"x{number}" for number in range(FLOATS)])
    columns["text"] = pd.Series(words * (rows // len(words) + 1)).iloc[:rows].to_numpy()
    return columns


def dicts(count: int) -> list[dict[str, Any]]:
    """Small dicts, as parsed from JSON lines."""
    return [{"id": number, "name": f"name {number}", "score": number * 0.5} for number in range(count)]


def blob_of(value: Any) -> Blob:
    """The value as the store gets it."""
    return NotebookSerializer({}).dump({"value": value}).blob


def store_at(folder: Path) -> LocalStore:
    """A store opened anew."""
    return LocalStore(folder / "bench.milepost", Signer(b"b" * 32))


def keep(store: LocalStore, value: Any, *, task: str = "task", durable: bool = False) -> LocalStore:
    """Save a value as a task's result, from the value to the line of its record."""
    store.save(Record(task=task, key="key"), {"values": blob_of(value)}, durable=durable)
    return store


class Saving:
    """Each way of saving one value, in a folder that is emptied before and, not counted, after."""

    def __init__(self, folder: Path, value: Any) -> None:
        self._folder = folder
        self._value = value
        blob = blob_of(value)
        self._parts = (blob.stream, *blob.buffers)

    def runs(self) -> dict[str, Callable[[], float]]:
        """All of them, by name; seconds each."""
        ways: dict[str, Callable[[Path], object]] = {
            "saved": lambda folder: keep(store_at(folder), self._value),
            "durable": lambda folder: keep(store_at(folder), self._value, durable=True),
            "write": lambda folder: self._write(folder / "raw", sync=False),
            "write, fsync": lambda folder: self._write(folder / "raw", sync=True),
            "dill": lambda folder: _dill(folder / "dill", self._value),
        }
        if HAS_JOBLIB:
            ways["joblib"] = lambda folder: _joblib(folder / "joblib", self._value)
        return {name: self._timed(way) for name, way in ways.items()}

    def _timed(self, way: Callable[[Path], object]) -> Callable[[], float]:
        def run() -> float:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            os.sync()  # what others have written is not counted here
            seconds, store = timed(lambda: way(self._folder))
            if isinstance(store, LocalStore):
                store.flush()
            os.sync()
            shutil.rmtree(self._folder)
            return seconds

        return run

    def _write(self, path: Path, *, sync: bool) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        for part in self._parts:
            view = memoryview(part)
            while view:
                view = view[os.write(descriptor, view) :]
        if sync:
            os.fsync(descriptor)
        os.close(descriptor)


def pickle_and_write(folder: Path, value: Any) -> float:
    """C pickle, and the write of what it gave."""

    def run() -> None:
        with (folder / "pickle").open("wb") as file:
            file.write(pickle.dumps(value, protocol=5))

    seconds = timed(run)[0]
    (folder / "pickle").unlink()
    return seconds


def save(folder: Path, value: Any) -> float:
    """Milepost, until the result is saved."""
    seconds, store = timed(lambda: keep(store_at(folder), value))
    store.flush()
    shutil.rmtree(store.path)
    return seconds


def restore(folder: Path) -> float:
    """Open the store, find the record, map its buffers, build the value; what is verified afterwards is waited for."""
    store = store_at(folder)

    def run() -> Any:
        (record,) = store.records()
        return NotebookSerializer({}).load(store.open(record, "values"))

    seconds, values = timed(run)
    assert values["value"] is not None
    store.settle()
    return seconds


def _joblib(path: Path, value: Any) -> None:
    import joblib

    joblib.dump(value, path)


def _dill(path: Path, value: Any) -> None:
    import dill

    with path.open("wb") as file:
        dill.dump(value, file)
