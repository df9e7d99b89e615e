"""Kernels that start in a tenth of the time: forked from a process that has IPython and Milepost loaded already.

They are kernels like others, each a process of its own, with the environment, folder and arguments that were asked for;
only what they import is there. Where the hash seed is random, it is so in each nursery, and kernels in a row come from
several.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

RANDOM_SEEDS = 2
"""Nurseries whose hash seed is random."""


class Child:
    """A kernel's process, as far as `LocalProvisioner` needs a `subprocess.Popen`. It is no child of this process."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.told = 0
        """The last signal that `Nursed` sent."""

    def poll(self) -> int | None:
        """None while it runs; its nursery leaves no zombie, and so no other word of how it ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return -signal.SIGKILL if self.told == signal.SIGKILL else 0
        return None

    @property
    def returncode(self) -> int | None:
        """How it ended, as far as that is known."""
        return self.poll()

    def wait(self) -> int:
        """Until it has ended."""
        while (code := self.poll()) is None:
            time.sleep(0.001)
        return code

    def send_signal(self, number: int) -> None:
        """To the process alone, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Nursed(LocalProvisioner):
    """Has a nursery start the kernel."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Start it; `cmd` is what would start it otherwise."""
        nursery = _nursery_for(options["env"])
        pid = nursery.bear(cmd[cmd.index("-f") :], str(options["cwd"]), options["env"])
        self.process, self.pid, self.pgid, self.cwd = Child(pid), pid, pid, options["cwd"]
        return self.connection_info

    async def send_signal(self, signum: int) -> None:
        """To all processes of the kernel."""
        if isinstance(self.process, Child):
            self.process.told = signum
        await super().send_signal(signum)


class Nursery:
    """One process with one hash seed; it ends with this process, and its kernels with it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        command = [sys.executable, str(Path(__file__).with_name("nurse.py"))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=dict(env), stdin=pipe, stdout=pipe, text=True)

    def bear(self, arguments: list[str], folder: str, env: Mapping[str, str]) -> int:
        """The process of a new kernel."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": arguments, "folder": folder, "env": dict(env)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


_nurseries: dict[tuple[Any, ...], Nursery] = {}
_turn = itertools.count()


def _nursery_for(env: Mapping[str, str]) -> Nursery:
    """The one whose interpreter was started with the same settings."""
    settings = tuple(sorted((name, value) for name, value in env.items() if name.startswith("PYTHON")))
    key = settings if "PYTHONHASHSEED" in env else (*settings, next(_turn) % RANDOM_SEEDS)
    if key not in _nurseries:
        _nurseries[key] = Nursery(env)
    return _nurseries[key]
