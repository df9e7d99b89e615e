"""What a worker process does: waits for requests, calls bodies in its main thread, and ends when its owner is gone."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import inspect
import io
import os
import select
import shutil
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from milepost.executors.remote import current
from milepost.executors.remote.errors import to_message
from milepost.executors.remote.files import open_flag, write
from milepost.executors.remote.lifeline import hold
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
from milepost.executors.remote.modules import LoadedModules
from milepost.executors.remote.payload import Parcel, pack
from milepost.executors.remote.surroundings import Surroundings
from milepost.executors.remote.usage import Usage
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TransferError
from milepost.tracking.report import progress_text

EXIT = 1.0
"""Seconds that ending may take, for what libraries do at exit, before the process and its children are killed."""

_OWNER_CHECK = 1.0
"""Seconds between looks whether the owner lives: a child that it forked may hold its end of the connection open."""

_OWN_THREADS = 2
"""The main thread and the watching one."""


def main(descriptor: int, lifeline: int, owner: int, folder: str, idle: float) -> None:
    """Serve the process `owner` over the socket `descriptor`, with `folder` for large results.

    Ends by itself once there was nothing to do for `idle` seconds, or the pipe `lifeline` is closed.
    """
    faulthandler.enable()
    hold(lifeline)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=False)
    connection: Connection[Any, Any] = Connection(descriptor)
    # A child that a body forks must not keep the connection open after this process.
    os.register_at_fork(after_in_child=connection.close)
    Worker(connection, owner, folder, idle).serve()


class Worker:
    """One owner's worker, one request at a time, all in its main thread."""

    def __init__(self, connection: Connection[Any, Any], owner: int, folder: str, idle: float) -> None:
        self._connection = connection
        self._owner = owner
        self._pid = os.getpid()
        self._folder = folder
        self._idle = idle
        self._signal = CancelSignal()
        self._interruptible = False
        self._interrupted = False
        self._sending = threading.Lock()
        self._arrived = select.poll()
        self._arrived.register(connection, select.POLLIN)
        self._surroundings = Surroundings.here()
        self._modules = LoadedModules()
        self._begun = open_flag(folder)

    def serve(self) -> None:
        """Until the owner is gone, or there is nothing to do."""
        threading.Thread(target=self._watch, name="milepost-watch", daemon=True).start()
        try:
            with contextlib.suppress(EOFError, OSError):
                self._send(Ready())
                while request := self._next():
                    self._send(self._answer(request))
                    self._modules.remember()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self) -> Request | None:
        """The next request, None when this process should end."""
        signal.signal(signal.SIGINT, self._on_interrupt)  # a body may have set another
        request: Request | Cancel | None = Cancel("")
        while isinstance(request, Cancel):  # it came too late
            request = receive(self._connection) if self._arrived.poll(self._idle * 1000) else None
        if request is None or self._modules.changed():
            self._send(Declined())
            return None
        return request

    # a call

    def _answer(self, request: Request) -> Finished | Raised:
        usage, self._signal = Usage(), CancelSignal()
        self._begun[0] = 1
        try:
            self._interruptible = self._interrupted = True  # for a cancel that came before
            self._heed()
            parcel = self._pack(self._call(request), request.task)
            self._interruptible = False
            return Finished(parcel, _threads_left(), usage.seconds(), usage.cpu(), usage.peak_bytes())
        except BaseException as error:  # also a SystemExit, which would end this process
            self._interruptible = False
            error.__traceback__ = _own_part(error)
            answer = to_message(error, last=_threads_left())
            error.__traceback__ = None  # its frames hold the arguments
            return answer
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()

    def _call(self, request: Request) -> Any:
        self._surroundings = request.surroundings or self._surroundings
        self._surroundings.enter()
        current.begin(self._signal, self._progress)
        body, arguments = _opened(request.parcel, request.task)
        try:
            value = body(**arguments)
            return asyncio.run(value) if inspect.iscoroutine(value) else value
        finally:
            if os.getpid() != self._pid:
                _end_fork()

    def _pack(self, value: Any, task: str) -> Parcel:
        try:
            return pack(value, lambda data: write(self._folder, data))
        except TransferError:
            raise
        except Exception as error:
            kind = type(value).__qualname__
            why = str(error).rstrip(".")
            words = f"task {task!r}: its result ({kind}) cannot be sent back from its worker process: {why}"
            advice = 'Return plain data (a list instead of a generator, say), or run it in this process (on="threads")'
            raise TransferError(f"{words}. {advice}") from error

    # a cancel

    def _on_interrupt(self, number: int, frame: object) -> None:
        self._interrupted = True
        if self._interruptible:
            self._heed()

    def _heed(self) -> None:
        """Raise KeyboardInterrupt if the owner has cancelled this request: only its message says so, not the signal."""
        if not self._interrupted:
            return
        self._interrupted = False
        if self._arrived.poll(0):  # nobody else reads while a body runs, and nothing else is sent
            self._signal.cancel(receive(self._connection).reason)
            raise KeyboardInterrupt

    def _progress(self, done: Any, total: float | None = None, message: str = "") -> None:
        text = progress_text(done, total, message)
        if threading.current_thread() is not threading.main_thread():
            self._send(Progress(text))
            return
        self._interruptible = False  # not in the middle of a message
        self._send(Progress(text))
        self._interruptible = True
        self._heed()

    # the connection

    def _send(self, message: NamedTuple) -> None:
        with self._sending, contextlib.suppress(OSError):  # the owner is gone: the watching thread sees to that
            send(self._connection, message)

    def _watch(self) -> None:
        """Wait for the owner's end, then see that this process ends too: in order if it is idle, else at once."""
        hangup = select.poll()
        hangup.register(self._connection, 0)
        while not hangup.poll(_OWNER_CHECK * 1000) and os.getppid() == self._owner:
            pass
        if not self._interruptible:
            time.sleep(EXIT)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


def _opened(parcel: Parcel, task: str) -> Any:
    try:
        with current.opening():
            return parcel.open()
    except Exception as error:
        words = f"task {task!r}: its body or arguments cannot be built again in a worker process"
        raise TransferError(f"{words}: {type(error).__name__}: {error}") from error


def _threads_left() -> bool:
    """Whether threads of the body run on: what they print or tell would go to the next task."""
    return threading.active_count() > _OWN_THREADS


def _end_fork() -> None:
    """End the child that a body forked and that has come to the body's end, where its parent answers."""
    error = sys.exc_info()[1]
    if error is not None:
        traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(error is not None)


def _own_part(error: BaseException) -> Any:
    """The traceback from the body's own frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace
