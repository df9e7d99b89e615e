"""One worker process, seen from its owner: starting it, and ending it with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection, Pipe
from typing import Any

from milepost.executors.remote.files import open_flag
from milepost.executors.remote.surroundings import Surroundings, module_path

EXIT = 1.5
"""Seconds that a worker which was told to end may take."""

_PIPE = 1024 * 1024
"""The most bytes that a pipe holds: a single read gets all that was written before."""

_START = "import sys; sys.path[:] = {path!r}; from milepost.executors.remote.worker import main; main{arguments!r}"


class WorkerProcess:
    """Started when it is made; it ends by itself when this process ends, or after `idle` seconds without a request.

    A new interpreter, not a fork (threads run here) and not `multiprocessing` (which runs the main script again). It
    leads a process group of its own, so that a Ctrl-C in the terminal is ours to handle, and a kill takes the
    processes that a body started along.
    """

    def __init__(self, idle: float) -> None:
        self.usable = True
        self.ready = False
        self.told: Surroundings | None = None
        self.folder = tempfile.mkdtemp(prefix="milepost-worker-")
        self.begun = open_flag(self.folder)
        self.connection, theirs = Pipe()
        self.bell = Bell()
        lifeline, self._lifeline = Pipe(duplex=False)
        self._outputs: dict[str, Any] = {}
        self._poll, self._names = select.poll(), dict[int, str]()
        try:
            self._process = _start(theirs, lifeline, self.folder, idle)
        except BaseException:
            self._free()
            raise
        finally:
            theirs.close()
            lifeline.close()
        self._outputs = {"stdout": self._process.stdout, "stderr": self._process.stderr}
        for pipe in self._outputs.values():
            os.set_blocking(pipe.fileno(), False)
        self._listen_to(connection=self.connection, bell=self.bell, **self._outputs)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def heard(self, timeout: float) -> set[str]:
        """What there is to read within so many seconds: "connection", "bell", "stdout", "stderr"."""
        return {self._names[descriptor] for descriptor, _ in self._poll.poll(timeout * 1000)}

    def printed(self, name: str) -> bytes:
        """All that was printed to "stdout" or "stderr" and not read yet."""
        pipe = self._outputs[name]
        data: bytes | None = pipe.read(_PIPE)
        if data == b"" and pipe.fileno() in self._names:  # the body closed it
            self._poll.unregister(pipe)
            del self._names[pipe.fileno()]
        return data or b""

    @property
    def ended(self) -> bool:
        """Whether `kill` or `wait` has seen its end."""
        return self._process.returncode is not None

    @property
    def alive(self) -> bool:
        """Whether it runs. One that has ended is left to `kill`: while nobody waited for it, its id is not reused."""
        if self.ended:
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # somebody else waited for it
            return False

    def interrupt(self) -> None:
        """Have it look for a message; before it begins with a request it looks by itself."""
        if self.begun[0] and self.alive:
            os.kill(self.pid, signal.SIGINT)

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
        if not self.ended:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        self._free()
        return code

    def _listen_to(self, **sources: Any) -> None:
        for name, source in sources.items():
            self._poll.register(source, select.POLLIN)
            self._names[source.fileno()] = name

    def _free(self) -> None:
        self.connection.close()
        self.bell.close()
        self._lifeline.close()
        for pipe in self._outputs.values():
            pipe.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _start(
    connection: Connection[Any, Any], lifeline: Connection[Any, Any], folder: str, idle: float
) -> subprocess.Popen[bytes]:
    arguments = (connection.fileno(), lifeline.fileno(), os.getpid(), folder, idle)
    code = _START.format(path=list(module_path()), arguments=arguments)
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return subprocess.Popen(
        [sys.executable, *flags, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        pass_fds=(connection.fileno(), lifeline.fileno()),
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
