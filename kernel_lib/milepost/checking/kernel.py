"""One kernel of a check: runs cells as JupyterLab does, answers what it holds, and is killed."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import KernelManager

from milepost.checking.source import Cell
from milepost.checking.workplace import Workplace
from milepost.model.errors import MilepostError, UsageError
from milepost.notebook.recorder import Output, Recorder

_START = 120.0
"""Seconds in which a kernel has to be there."""

_QUIET = 10.0
"""Seconds after which a check first says what it waits for."""

_PROBE = "__import__('milepost.checking.probe', fromlist=['answer']).answer({path!r}, {question!r})"


@dataclass(frozen=True, slots=True)
class Ran:
    """How one cell ended: its outputs as they are at last, its seconds, and what went wrong ("" if nothing)."""

    number: int
    outputs: tuple[Output, ...]
    seconds: float
    error: str = ""
    stops: bool = False
    """Whether nothing can run after it."""


class CheckKernel:
    """A kernel process in the workplace; a context manager that kills it in the end."""

    def __init__(self, place: Workplace, name: str, timeout: float, tell: Callable[[str], None]) -> None:
        self._place, self._timeout, self._tell = place, timeout, tell
        self._doing = "starting the kernel"
        self._sockets = tempfile.TemporaryDirectory(prefix="milepost-")
        # Sockets in a folder of our own: no races for free ports. Windows has none.
        local = {"transport": "ipc", "ip": os.path.join(self._sockets.name, "kernel")} if os.name == "posix" else {}
        self._manager = KernelManager(kernel_name=name, **local)
        environment = {**os.environ, **place.environment()}
        silent = ["--HistoryManager.hist_file=:memory:"]  # the user's history is not ours to write
        self._manager.start_kernel(cwd=str(place.notebook.parent), env=environment, extra_arguments=silent)
        self._client = self._manager.client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=_START)
        except RuntimeError as error:
            self.kill()
            raise MilepostError(f"the kernel {name!r} does not start: {error}") from None

    def __enter__(self) -> CheckKernel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def run(self, cell: Cell) -> Ran:
        """Run a cell to its end, or to the time limit."""
        began = time.perf_counter()
        self._doing = f"cell {cell.number}"
        recorder = Recorder()
        message = self._send(cell.source, {"cellId": cell.cell_id}, silent=False)
        trouble = self._listen(message, recorder, time.monotonic() + self._timeout)
        seconds = time.perf_counter() - began
        outputs = tuple(recorder.outputs)
        if trouble:
            return Ran(cell.number, outputs, seconds, trouble, stops=True)
        reply = self._reply(message)
        error = f"{reply.get('ename')}: {reply.get('evalue')}" if reply.get("status") == "error" else ""
        return Ran(cell.number, outputs, seconds, error)

    def prepare(self, code: str) -> None:
        """Run code that leaves no trace in the history."""
        reply = self._quietly(code)
        if reply.get("status") != "ok":
            words = f"{reply.get('ename')}: {reply.get('evalue')}"
            raise MilepostError(f"the kernel cannot run {code!r}: {words}")

    def ask(self, **question: Any) -> dict[str, Any]:
        """What the probe in the kernel answers; no name is bound and nothing is shown for it."""
        path = self._place.scratch()
        call = _PROBE.format(path=str(path), question=json.dumps(question))
        answer = self._quietly("", {"probe": call}).get("user_expressions", {}).get("probe", {})
        if answer.get("status") != "ok":
            words = f"{answer.get('ename')}: {answer.get('evalue')}"
            raise MilepostError(f"the kernel cannot be asked what it holds; is Milepost installed in it? ({words})")
        return dict(json.loads(path.read_text("utf-8")))

    def kill(self) -> None:
        """SIGKILL, with the processes that it started."""
        pid = getattr(self._manager.provisioner, "pid", None)
        if pid and os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._sockets.cleanup()

    # messages

    def _send(self, code: str, metadata: dict[str, str], *, silent: bool, asked: dict[str, str] | None = None) -> str:
        content = {"code": code, "silent": silent, "store_history": not silent, "user_expressions": asked or {}}
        message = self._client.session.msg("execute_request", {**content, "allow_stdin": False, "stop_on_error": False})
        message["metadata"] = metadata
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def _quietly(self, code: str, asked: dict[str, str] | None = None) -> dict[str, Any]:
        self._doing = "looking at what the kernel holds" if asked else code
        message = self._send(code, {}, silent=True, asked=asked)
        trouble = self._listen(message, Recorder(), time.monotonic() + max(self._timeout, _START))
        if trouble:
            raise MilepostError(f"the kernel does not answer between cells: {trouble}")
        return self._reply(message)

    def _listen(self, message: str, recorder: Recorder, deadline: float) -> str:
        """Take what a cell shows until it has ended; what went wrong meanwhile."""
        patience = Patience(self._tell, self._doing)
        while True:
            patience.tell()
            try:
                heard = self._client.get_iopub_msg(timeout=max(0.0, min(1.0, deadline - time.monotonic())))
            except queue.Empty:
                if not self._manager.is_alive():
                    return "its kernel died"
                if time.monotonic() >= deadline:
                    return f"it did not end within {self._timeout:g} s (see --timeout)"
                continue
            if heard["parent_header"].get("msg_id") != message:
                continue
            if heard["msg_type"] == "status" and heard["content"]["execution_state"] == "idle":
                return ""
            _record(recorder, heard["msg_type"], heard["content"])

    def _reply(self, message: str) -> dict[str, Any]:
        while True:
            try:
                reply = self._client.get_shell_msg(timeout=_START)
            except queue.Empty:
                raise MilepostError(f"the kernel does not say how {self._doing} ended") from None
            if reply["parent_header"].get("msg_id") == message:
                return dict(reply["content"])


@dataclass(slots=True)
class Patience:
    """Tells now and then what is being waited for: after `_QUIET` seconds, then after twice as many, and so on."""

    say: Callable[[str], None]
    doing: str
    began: float = field(default_factory=time.monotonic)
    next: float = _QUIET

    def tell(self) -> None:
        """Say so, if it is time."""
        waited = time.monotonic() - self.began
        if waited >= self.next:
            self.say(f"{self.doing}: running for {waited:.0f} s")
            self.next *= 2


def _record(recorder: Recorder, kind: str, content: dict[str, Any]) -> None:
    if kind == "stream":
        recorder.stream(content["name"], content["text"])
    elif kind == "clear_output":
        recorder.clear(bool(content.get("wait")))
    elif kind == "execute_result":
        recorder.result(content["data"], content.get("metadata"))
    elif kind in {"display_data", "update_display_data"}:
        update = kind == "update_display_data"
        recorder.display(content["data"], content.get("metadata"), content.get("transient"), update)


def kernel_name(asked: str, noted: str) -> str:
    """The kernel to start: the one asked for, else the one that the notebook names, else `python3`.

    Raises
    ------
    UsageError
        Where there is no such kernel, or it runs no Python.
    """
    name = asked or noted or "python3"
    specs = KernelSpecManager()
    try:
        spec = specs.get_kernel_spec(name)
    except NoSuchKernel:
        there = ", ".join(sorted(specs.find_kernel_specs())) or "none"
        whose = "" if asked else ", which the notebook names"
        raise UsageError(f"there is no kernel {name!r}{whose}; there are: {there} (see --kernel)") from None
    if spec.language.lower() != "python":
        raise UsageError(f"the kernel {name!r} runs {spec.language}, and Milepost is for Python")
    return name
