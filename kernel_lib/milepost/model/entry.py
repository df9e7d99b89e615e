"""One task's result as an entry of a snapshot: plain data as JSON, anything else as a signed pickle."""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

from milepost.model.errors import KeyFileError
from milepost.model.plain import TAG, NotPlainError, decode, encode
from milepost.model.result import TaskError, TaskMetrics, TaskResult
from milepost.model.states import TaskStatus
from milepost.model.trust import Signer

PURPOSE = "snapshot"

_PICKLE = "pickle"


class EntryError(ValueError):
    """An entry that cannot be written or read; its text says why."""


class Entries:
    """Writes and reads entries. The user's key is only asked for when a pickle needs it."""

    @cached_property
    def _signer(self) -> Signer:
        try:
            return Signer.load()
        except KeyFileError as error:
            raise EntryError(str(error)) from error

    def write(self, name: str, result: TaskResult) -> dict[str, Any]:
        """The result as JSON data; raises `EntryError` when the data cannot be kept."""
        entry = {
            "status": str(result.status),
            "message": str(result.message),
            "error": asdict(result.error) if result.error else None,
            "metrics": _metrics(result.metrics),
            "data": self._write_data(name, result.data),
        }
        return {**entry, "check": _check(name, entry)}

    def write_unsaved(self, name: str, result: TaskResult, why: str) -> dict[str, Any]:
        """The result without its data. A success becomes a skip, so that whoever resumes runs the task again."""
        if result.ok:
            words = f"it succeeded, but its data could not be saved ({why}), so it runs again"
            result = replace(result, status=TaskStatus.SKIPPED, message=words)
        return self.write(name, replace(result, data=None))

    def read(self, name: str, entry: Any) -> TaskResult:
        """The result again; raises `EntryError` when the entry is damaged or not to be trusted."""
        if not isinstance(entry, dict):
            raise EntryError("it is not a JSON object")
        if "check" in entry and entry["check"] != _check(name, entry):
            raise EntryError(
                'it was damaged or changed since it was saved (without its "check" it would be taken as is)'
            )
        try:
            return self._read(name, entry)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
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
            TaskMetrics(*(float(decode(metrics[key])) for key in ("start", "end", "duration"))) if metrics else None,
        )

    def _write_data(self, name: str, data: Any) -> Any:
        try:
            return encode(data)
        except (NotPlainError, RuntimeError):  # a container that another thread changes just now raises RuntimeError
            pass
        try:
            pickled = pickle.dumps(data, protocol=5)
        except Exception as error:  # a value's own code runs here
            raise EntryError(f"{type(error).__name__}: {error}") from error
        signature = self._signer.sign(_signed(name, pickled), PURPOSE)
        return {TAG: _PICKLE, "value": base64.b64encode(pickled).decode(), "signature": signature}

    def _read_data(self, name: str, data: Any) -> Any:
        if not isinstance(data, dict) or data.get(TAG) != _PICKLE:
            return decode(data)
        pickled = base64.b64decode(data["value"], validate=True)
        if not self._signer.verify(_signed(name, pickled), PURPOSE, str(data["signature"])):
            raise EntryError("its data is a pickle that your key did not sign, and unpickling could run anything")
        try:
            return pickle.loads(pickled)
        except Exception as error:
            raise EntryError(f"its data cannot be built again ({type(error).__name__}: {error})") from error


def _metrics(metrics: TaskMetrics | None) -> dict[str, Any] | None:
    return {key: encode(float(value)) for key, value in asdict(metrics).items()} if metrics else None


def _signed(name: str, pickled: bytes) -> bytes:
    """What a signature covers: also the name, so that no entry passes for another; its length keeps both apart."""
    label = name.encode("utf-8", "surrogatepass")
    return len(label).to_bytes(8, "big") + label + pickled


def _check(name: str, entry: dict[str, Any]) -> str:
    """A checksum against damage (not against forgery) over the name and all of an entry but itself."""
    body = {key: value for key, value in entry.items() if key != "check"}
    return hashlib.sha256(json.dumps([name, body], sort_keys=True).encode()).hexdigest()[:16]


def _words(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return str(error) or type(error).__name__
