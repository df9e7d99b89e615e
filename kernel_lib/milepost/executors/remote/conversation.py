"""One request to a worker process: what the body shows meanwhile, a cancel, its answer or the worker's death."""

from __future__ import annotations

import codecs
import contextlib
import signal
import sys
import time

from milepost.executors.remote.messages import (
    Cancel,
    Declined,
    Finished,
    Progress,
    Raised,
    Ready,
    Request,
    receive,
    send,
)
from milepost.executors.remote.process import WorkerProcess
from milepost.model.errors import TaskCancelled, WorkerDied
from milepost.ports import TaskCall

GRACE = 0.05
"""Seconds that a body has, once it is cancelled and interrupted, to end; then its process is killed."""

_LOOK = 0.5
"""Seconds between looks whether the worker lives: a child that its body forked may hold its end of the pipes open."""


class Conversation:
    """All of it happens in the thread that asks: its context decides where the body's output goes."""

    def __init__(self, worker: WorkerProcess, call: TaskCall) -> None:
        self._worker = worker
        self._call = call
        self._answer: Finished | Raised | Declined | None = None
        self._kill_at: float | None = None
        self._echoes = {name: _Echo(name) for name in ("stdout", "stderr")}

    def ask(self, request: Request) -> Finished | Raised | Declined:
        """The answer; `Declined` when the worker ended before it began.

        Raises
        ------
        WorkerDied
            It ended while it worked on this request.
        TaskCancelled
            It was killed, as the body did not heed the signal.
        """
        unsubscribe = self._call.signal.on_cancel(self._worker.bell.ring)
        try:
            with contextlib.suppress(OSError):  # it is gone, which is noticed by listening
                self._worker.begun[0] = 0
                send(self._worker.connection, request)
            if self._worker.ready:
                self._call.started()
            while self._answer is None:
                self._listen()
            if self._kill_at is not None and isinstance(self._answer, Raised):
                self._worker.kill()  # with the processes that the body, once cancelled, had no time to end
            return self._answer
        except BaseException:
            self._worker.kill()
            raise
        finally:
            unsubscribe()
            for echo in self._echoes.values():
                echo.show(b"", last=True)

    def _listen(self) -> None:
        ready = self._worker.heard(self._patience())
        if "bell" in ready:
            self._worker.bell.still()
        # Before the messages: what was printed before an answer was sent is shown before it is taken.
        for name in self._echoes.keys() & ready:
            self._echoes[name].show(self._worker.printed(name))
        if "connection" in ready:
            self._receive()
        elif not ready and not self._worker.alive:
            self._died()
        if self._call.signal.cancelled and self._answer is None:
            self._cancel()

    def _patience(self) -> float:
        return _LOOK if self._kill_at is None else max(0.0, self._kill_at - time.monotonic())

    def _receive(self) -> None:
        try:
            message = receive(self._worker.connection)
        except (EOFError, OSError):
            self._died()
            return
        match message:
            case Progress():
                self._call.progress(message.message)
            case Ready():
                self._worker.ready = True
                self._call.started()
            case Declined():
                self._worker.usable = False
                self._answer = message
            case Finished() | Raised():
                self._worker.usable = not message.last
                self._answer = message

    def _cancel(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + GRACE
            with contextlib.suppress(OSError):
                send(self._worker.connection, Cancel(self._call.signal.reason))
                self._worker.interrupt()
        elif time.monotonic() >= self._kill_at:
            self._show_rest()
            raise TaskCancelled(self._call.signal.reason)  # on its way out the worker is killed

    def _died(self) -> None:
        self._show_rest()
        code = self._worker.kill()
        if self._call.signal.cancelled:
            raise TaskCancelled(self._call.signal.reason)
        if self._worker.begun[0] or self._worker.told is None:
            raise WorkerDied(self._obituary(code))
        self._answer = Declined()

    def _obituary(self, code: int) -> str:
        task, process = self._call.task.name, f"its worker process (pid {self._worker.pid})"
        if not self._worker.begun[0]:
            return f"task {task!r} could not begin: {process} did not start and {_ending(code)}"
        return f"task {task!r}: {process} {_ending(code)}"

    def _show_rest(self) -> None:
        for name, echo in self._echoes.items():
            echo.show(self._worker.printed(name))


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended itself with exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else "an unknown signal"
    hint = ", perhaps by the system when memory ran out" if -code == signal.SIGKILL else ""
    return f"was killed by signal {-code} ({name}){hint}"


class _Echo:
    """Writes bytes of a worker's stream to this process's stream of that name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(self, data: bytes, *, last: bool = False) -> None:
        text = self._decoder.decode(data, last)
        stream = getattr(sys, self._name)
        if text and stream is not None:
            with contextlib.suppress(OSError, ValueError):  # a closed stream must not cost the task's result
                stream.write(text)
                stream.flush()
