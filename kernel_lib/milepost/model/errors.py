"""Every error that Milepost raises on purpose, each with what, which one and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class MilepostError(Exception):
    """The base of all errors that Milepost raises on purpose."""


class TaskGraphError(MilepostError):
    """A graph that cannot run; `problems` holds every problem found, a sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "a problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"the task graph has {count}:\n" + "\n".join(f"  - {problem}" for problem in self.problems))


class TaskFailed(MilepostError):
    """A task whose data was asked for did not succeed."""


class ItemsFailed(TaskFailed, ExceptionGroup[Exception]):
    """Items of a map did not succeed; `exceptions` has one for each, in order. `except*` sees what they raised."""

    def __str__(self) -> str:
        return self.message


class TaskCancelled(MilepostError):
    """Raised inside a task, at a safe point, once its run has been cancelled."""


class TaskPaused(MilepostError):
    """A task was not started because the run is paused and nothing here could resume it."""


class TaskTimeout(MilepostError):
    """A task, or a whole run, took longer than its limit (seconds)."""


class TaskInDoubt(MilepostError):
    """A task that happens once has started and not reported its end, so it is not run: a person must decide."""


class ResultNotGivenBack(MilepostError):
    """A task that happens once was done, and what it left cannot be given back this time: it is not run for that."""


class LoopNotResumed(MilepostError):
    """What was kept of a loop cannot be put back whole. It stays kept, and no item was run."""


class WorkerDied(MilepostError):
    """The worker process of a task ended while it ran: killed, crashed, or by its own doing."""


class TransferError(MilepostError):
    """A value that cannot travel to a worker process, or back from it."""


class RemoteError(MilepostError):
    """An exception of a worker process that cannot be built again here; its class has the name of the original's."""


class UsageError(MilepostError):
    """A command, option or argument that Milepost does not know or cannot use."""


class SnapshotError(MilepostError):
    """A snapshot that cannot be read: malformed, truncated or of a newer format."""


class SnapshotWarning(UserWarning):
    """Part of a snapshot cannot be used; the tasks it names run again, the rest is intact."""


class KeyFileWarning(UserWarning):
    """Others can read the user's signing key."""


class StoreError(MilepostError):
    """The checkpoint store could not do what was asked."""


class KeyFileError(StoreError):
    """The user's signing key cannot be read, created or used: without it, no store can."""


class StoreUnwritableError(StoreError):
    """The store's folder cannot be written: results stay in memory only."""


class StoreLimitError(StoreError):
    """A result that does not fit into the size limit of its store: it stays in memory only."""


class NewerFormatError(StoreError):
    """The store was written by a newer Milepost than this one."""


class CorruptCheckpointError(StoreError):
    """A file of the store does not hold the bytes that were written."""


class UnreadableError(StoreError):
    """A file of the store that cannot be read just now, and may hold what was written: no permission, no handles."""


class UntrustedError(StoreError):
    """A checkpoint that this user's key did not sign; it is listed but never loaded."""


class SerializationError(StoreError):
    """A value that cannot be saved, or cannot be built again from what was saved."""
