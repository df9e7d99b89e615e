"""What a worker process does: waits for requests, calls bodies in its main thread, and ends when its owner is gone."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import inspect
import io
import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from milepost.executors.remote import current
from milepost.executors.remote.errors import to_message
from milepost.executors.remote.files import write
from milepost.executors.remote.messages import Begun, Cancel, Declined, Finished, Progress, Raised, Request
from milepost.executors.remote.modules import LoadedModules
from milepost.executors.remote.payload import Parcel, pack
from milepost.executors.remote.usage import Usage
from milepost.model.cancel import CancelSignal
from milepost.model.errors import TransferError

EXIT = 1.0
"""Seconds that ending may take, for what libraries do at exit, before the process and its children are killed."""

_OWNER_CHECK = 1.0
"""Seconds between looks whether the owner lives: a child that it forked may hold its end of the connection open."""


def main(descriptor: int, owner: int, folder: str, idle: float) -> None:
    """Serve the process `owner` over the socket `descriptor`, with `folder` for large results.

    Ends by itself once there was nothing to do for `idle` seconds.
    """
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    connection = Connection(descriptor)
    # A child that a body forks must not keep the connection open after this process.
    os.register_at_fork(after_in_child=connection.close)
    Worker(connection, owner, folder, idle).serve()


class Worker:
    """One owner's worker, one request at a time."""

    def __init__(self, connection: Connection, owner: int, folder: str, idle: float) -> None:
        self._connection = connection
        self._owner = owner
        self._folder = folder
        self._idle = idle
        self._requests: queue.SimpleQueue[tuple[Request, CancelSignal] | None] = queue.SimpleQueue()
        self._signal: CancelSignal | None = None
        self._interruptible = False
        self._sending = threading.Lock()
        self._modules = LoadedModules()

    def serve(self) -> None:
        """Until the owner is gone, or there is nothing to do."""
        threading.Thread(target=self._listen, name="milepost-listen", daemon=True).start()
        try:
            while request := self._next():
                signal.signal(signal.SIGINT, self._on_interrupt)  # a body may have set another
                self._send(Begun())
                self._send(self._answer(*request))
                self._modules.remember()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self) -> tuple[Request, CancelSignal] | None:
        """The next request, None when this process should end."""
        try:
            request = self._requests.get(timeout=self._idle)
        except queue.Empty:
            request = None
        if request is None or self._modules.changed():
            self._send(Declined())
            return None
        return request

    # a call

    def _answer(self, request: Request, cancelled: CancelSignal) -> Finished | Raised:
        usage = Usage()
        try:
            with self._interrupts():
                cancelled.raise_if_cancelled()
                value = self._call(request, cancelled)
                parcel = self._pack(value, request.task)
            return Finished(parcel, usage.cpu(), usage.peak_bytes())
        except BaseException as error:  # also a SystemExit, which would end this process
            error.__traceback__ = _own_part(error)
            answer = to_message(error)
            error.__traceback__ = None  # its frames hold the arguments
            return answer
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()

    def _call(self, request: Request, cancelled: CancelSignal) -> Any:
        request.surroundings.enter()
        current.begin(cancelled, lambda message: self._send(Progress(str(message))))
        body, arguments = _opened(request.parcel, request.task)
        value = body(**arguments)
        return asyncio.run(value) if inspect.iscoroutine(value) else value

    def _pack(self, value: Any, task: str) -> Parcel:
        try:
            return pack(value, lambda data: write(self._folder, data))
        except TransferError:
            raise
        except Exception as error:
            kind = type(value).__qualname__
            words = f"task {task!r}: its result ({kind}) cannot be sent back from its worker process: {error}"
            advice = 'Return plain data (a list instead of a generator, say), or run it in this process (on="threads")'
            raise TransferError(f"{words}. {advice}") from error

    # interrupts

    @contextlib.contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Inside, a cancel raises KeyboardInterrupt; outside it must not, as half a message would be sent."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _on_interrupt(self, number: int, frame: object) -> None:
        if self._interruptible:
            raise KeyboardInterrupt

    # the connection

    def _send(self, message: Any) -> None:
        with self._sending, contextlib.suppress(OSError):  # the owner is gone: the listening thread sees to that
            self._connection.send(message)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while self._owner_lives():
                message = self._connection.recv()
                if isinstance(message, Cancel):
                    self._cancel(message.reason)
                else:
                    self._signal = CancelSignal()
                    self._requests.put((message, self._signal))
        self._end()

    def _owner_lives(self) -> bool:
        """Wait for a message; whether there is one."""
        while not self._connection.poll(_OWNER_CHECK):
            if os.getppid() != self._owner:
                return False
        return True

    def _cancel(self, reason: str) -> None:
        if self._signal is not None:
            self._signal.cancel(reason)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    def _end(self) -> None:
        """End in order if nothing runs, else at once, with all that was started from here."""
        if not self._interruptible:
            self._requests.put(None)
            time.sleep(EXIT)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)


def _opened(parcel: Parcel, task: str) -> Any:
    try:
        return parcel.open()
    except Exception as error:
        words = f"task {task!r}: its body or arguments cannot be built again in a worker process"
        raise TransferError(f"{words}: {type(error).__name__}: {error}") from error


def _own_part(error: BaseException) -> Any:
    """The traceback from the body's own frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace
