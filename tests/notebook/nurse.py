"""The process of a nursery (see `nursery`). It is run as a file: so nothing of the tests is on its kernels' path."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, NoReturn

del sys.path[0]
os.environ["JPY_PARENT_PID"] = str(os.getpid())  # read when it is loaded: a kernel ends with its nursery

import ipykernel.inprocess  # noqa: E402
import ipykernel.kernelapp  # noqa: E402
import ipykernel.zmqshell  # noqa: E402

import milepost.notebook.extension  # noqa: E402, F401


def main() -> None:
    """Fork a kernel for each line of stdin; its process id comes on stdout."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    while line := sys.stdin.buffer.raw.readline():  # type: ignore[attr-defined]
        pid = os.fork()
        if pid == 0:
            _become_kernel(json.loads(line))
        os.write(1, b"%d\n" % pid)


def _become_kernel(order: dict[str, Any]) -> NoReturn:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["ipykernel_launcher", *order["arguments"]]
    ipykernel.kernelapp.launch_new_instance()
    sys.exit()


if __name__ == "__main__":
    main()
