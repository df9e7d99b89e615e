"""What `pip install .` brings: the wheel is built, installed in an environment of its own, and asked for by Jupyter."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUNDLE, WIDGET = 300_000, 100_000
"""The most bytes that a page loads, and that the live widget sends to a page."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("milepost-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, which finds other packages where this Python does."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip("install", str(wheel), python=python)
    where = subprocess.run([python, "-c", _SITE], check=True, capture_output=True, text=True).stdout.strip()
    (Path(where) / "others.pth").write_text(sysconfig.get_path("purelib"))
    return python


_SITE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def pip(command: str, *arguments: str, python: Path | None = None) -> None:
    which = ["--python", str(python)] if python else []
    flags = ["--quiet", "--disable-pip-version-check"]
    line = [sys.executable, "-m", "pip", *which, command, *flags, "--no-deps", "--no-index", *arguments]
    subprocess.run(line, check=True, env=plain())


def plain() -> dict[str, str]:
    """The environment without what points to a working copy."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "JUPYTER_PATH")}


def ask(python: Path, *command: str) -> str:
    """What a command of Jupyter prints, with no configuration but the environment's own."""
    home = python.parents[1] / "home"
    env = {**plain(), "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home)}
    line = [str(python), "-m", *command]
    done = subprocess.run(line, env=env, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_the_library_is_installed(python: Path) -> None:
    line = [str(python), "-c", "import milepost; print(milepost.__file__)"]
    found = subprocess.run(line, env=plain(), cwd="/", check=True, capture_output=True, text=True).stdout
    assert found.startswith(str(python.parents[1]))


def test_both_extensions_are_enabled(python: Path) -> None:
    (line,) = [line for line in ask(python, "jupyterlab.labextensions", "list").splitlines() if "milepost" in line]
    assert "enabled" in line
    assert "OK" in line
    lines = [
        line
        for line in ask(python, "jupyter_server.extension.serverextension", "list").splitlines()
        if "milepost" in line
    ]
    assert any("enabled" in line for line in lines)
    assert any("OK" in line for line in lines)


def test_what_a_page_loads_is_small(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        sizes = {file.filename: file.file_size for file in packed.infolist()}
    bundle = [size for name, size in sizes.items() if "labextensions/milepost/static/" in name]
    assert 0 < sum(bundle) < BUNDLE
    assert 0 < sizes["milepost/widget/static/widget.js"] < WIDGET
    assert not [name for name in sizes if "node_modules" in name or name.startswith("labextension/")]
