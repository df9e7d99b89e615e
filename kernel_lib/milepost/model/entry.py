"""One task's result as an entry of a snapshot: plain data as JSON, anything else as a signed pickle."""

from __future__ import annotations

import base64
import json
import pickle
from dataclasses import asdict, replace
from typing import Any

from milepost.model.errors import KeyFileError
from milepost.model.plain import TAG, NotPlainError, decode, plain_text
from milepost.model.result import TaskError, TaskMetrics, TaskResult
from milepost.model.states import TaskStatus
from milepost.model.trust import UserSigner

PURPOSE = "snapshot"

PICKLED = f'"{TAG}": "pickle"'
"""Stands in the text of every entry that holds a pickle."""


class EntryError(ValueError):
    """An entry that cannot be written or read; its text says why."""


class Entries:
    """Writes and reads entries. The user's key is only asked for when a pickle needs it."""

    def __init__(self) -> None:
        self._signer = UserSigner()

    def write(self, name: str, result: TaskResult) -> str:
        """The result as JSON text, its keys in order; raises `EntryError` when the data cannot be kept."""
        parts = [f'"data": {self._data_text(name, result.data)}']
        if result.error:
            parts.append(f'"error": {json.dumps(asdict(result.error))}')
        if result.message:
            parts.append(f'"message": {plain_text(str(result.message))}')
        if result.metrics:
            parts.append(f'"metrics": {_metrics_text(result.metrics)}')
        return f'{{{", ".join(parts)}, "status": "{result.status}"}}'

    def write_unsaved(self, name: str, result: TaskResult, why: str) -> str:
        """The result without its data. A success becomes a skip, so that whoever resumes runs the task again."""
        if result.ok:
            words = f"it succeeded, but its data could not be saved ({why}), so it runs again"
            result = replace(result, status=TaskStatus.SKIPPED, message=words)
        return self.write(name, replace(result, data=None))

    def read(self, name: str, entry: Any) -> TaskResult:
        """The result again; raises `EntryError` when the entry is no result, or not to be trusted."""
        if not isinstance(entry, dict):
            raise EntryError("it is not a JSON object")
        try:
            return self._read(name, entry)
        except (KeyError, TypeError, ValueError, RecursionError, KeyFileError) as error:
            raise EntryError(_words(error)) from error

    def _read(self, name: str, entry: dict[str, Any]) -> TaskResult:
        status = TaskStatus(entry["status"])
        error, metrics = entry.get("error"), entry.get("metrics")
        return TaskResult(
            status,
            str(entry.get("message", "")),
            TaskError(**{key: str(error[key]) for key in ("type", "message", "traceback")}) if error else None,
            # Only a success needs data, and then a missing one must not pass for None.
            self._read_data(name, entry["data"] if status is TaskStatus.SUCCESS else entry.get("data")),
            _metrics(metrics) if metrics else None,
            status is TaskStatus.SUCCESS,
        )

    def _data_text(self, name: str, data: Any) -> str:
        try:
            return plain_text(data)
        except (NotPlainError, RuntimeError):  # a container that another thread changes just now raises RuntimeError
            pass
        try:
            pickled = pickle.dumps(data, protocol=5)
        except Exception as error:  # a value's own code runs here
            raise EntryError(f"{type(error).__name__}: {error}") from error
        try:
            signature = self._signer.sign(_signed(name, pickled), PURPOSE)
        except KeyFileError as error:
            raise EntryError(str(error)) from error
        return f'{{{PICKLED}, "value": "{base64.b64encode(pickled).decode()}", "signature": "{signature}"}}'

    def _read_data(self, name: str, data: Any) -> Any:
        if not isinstance(data, dict) or data.get(TAG) != "pickle":
            return decode(data)
        pickled = base64.b64decode(data["value"], validate=True)
        if not self._signer.verify(_signed(name, pickled), PURPOSE, str(data["signature"])):
            raise EntryError("its data is a pickle that your key did not sign, and unpickling could run anything")
        try:
            return pickle.loads(pickled)
        except Exception as error:
            raise EntryError(f"its data cannot be built again ({type(error).__name__}: {error})") from error


def _metrics_text(metrics: TaskMetrics) -> str:
    known = zip(metrics._fields, metrics, strict=True)
    texts = [f'"{name}": {plain_text(value)}' for name, value in known if value is not None]
    return f"{{{', '.join(texts)}}}"


def _metrics(saved: dict[str, Any]) -> TaskMetrics:
    start, end, duration = (float(decode(saved[key])) for key in ("start", "end", "duration"))
    cpu, peak = saved.get("cpu"), saved.get("peak_bytes")
    return TaskMetrics(
        start,
        end,
        duration,
        None if cpu is None else float(decode(cpu)),
        None if peak is None else int(peak),
    )


def _signed(name: str, pickled: bytes) -> bytes:
    """What a signature covers: also the name, so that no entry passes for another; its length keeps both apart."""
    label = name.encode("utf-8", "surrogatepass")
    return len(label).to_bytes(8, "big") + label + pickled


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error) or type(error).__name__
