"""Which modules count as the user's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys
from milepost.analysis.modules import is_project
assert json.__file__.startswith(sys.argv[1]), json.__file__
print(is_project(json))
"""


def test_the_library_of_a_python_behind_a_link_is_installed(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(sys.base_prefix)
    python = tmp_path / "linked" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = [path for path in sys.path if "-packages" in path or not path.startswith(sys.base_prefix)]
    done = subprocess.run(
        [python, "-c", CODE, str(tmp_path / "linked")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(packages)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
