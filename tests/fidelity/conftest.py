"""Two servers for each worker of pytest, with different hash seeds: the kernels of a row take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.keys import signing_key

import milepost

ROOT = Path(__file__).parents[2]


class Server:
    """One running server."""

    def __init__(self, seed: int, home: Path) -> None:
        paths = [str(ROOT), str(Path(milepost.__file__).parents[1])]
        environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith(("MILEPOST_", "JPY_"))},
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONHASHSEED": str(seed),
            "MILEPOST_KEY_FILE": signing_key(home / "key"),
            "IPYTHONDIR": str(home / "ipython"),
            "MPLBACKEND": "agg",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        ours, theirs = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fidelity.server", str(ours)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[ours],
            env=environment,
            cwd=ROOT,
            text=True,
        )
        os.close(ours)
        self._orders = os.fdopen(theirs, "w")

    def run(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        """Have a kernel run; what it told."""
        self._orders.write(json.dumps(order) + "\n")
        self._orders.flush()
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer, "the server ended"
        told: list[dict[str, Any]] = json.loads(answer)
        return told

    def close(self) -> None:
        """No more orders come: it ends."""
        self._orders.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two servers whose hash seeds differ."""
    home = tmp_path_factory.mktemp("home")
    both = Server(1, home), Server(2, home)
    yield both
    for server in both:
        server.close()
