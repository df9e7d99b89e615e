"""One worker process, seen from its owner: starting it, and ending it with all that it started."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection, Pipe
from typing import IO, Any

from milepost.executors.remote.messages import module_path

EXIT = 1.5
"""Seconds that a worker which was told to end may take."""

_START = "import sys; sys.path[:] = {path!r}; from milepost.executors.remote.worker import main; main{arguments!r}"


class WorkerProcess:
    """Started when it is made; it ends by itself when this process ends, or after `idle` seconds without a request.

    A new interpreter, not a fork (threads run here) and not `multiprocessing` (which runs the main script again). It
    leads a process group of its own, so that a Ctrl-C in the terminal is ours to handle, and a kill takes the
    processes that a body started along.
    """

    def __init__(self, idle: float) -> None:
        self.new = True
        self.usable = True
        self.folder = tempfile.mkdtemp(prefix="milepost-worker-")
        self.connection, theirs = Pipe()
        self.bell = Bell()
        try:
            self._process = _start(theirs, self.folder, idle)
        except BaseException:
            self._free()
            raise
        finally:
            theirs.close()
        self.selector = self._selector()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def outputs(self) -> tuple[tuple[str, IO[bytes]], ...]:
        """The ends of the pipes to which it prints, without blocking, by the name of the stream."""
        assert self._process.stdout
        assert self._process.stderr
        return (("stdout", self._process.stdout), ("stderr", self._process.stderr))

    @property
    def alive(self) -> bool:
        """Whether it runs. One that has ended is left to `kill`: while nobody waited for it, its id is not reused."""
        if self._process.returncode is not None:
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # somebody else waited for it
            return False

    def end(self) -> None:
        """Tell it to end."""
        self.connection.close()

    def wait(self) -> None:
        """Wait until it has ended; kill it if it takes too long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT)
        self.kill()

    def kill(self) -> int:
        """End it at once, with all processes that it started; its exit code, or minus the signal that ended it."""
        self.usable = False
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._free()
        return code

    def _selector(self) -> selectors.BaseSelector:
        selector = selectors.DefaultSelector()
        selector.register(self.connection, selectors.EVENT_READ, "connection")
        selector.register(self.bell, selectors.EVENT_READ, "bell")
        for name, pipe in self.outputs:
            os.set_blocking(pipe.fileno(), False)
            selector.register(pipe, selectors.EVENT_READ, name)
        return selector

    def _free(self) -> None:
        self.connection.close()
        self.bell.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if hasattr(self, "selector"):
            self.selector.close()
            for _, pipe in self.outputs:
                pipe.close()


def _start(connection: Connection[Any, Any], folder: str, idle: float) -> subprocess.Popen[bytes]:
    arguments = (connection.fileno(), os.getpid(), folder, idle)
    code = _START.format(path=list(module_path()), arguments=arguments)
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return subprocess.Popen(
        [sys.executable, *flags, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(connection.fileno(),),
        start_new_session=True,
    )


class Bell:
    """Wakes the thread that listens to a worker, from any other thread."""

    def __init__(self) -> None:
        self._heard, self._rung = Pipe(duplex=False)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """For a selector."""
        return self._heard.fileno()

    def ring(self) -> None:
        """Wake it; nothing happens once it is closed."""
        with self._lock:
            if not self._rung.closed:
                self._rung.send_bytes(b"!")

    def still(self) -> None:
        """It was heard."""
        self._heard.recv_bytes()

    def close(self) -> None:
        """No more ringing."""
        with self._lock:
            self._heard.close()
            self._rung.close()
