"""The main job, end to end: compute, kill the kernel in the middle, resume, and check that nothing ran twice.

Runs `01-quickstart.ipynb` in a real Jupyter kernel, kills that kernel with SIGKILL in the middle of a task, starts
another one, runs everything again and prints what was restored. Exits with 1 if a finished task ran again, or if a
value or an output differs from what the first kernel had.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager

NOTEBOOK = Path(__file__).with_name("01-quickstart.ipynb")
KILLED_TASK = "network"
"""The task in whose middle the first kernel dies."""

SECONDS_INTO_TASK = 3.0
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
RUN_LOG = "runs.log"
PATIENCE = 600


@dataclass
class Run:
    """What one kernel did: seconds, outputs of each cell, digests of each task's values, and the status rows."""

    seconds: float = 0.0
    outputs: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    status: list[dict[str, Any]] = field(default_factory=list)


class Kernel:
    """A real kernel on the notebook's copy."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager(kernel_name="python3")
        environment = {**os.environ, "JPY_SESSION_NAME": str(folder / NOTEBOOK.name)}
        self.log = (folder / "kernel.log").open("a")
        self.manager.start_kernel(cwd=str(folder), env=environment, stderr=self.log)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, source: str, cell_id: str, kill_when: Any = None) -> list[dict[str, Any]] | None:
        """The outputs of a cell; None if `kill_when` said to kill the kernel meanwhile."""
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}}
        message = self.client.session.msg("execute_request", {**content, "allow_stdin": False, "stop_on_error": True})
        message["metadata"] = {"cellId": cell_id}
        self.client.shell_channel.send(message)
        outputs: list[dict[str, Any]] = []
        while True:
            if kill_when is not None and kill_when():
                os.kill(self.manager.provisioner.pid, signal.SIGKILL)  # type: ignore[union-attr]
                return None
            try:
                answer = self.client.get_iopub_msg(timeout=0.1)
            except queue.Empty:
                continue
            if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return outputs
            if answer["msg_type"] == "error":
                sys.exit("\n".join(answer["content"]["traceback"]))
            if answer["msg_type"] in {"stream", "display_data", "execute_result"}:
                outputs.append({"type": answer["msg_type"], **answer["content"]})

    def printed(self, source: str) -> str:
        outputs = self.run(source, "") or []
        return "".join(output.get("text", "") for output in outputs if output["type"] == "stream")

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.log.close()


DIGESTS = """
import json as _json
from milepost.analysis.digest import digest as _digest
print(_json.dumps({{name: _digest(globals()[name], globals()).hex for name in {names!r} if name in globals()}}))
"""


def main() -> int:
    """Run, kill, resume, compare, print."""
    folder = Path(tempfile.mkdtemp(prefix="milepost-demo-"))
    try:
        cells = counted_cells(folder)
        print(f"1. computing, until the kernel is killed in the middle of {KILLED_TASK!r} …", flush=True)
        first = run_notebook(folder, cells, kill=True)
        print(f"   SIGKILL after {first.seconds:.0f} s. A new kernel:", flush=True)
        print("2. running all again …\n", flush=True)
        second = run_notebook(folder, cells, kill=False)
        print_table(second)
        faults = compare(first, second, (folder / RUN_LOG).read_text().split())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for fault in faults:
        print(f"WRONG: {fault}")
    print("\nEvery finished task came back, with the same values and outputs." if not faults else "")
    return 1 if faults else 0


def counted_cells(folder: Path) -> list[tuple[str, str]]:
    """A copy of the notebook whose tasks also append their name to a file, which counts what really ran."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = counted(cell.source)
    nbformat.write(notebook, folder / NOTEBOOK.name)
    return [(cell.source, cell.id) for cell in notebook.cells if cell.cell_type == "code"]


def counted(source: str) -> str:
    """A cell whose task writes its name into the log each time it runs."""
    lines = source.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("%%task ") or (line.startswith("def ") and "@task" in lines[:number]):
            name = line.split()[1].partition("(")[0]
            indent = "    " if line.startswith("def ") else ""
            lines.insert(number + 1, f"{indent}open({RUN_LOG!r}, 'a').write({name + chr(10)!r})")
            return "\n".join(lines)
    return source


def run_notebook(folder: Path, cells: list[tuple[str, str]], *, kill: bool) -> Run:
    """All cells in order; with `kill`, until some seconds into the chosen task."""
    kernel, run, begin = Kernel(folder), Run(), time.monotonic()
    trigger = KillTrigger(folder / RUN_LOG) if kill else None
    for number, (source, cell_id) in enumerate(cells):
        outputs = kernel.run(source, cell_id, trigger)
        if outputs is None:
            break
        run.outputs[number] = shown(outputs)
        run.seconds = time.monotonic() - begin
        run.status = json.loads(kernel.printed("%tasks status --json")) if number else []
        names = [name for row in run.status for name in row["outputs"]]
        run.digests.update(json.loads(kernel.printed(DIGESTS.format(names=names))))
    run.seconds = time.monotonic() - begin if kill else run.seconds
    kernel.close()
    return run


class KillTrigger:
    """True some seconds after the chosen task has written its name."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._seen = 0.0

    def __call__(self) -> bool:
        if not self._seen and self._log.exists() and KILLED_TASK in self._log.read_text().split():
            self._seen = time.monotonic()
        return bool(self._seen) and time.monotonic() - self._seen > SECONDS_INTO_TASK


def shown(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a cell itself showed: streams joined, Milepost's own notes and the live widget left out."""
    own: list[dict[str, Any]] = []
    for output in outputs:
        if output["type"] == "stream":
            if own and own[-1]["type"] == "stream":
                own[-1]["text"] += output["text"]
            else:
                own.append({"type": "stream", "text": output["text"]})
        elif (
            not output["metadata"].get("milepost") and "application/vnd.jupyter.widget-view+json" not in output["data"]
        ):
            own.append({"type": output["type"], "data": output["data"]})
    return own


def finished(run: Run) -> list[str]:
    """The tasks that had succeeded when a run ended."""
    return [row["name"] for row in run.status if row["state"] == "success" and row["why"]["kind"] != "saved"]


def compare(first: Run, second: Run, ran: list[str]) -> list[str]:
    """Everything that is not as it should be."""
    done = finished(first)
    rows = {row["name"]: row for row in second.status}
    faults = [f"{name!r} had finished, but ran again" for name in done if ran.count(name) != 1]
    faults += [f"{name!r} is not reported as restored" for name in done if not rows[name]["restored"]]
    faults += [f"the value of {n!r} differs" for n, digest in first.digests.items() if second.digests.get(n) != digest]
    cells = [n for n, outputs in first.outputs.items() if not is_status(outputs) and second.outputs[n] != outputs]
    faults += [f"the output of code cell {n + 1} differs" for n in cells]
    if not done or KILLED_TASK in done:
        faults.append("the kernel did not die in the middle of a task")
    return faults


def is_status(outputs: list[dict[str, Any]]) -> bool:
    """Whether a cell printed the status table, which says something else each time."""
    return any("state" in output.get("text", "")[:40] for output in outputs)


def print_table(run: Run) -> None:
    """Task, computed or restored, seconds, bytes, why; then the totals."""
    print(f"{'task':<11} {'':<9} {'seconds':>8} {'bytes':>11}  why")
    for row in run.status:
        how = "restored" if row["restored"] else "computed"
        print(f"{row['name']:<11} {how:<9} {row['seconds']:>8.2f} {row['bytes']:>11,}  {row['why']['text']}")
    saved = sum(row["seconds"] for row in run.status if row["restored"])
    computed = sum(row["seconds"] for row in run.status if not row["restored"])
    print(f"\nrestored: {saved:6.1f} s of work that was not done again")
    print(f"computed: {computed:6.1f} s; the second kernel needed {run.seconds:.1f} s in all")


if __name__ == "__main__":
    sys.exit(main())
