"""A real kernel for tests: run cells as a front end would, kill it, start another on the same folder."""

from __future__ import annotations

import json
import os
import queue
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager
from tests.notebook.nursery import Nursed

TIMEOUT = 120

# Bodies in these tests note in `ran.milepost` that they ran: by its suffix it is no data of theirs, but Milepost's own.


@dataclass
class Reply:
    """What running one cell gave."""

    status: str = ""
    ename: str = ""
    evalue: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stdout(self) -> str:
        return "".join(o["text"] for o in self.outputs if o["type"] == "stream" and o["name"] == "stdout")

    @property
    def stamps(self) -> list[str]:
        """The notes of Milepost itself."""
        marked = [o for o in self.outputs if o.get("metadata", {}).get("milepost")]
        return [o["data"]["text/plain"] for o in marked]

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What the cell itself showed: without stamps, streams joined."""
        own = [o for o in self.outputs if not o.get("metadata", {}).get("milepost") and o["type"] != "status"]
        joined: list[dict[str, Any]] = []
        for output in own:
            last = joined[-1] if joined else {}
            if output["type"] == "stream" == last.get("type") and last["name"] == output["name"]:
                last["text"] += output["text"]
            else:
                joined.append(dict(output))
        return joined

    @property
    def traceback(self) -> str:
        return "\n".join("\n".join(o["traceback"]) for o in self.outputs if o["type"] == "error")

    def ok(self) -> Reply:
        assert self.status == "ok", f"{self.ename}: {self.evalue}\n{self.traceback}"
        return self


class Kernel:
    """One kernel process in a folder."""

    def __init__(self, folder: Path, notebook: str = "nb.ipynb", **env: str) -> None:
        self.folder = folder
        self._sockets = tempfile.TemporaryDirectory(prefix="milepost-")
        address = os.path.join(self._sockets.name, "kernel")
        self.manager = KernelManager(kernel_name="python3", transport="ipc", ip=address)  # no races for free ports
        session = {"JPY_SESSION_NAME": str(folder / notebook)} if notebook else {}
        environment = {**os.environ, **session, **env}
        environment.pop("JPY_SESSION_NAME", None) if not notebook else None
        self.manager.provisioner = Nursed(
            kernel_id=folder.name, kernel_spec=self.manager.kernel_spec, parent=self.manager
        )
        self.manager.start_kernel(cwd=str(folder), env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT)

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def send(self, code: str, cell_id: str = "") -> str:
        """Ask for a cell to be run; its message id."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = self.client.session.msg("execute_request", {**content, "stop_on_error": False})
        message["metadata"] = {"cellId": cell_id} if cell_id else {}
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def finish(self, msg_id: str, until: str = "") -> Reply:
        """Wait for a cell's end (or until its printed text or a stamp holds `until`)."""
        reply = Reply()
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                assert self.manager.is_alive(), "the kernel died"
                continue
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return self._closed(reply, msg_id)
            if kind in {"stream", "display_data", "execute_result", "error", "update_display_data", "clear_output"}:
                reply.outputs.append({"type": kind, **content})
            if until and until in reply.stdout + "".join(reply.stamps):
                return reply
        raise TimeoutError(msg_id)

    def _closed(self, reply: Reply, msg_id: str) -> Reply:
        while True:
            message = self.client.get_shell_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == msg_id:
                content = message["content"]
                reply.status = content["status"]
                reply.ename, reply.evalue = content.get("ename", ""), content.get("evalue", "")
                return reply

    def run(self, code: str, cell_id: str = "") -> Reply:
        """Run a cell to its end."""
        return self.finish(self.send(code, cell_id))

    def run_ok(self, code: str, cell_id: str = "") -> Reply:
        return self.run(code, cell_id).ok()

    def value(self, expression: str) -> Any:
        """An expression's value, by JSON."""
        text = self.run_ok(f"import json as _json; print(_json.dumps({expression}))").stdout
        return json.loads(text.splitlines()[-1])

    def status(self) -> dict[str, dict[str, Any]]:
        """`%tasks status --json`, by name."""
        return {row["name"]: row for row in json.loads(self.run_ok("%tasks status --json").stdout)}

    def request(self, action: str, **more: Any) -> dict[str, Any]:
        """A request on the control channel, as the widget's buttons send it."""
        message = self.client.session.msg("milepost_request", {"action": action, **more})
        self.client.control_channel.send(message)
        while True:
            answer = self.client.control_channel.get_msg(timeout=TIMEOUT)
            if answer["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return dict(answer["content"])

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def kill(self) -> None:
        """SIGKILL, at once."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def interrupt(self) -> None:
        """The stop button."""
        self.manager.interrupt_kernel()

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self._sockets.cleanup()
