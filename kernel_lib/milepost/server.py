"""For Jupyter's server: it looks more often whether kernels are alive, so that pages hear within a second of a death.

An installation switches it on (`jupyter server extension list`). It adds no address and reads nothing.
"""

from __future__ import annotations

from typing import Any

SECONDS = 0.4
"""Between two looks; Jupyter's own are 3 s apart. A look asks the system for the state of a child process."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Tell Jupyter's server where to find what follows."""
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Set how often kernels that start from now on are looked at, unless whoever runs the server has."""
    config = app.kernel_manager.config
    if "time_to_dead" not in config.KernelRestarter:
        config.KernelRestarter.time_to_dead = SECONDS
