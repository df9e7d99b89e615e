"""The extension of Jupyter's server, as a real server loads it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from traitlets.config import Config

from milepost import server

FILE = Path(__file__).parents[1] / "labextension" / "server.json"


def test_the_file_that_is_installed_names_the_module() -> None:
    assert json.loads(FILE.read_text()) == {"ServerApp": {"jpserver_extensions": {server.__name__: True}}}
    assert server._jupyter_server_extension_points() == [{"module": "milepost.server"}]


@pytest.mark.parametrize(("chosen", "then"), [({}, server.SECONDS), ({"time_to_dead": 7.0}, 7.0)])
def test_a_person_s_choice_stands(chosen: dict[str, float], then: float) -> None:
    config = Config({"KernelRestarter": chosen})
    server._load_jupyter_server_extension(SimpleNamespace(kernel_manager=SimpleNamespace(config=config)))
    assert config.KernelRestarter.time_to_dead == then
