"""Dependencies that no reading of a cell's names shows: each was once given back although it had changed.

One pair of kernels serves all of them: every trap has names and a module of its own.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Trap:
    """Cells; `now` stands for `then` in the second kernel; what the task's name then is."""

    cells: tuple[str, ...]
    then: str
    now: str
    value: object


LOCKED = "import threading\nclass Locked:\n    def __init__(self):\n        self.lock, self.n = threading.Lock(), [0]\n"
FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})"

TRAPS = {
    "an import in the body": Trap(("%%task t1\nimport mod1\nt1 = mod1.f()",), "", "", 2),
    "an import in a helper": Trap(
        ("def h2():\n    import mod2\n    return mod2.f()", "%%task t2\nt2 = h2()"), "", "", 2
    ),
    "eval in a helper": Trap(
        ("x3 = 1", "def h3(s): return eval(s)", "%%task t3\nt3 = h3('x3')"), "x3 = 1", "x3 = 2", 2
    ),
    "a name that a query quotes": Trap(
        (FRAME, "lim4 = 2", "%%task t4\nt4 = len(df.query('a > @lim4'))"), "lim4 = 2", "lim4 = 1", 2
    ),
    "a query in a helper": Trap(
        (FRAME, "lim5 = 2", "def h5(): return len(df.query('a > @lim5'))", "%%task t5\nt5 = h5()"),
        "lim5 = 2",
        "lim5 = 1",
        2,
    ),
    "a metaclass": Trap(
        ("class M6(type):\n    def go(cls): return 1", "class A6(metaclass=M6): pass", "%%task t6\nt6 = A6.go()"),
        "return 1",
        "return 2",
        2,
    ),
    "what --after did": Trap(
        ("%%task a7\nopen('f7', 'w').write('1')", "%%task t7 --after a7\nt7 = int(open('f7').read())"),
        "write('1')",
        "write('2')",
        2,
    ),
    "a part of what has no content": Trap(
        (LOCKED, "c8 = Locked()\nc8.n.append(1)", "%%task t8\nt8 = len(c8.n)"), "append(1)", "extend([1, 1])", 3
    ),
    "a change in what cannot be saved": Trap(
        (LOCKED, "c9 = Locked()", "%%task t9\nc9.n.append(1)\nt9 = 1", "t9 = len(c9.n)"), "", "", 2
    ),
    "Out": Trap(("20 + 1", "n10 = len(Out)", "%%task t10\nt10 = max(Out.values())"), "20 + 1", "20 + 2", 22),
    "an argument changed in place": Trap(
        (
            "from milepost import task\n@task\ndef made11(): return [1]",
            "@task\ndef used11(made11):\n    made11.append(2)\n    return 0",
            "used11.result()\nt11 = len(made11.result())",
        ),
        "",
        "",
        2,
    ),
    "a seed in a module": Trap(
        ("import mod12\nmod12.start()", "%%task t12\nimport random\nt12 = int(random.random() * 1e9)"),
        "",
        "",
        int(random.Random(2).random() * 1e9),
    ),
}


@pytest.fixture
def resumed(start: Start, tmp_path: Path) -> Kernel:
    """A kernel that ran all cells as they are now, after one that was killed having run them as they were then."""
    for version in (1, 2):
        for n in (1, 2):
            (tmp_path / f"mod{n}.py").write_text(f"def f():\n    return {version}\n")
        (tmp_path / "mod12.py").write_text(f"import random\ndef start():\n    random.seed({version})\n")
        kernel = start()
        for trap in TRAPS.values():
            for cell in trap.cells:
                kernel.run_ok(cell.replace(trap.then, trap.now) if trap.then and version == 2 else cell)
        if version == 1:
            kernel.kill()
    return kernel


def test_nothing_stale_is_given_back(resumed: Kernel) -> None:
    values = resumed.value("[" + ", ".join(f"t{n + 1}" for n in range(len(TRAPS))) + "]")
    assert dict(zip(TRAPS, values, strict=True)) == {name: trap.value for name, trap in TRAPS.items()}


def test_what_changes_by_itself_keeps_no_task_from_being_saved(start: Start) -> None:
    with start() as kernel:
        kernel.run_ok("shell = get_ipython()\nfrom milepost import task\n@task\ndef other(): return 1")
        kernel.run_ok("%%task made\nmade = shell is not None")
        assert kernel.status()["made"]["saved"] is True


def test_an_output_named_like_a_builtin_is_found(start: Start) -> None:
    with start() as kernel:
        kernel.run_ok("%%task made\ncopyright = 5")
    with start() as kernel:
        assert kernel.run_ok("print(copyright)").stdout == "5\n"
