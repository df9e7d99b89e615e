"""Runs bodies in worker processes, so that they use every processor, can be stopped, and cannot take this one down."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from milepost.executors.remote.conversation import Conversation
from milepost.executors.remote.current import current_progress, current_signal, refuse_while_opening
from milepost.executors.remote.errors import from_message
from milepost.executors.remote.files import FindSaved, SharedFiles
from milepost.executors.remote.messages import Declined, Finished, Raised, Request
from milepost.executors.remote.payload import Parcel, Stub, check, pack
from milepost.executors.remote.pool import Pool
from milepost.executors.remote.process import WorkerProcess
from milepost.executors.remote.surroundings import Surroundings
from milepost.executors.threads import ThreadsExecutor
from milepost.model.errors import TaskCancelled, TransferError, UsageError, WorkerDied
from milepost.ports import Measured, TaskCall

IDLE = 60.0
"""Seconds that a worker waits for its next task before it ends."""


class ProcessesExecutor:
    """Each body in a process of its own, which is kept for the next one.

    Not on loky's pool, which it resembles: there one dead worker breaks the pool, so each body would need a pool of
    one (two threads each, and two helper processes that stay), and beside it a second connection for what loky has no
    way for: output as it is printed, progress, a signal, and a kill that hits one task.

    Parameters
    ----------
    max_workers : int, optional
        Bodies at once at most, whatever the run's concurrency; the number of usable processors by default.
    idle : float
        Seconds after which a worker without work ends.
    find_saved : callable, optional
        Where a store keeps the object with a given address (64 hexadecimal digits of the BLAKE3 hash of its bytes): a
        large input that is there already is not written again.
    """

    name = "processes"
    inline = False
    queues = True

    def __init__(
        self, max_workers: int | None = None, *, idle: float = IDLE, find_saved: FindSaved | None = None
    ) -> None:
        if os.name != "posix":
            raise UsageError('the executor "processes" needs Linux, macOS or another Unix; use "threads" here')
        if max_workers is not None and max_workers < 1:
            raise UsageError(f"max_workers must be at least 1, not {max_workers}")
        self._threads = ThreadsExecutor()
        self._files = SharedFiles(find_saved)
        self._pool = Pool(max_workers or _processors(), lambda: WorkerProcess(idle))

    def submit(self, work: Callable[[], object]) -> None:
        """Start the work in a thread: it waits there for its bodies."""
        self._threads.submit(work)

    def invoke(self, call: TaskCall, arguments: Mapping[str, Any]) -> Measured:
        """Call the body in a worker process.

        Raises
        ------
        TransferError
            The body, an argument or the result cannot be pickled, or not be built again on the other side.
        WorkerDied
            The process ended meanwhile: killed, crashed, or by `os._exit`.
        TaskCancelled
            The signal ended it.
        BaseException
            Whatever the body raises, caused by a `RemoteTraceback`.
        """
        refuse_while_opening()
        while True:  # until a worker takes it: one that was idle may end just then
            with self._pool.lend(call.signal) as worker:
                try:
                    answer = self._ask(worker, call, arguments)
                except (TransferError, WorkerDied):
                    call.started()  # its turn had come
                    raise
                if isinstance(answer, Finished):
                    return Measured(_open(answer.parcel, call), answer.seconds, answer.cpu, answer.peak_bytes)
            if isinstance(answer, Raised):
                raise _error(answer, call)

    def shutdown(self) -> None:
        """Wait for running bodies, then end threads and processes; the next work starts new ones."""
        self._threads.shutdown()
        self._pool.close()

    def _ask(self, worker: WorkerProcess, call: TaskCall, arguments: Mapping[str, Any]) -> Finished | Raised | Declined:
        parcel, here = self._pack(worker.folder, call, arguments), Surroundings.here()
        request = Request(call.task.name, parcel, None if here == worker.told else here)
        try:
            call.signal.raise_if_cancelled()
            answer = Conversation(worker, call).ask(request)
        finally:
            self._files.drop(parcel.files)
        worker.told = here
        return answer

    def _pack(self, folder: str, call: TaskCall, arguments: Mapping[str, Any]) -> Parcel:
        _refuse_half_imported(call)
        stubs: dict[int, Stub] = {id(call.signal): (current_signal, ()), id(call.progress): (current_progress, ())}
        try:
            return pack((call.task.run, dict(arguments)), lambda data: self._files.place(folder, data), stubs)
        except TransferError:
            raise
        except Exception as error:
            raise TransferError(_refusal(call, arguments, stubs) or f"task {call.task.name!r}: {error}") from error


def _refuse_half_imported(call: TaskCall) -> None:
    """Raise `TransferError` for a body of a module whose import waits for the run to end.

    To pickle what that module defines would wait for its import: neither would ever end.
    """
    body: Any = call.task.run
    for wrapper in ("func", "function", "__wrapped__", "__func__"):
        body = getattr(body, wrapper, body)
    spec = getattr(body, "__globals__", {}).get("__spec__")
    if spec is not None and getattr(spec, "_initializing", False):
        words = f"task {call.task.name!r}: its module {spec.name!r} is still being imported, so it cannot be pickled"
        raise TransferError(f'{words}; put what starts the run under: if __name__ == "__main__"')


def _refusal(call: TaskCall, arguments: Mapping[str, Any], stubs: Mapping[int, Stub]) -> str:
    """Which part of a call cannot be pickled, and what to do."""
    parts = {"its body, or a variable that it uses,": call.task.run}
    parts |= {f"its argument {name!r} ({type(value).__qualname__})": value for name, value in arguments.items()}
    for part, value in parts.items():
        why = check(value, stubs)
        if why:
            words = f"task {call.task.name!r}: {part} cannot be sent to a worker process: {why}"
            return f'{words}. Make it inside the task, or run the task in this process (on="threads")'
    return ""


def _open(parcel: Parcel, call: TaskCall) -> Any:
    try:
        return parcel.open()
    except Exception as error:
        words = f"task {call.task.name!r}: its result cannot be built again from what its worker process sent"
        raise TransferError(f"{words}: {type(error).__name__}: {error}") from error
    finally:
        for file in parcel.files:
            file.remove()


def _error(raised: Raised, call: TaskCall) -> BaseException:
    error = from_message(raised)
    if isinstance(error, KeyboardInterrupt) and call.signal.cancelled:
        return TaskCancelled(call.signal.reason)
    return error


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
