"""Kernels for the tests of this folder: each in a folder of its own, closed whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.keys import signing_key
from tests.notebook.kernel import Kernel

Start = Callable[..., Kernel]


@pytest.fixture
def bare(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a kernel in the test's folder; an earlier one should be killed or closed first, as a restart would."""
    home = tmp_path_factory.mktemp("home")
    kernels: list[Kernel] = []

    def start(notebook: str = "nb.ipynb", **env: str) -> Kernel:
        own = {"MILEPOST_KEY_FILE": signing_key(home / "key"), "IPYTHONDIR": str(home / "ipython"), "NO_COLOR": "1"}
        kernels.append(Kernel(tmp_path, notebook, **{**own, **env}))
        return kernels[-1]

    yield start
    for kernel in kernels:
        kernel.close()


@pytest.fixture
def start(bare: Start) -> Start:
    """Like `bare`, with the extension loaded."""

    def loaded(notebook: str = "nb.ipynb", **env: str) -> Kernel:
        kernel = bare(notebook, **env)
        kernel.run_ok("%load_ext milepost")
        return kernel

    return loaded
