"""A notebook is killed within each of its tasks in turn, and run again: nothing is lost and nothing runs twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.keys import signing_key
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel, Reply

pytestmark = pytest.mark.slow

SETUP = """
%load_ext milepost
%matplotlib inline
import os, time
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from pathlib import Path
from milepost import task

def note(name):
    with open("ran.milepost", "a") as log:
        log.write(name + "\\n")
    if Path("stop-at.milepost").exists() and Path("stop-at.milepost").read_text() == name:
        print("at", name, flush=True)
        time.sleep(600)
"""

CELLS: list[tuple[str, str]] = [
    ("", SETUP),
    (
        "load",
        "%%task load\n"
        "note('load')\n"
        "np.random.seed(3)\n"
        "frame = pd.DataFrame({'x': np.arange(50.0), 'y': np.random.rand(50), 'k': [f'g{i % 3}' for i in range(50)]})\n"
        "groups = set(frame['k'])\n"
        "print('loaded', len(frame))\n"
        "frame.head(3)",
    ),
    ("", "factor = 2.5\nfrom contextlib import suppress"),
    (
        "scaled",
        "%%task scaled --in note\n"
        "note('scaled')\n"
        "scaled = frame.assign(z=frame['x'] * factor)\n"
        "frame['seen'] = True\n"
        "print('scaled by', factor)",
    ),
    (
        "plot",
        "%%task plot\n"
        "note('plot')\n"
        "figure, axes = plt.subplots(figsize=(2, 2))\n"
        "axes.plot(scaled['x'], scaled['z'])\n"
        "print('plotted')",
    ),
    ("", "bonus = float(scaled['z'].sum())"),
    (
        "total",
        "@task\n"
        "def total(scaled):\n"
        "    note('total')\n"
        "    print('summing')\n"
        "    return {'sum': float(scaled['z'].sum()) + bonus, 'rows': len(scaled)}\n"
        "total.result()",
    ),
    (
        "draws",
        "%%task draws\nnote('draws')\ndraws = np.random.rand(4)\norder = sorted(groups)\nprint(draws, order)",
    ),
    (
        "report",
        "%%task report\n"
        "note('report')\n"
        "report = [total.result()['sum'], draws.sum(), len(groups), list(frame.columns)]\n"
        "alias = report\n"
        "report",
    ),
]
TASKS = [name for name, _ in CELLS if name]
DIGEST = (
    "[__import__('milepost.analysis.digest', fromlist=['digest']).digest(value).hex for value in "
    "(frame, groups, scaled, total.result(), draws, order, report, np.random.get_state())] + [alias is report]"
)


def run_all(kernel: Kernel) -> list[Reply]:
    return [kernel.run_ok(code, f"cell-{number}") for number, (_, code) in enumerate(CELLS)]


def shown(replies: list[Reply]) -> list[list[dict[str, Any]]]:
    """What each cell showed, without the counters of the prompt."""
    return [[{k: v for k, v in o.items() if k != "execution_count"} for o in reply.shown] for reply in replies]


def read_log(folder: Path) -> list[str]:
    return (folder / "ran.milepost").read_text().split()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[list[dict[str, Any]]]]:
    """The values and outputs of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Kernel(folder, PYTHONHASHSEED="11", MILEPOST_KEY_FILE=signing_key(folder / "key")) as kernel:
        replies = run_all(kernel)
        assert read_log(folder) == TASKS
        return kernel.value(DIGEST), shown(replies)


@pytest.mark.parametrize("victim", TASKS)
def test_killed_in_a_task(
    victim: str, bare: Start, tmp_path: Path, undisturbed: tuple[list[str], list[list[dict[str, Any]]]]
) -> None:
    (tmp_path / "stop-at.milepost").write_text(victim)
    first = bare(PYTHONHASHSEED="1")
    for number, (name, code) in enumerate(CELLS):
        if name == victim:
            first.finish(first.send(code, f"cell-{number}"), until=f"at {victim}")
            break
        first.run_ok(code, f"cell-{number}")
    first.kill()
    (tmp_path / "stop-at.milepost").unlink()
    done = TASKS[: TASKS.index(victim)]
    assert read_log(tmp_path) == [*done, victim]

    second = bare(PYTHONHASHSEED="2")
    replies = run_all(second)
    assert read_log(tmp_path) == [*done, victim, *TASKS[len(done) :]], "a finished task ran again, or one did not run"
    assert shown(replies) == undisturbed[1]
    assert second.value(DIGEST) == undisturbed[0]
    rows = second.status()
    assert [name for name in TASKS if rows[name]["restored"]] == done
    assert all(rows[name]["state"] == "success" and rows[name]["saved"] for name in TASKS)


def test_nothing_runs_the_second_time(
    bare: Start, tmp_path: Path, undisturbed: tuple[list[str], list[list[dict[str, Any]]]]
) -> None:
    first = bare(PYTHONHASHSEED="3")
    run_all(first)
    first.kill()
    second = bare(PYTHONHASHSEED="4")
    replies = run_all(second)
    assert read_log(tmp_path) == TASKS
    assert shown(replies) == undisturbed[1]
    assert second.value(DIGEST) == undisturbed[0]
    assert all(second.status()[name]["restored"] for name in TASKS)
