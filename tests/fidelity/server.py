"""Forks a process for each kernel of a row, and kills it: `python -m tests.fidelity.server`.

One server has one PYTHONHASHSEED, and everything loaded that all rows need, so that a kernel starts in milliseconds.
Orders come as lines of JSON; the answer, one line for each, has what the kernel told until it was killed. That is when
it has told the values of its variables: it cleans up nothing.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from typing import Any

import numpy  # noqa: F401
import pandas  # noqa: F401
from tests.fidelity.session import report_to, run_session
from tests.fidelity.shell import Shell, make_shell

import milepost.notebook.extension  # noqa: F401

SECONDS = 60.0
"""After which a kernel counts as hanging."""


def main() -> None:
    """Serve until stdin ends."""
    shell = make_shell()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    for line in os.fdopen(int(sys.argv[1])):
        answers.write(json.dumps(_serve(shell, json.loads(line))) + "\n")
        answers.flush()


def _serve(shell: Shell, order: dict[str, Any]) -> list[dict[str, Any]]:
    """What one kernel told."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _kernel(shell, order, theirs)
    os.close(theirs)
    try:
        told = _listen(ours)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ours)
    return [json.loads(line) for line in told.splitlines() if line]


def _kernel(shell: Shell, order: dict[str, Any], pipe: int) -> None:
    """The forked process; it waits to be killed."""
    try:
        run_session(shell, order, report_to(pipe))
    except BaseException:
        report_to(pipe)({"broken": traceback.format_exc()})
    while True:
        signal.pause()


def _listen(pipe: int) -> bytes:
    """All lines until the last one, the end of the process, or the end of patience."""
    told, until = b"", time.monotonic() + SECONDS
    while not told.rpartition(b"\n")[0].rpartition(b"\n")[2].startswith((b'{"values"', b'{"broken"')):
        ready, _, _ = select.select([pipe], [], [], max(until - time.monotonic(), 0))
        if not ready:
            return told.rpartition(b"\n")[0] + b'\n{"broken": "it hangs"}'
        data = os.read(pipe, 1 << 16)
        if not data:
            break
        told += data
    return told.rpartition(b"\n")[0]


if __name__ == "__main__":
    main()
