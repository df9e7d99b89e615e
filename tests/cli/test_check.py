"""`milepost check`, in a process of its own, on small notebooks: real kernels are killed and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.keys import signing_key

pytestmark = pytest.mark.slow

GOOD = (
    "%load_ext milepost\nimport random",
    "%%task a\na = [1, 2]\nprint('made')\na",
    "b = a",
    "%%task c\na.append(3)\nopen('out.txt', 'w').write('x')\nc = len(b)",
    "total = c + len(a)\ntotal",
)
UNSEEN = (
    "%load_ext milepost\nimport colorsys",
    # By way of a text, so that nothing sees that the task sets an attribute of a module.
    "%%task a\nexec('colorsys.hidden = 5')\na = 1",
    "found = getattr(colorsys, 'hidden', 0)",
)


def write(folder: Path, cells: tuple[str, ...], name: str = "nb.ipynb") -> Path:
    made = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": source}
        for n, source in enumerate(cells)
    ]
    data = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}
    (folder / name).write_text(json.dumps(data))
    return folder / name


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    known = {**os.environ, "MILEPOST_KEY_FILE": signing_key(folder / "key")}
    command = [sys.executable, "-m", "milepost.cli", "check", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=known, timeout=240)


def verdict(folder: Path, cells: tuple[str, ...], *arguments: str) -> tuple[int, dict[str, Any]]:
    done = check(folder, str(write(folder, cells)), "--json", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_notebook_that_resumes_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    code, found = verdict(tmp_path, GOOD)
    assert (code, found["good"], found["wrong"], found["needless"]) == (0, True, [], [])
    assert found["kills"] == [1, 2, 3, 4, 5]
    assert found["restored"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "nb.ipynb"]


def test_a_wrong_restore_is_found_and_named(tmp_path: Path) -> None:
    done = check(tmp_path, str(write(tmp_path, UNSEEN)), "--kill-after", "2")
    assert done.returncode == 1, done.stderr
    assert "wrong after a resume" in done.stdout
    assert "found" in done.stdout.split("wrong after a resume")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.ipynb"], "none.ipynb does not exist"),
        (["text.txt"], "is no notebook"),
        (["empty.ipynb"], "has no code cells"),
        (["nb.ipynb", "--kill-after", "9"], "9"),
        (["nb.ipynb", "--kill-after", "x"], "x"),
        (["nb.ipynb", "--timeout", "0"], "0"),
        (["nb.ipynb", "--kernel", "no-such-kernel"], "no-such-kernel"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: list[str], words: str) -> None:
    write(tmp_path, ("x = 1",))
    write(tmp_path, (), "empty.ipynb")
    (tmp_path / "text.txt").write_text("x")
    done = check(tmp_path, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cell_that_fails_is_told(tmp_path: Path) -> None:
    code, found = verdict(tmp_path, ("x = 1", "1 / 0", "y = 2"), "--kill-after", "1")
    assert (code, found["failure"]["cell"]) == (1, 2)
    assert "ZeroDivisionError" in found["failure"]["reason"]


def test_what_a_third_plain_run_does_otherwise_is_the_notebooks_own(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    count = outside / "runs"
    count.write_text("")
    inside = tmp_path / "inside"
    inside.mkdir()
    # The first two runs agree; what comes later would be "other with Milepost than without".
    cell = (
        f"from pathlib import Path\np = Path({str(count)!r})\np.write_text(p.read_text() + 'x')\nlen(p.read_text()) > 2"
    )
    code, found = verdict(inside, (cell, "y = 1"), "--kill-after", "1")
    assert (code, found["changed"], found["wrong"]) == (0, [], [])
    assert "output cell 1" in found["differs_between_plain_runs_too"]


def test_what_a_cell_finds_in_a_used_folder_is_no_wrong_restore(tmp_path: Path) -> None:
    cells = ("import os", "print(os.path.exists('out.txt'))", "open('out.txt', 'a').write('x')")
    code, found = verdict(tmp_path, ("%load_ext milepost", *cells), "--kill-after", "4")
    assert (code, [item["what"] for item in found["wrong"]]) == (1, ["out.txt", "cell 3"]), "it has no plain run"
    code, found = verdict(tmp_path, cells, "--kill-after", "3")
    assert (code, found["wrong"]) == (0, [])
    assert "output cell 2" in found["differs_between_plain_runs_too"]


def test_a_cell_that_fails_with_milepost_only_is_told_whatever_else_it_shows(tmp_path: Path) -> None:
    cells = ("import random\nprint(random.random())\nassert 'task' not in get_ipython().magics_manager.magics['cell']",)
    code, found = verdict(tmp_path, cells)
    assert (code, [(item["cell"], item["kind"]) for item in found["changed"]]) == (1, [(1, "failure")])
    assert "AssertionError" in found["changed"][0]["reason"]
