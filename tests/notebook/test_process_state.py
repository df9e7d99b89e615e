"""What tasks do to their process, modules, classes and figures is there after a kill and a resume, and counts.

One pair of kernels serves all rows of a table: each has names and a module of its own, or puts things back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel, Reply

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Row:
    """Cells, the last a task of the row's number (`#`); what to look at then; a cell that puts things back."""

    cells: tuple[str, ...]
    look: str
    after: str = ""
    restored: bool = True


MODULE = """
import functools
N, D, L = 1, {}, []
class Kind:
    count = 0
    def __init__(self): Kind.count += 1
def bump():
    global N
    N += 1
    L.append(N)
def f(): return "plain"
"""

IMPORTS = """
import decimal, json, logging, math, os, sys, warnings
import numpy as np, pandas as pd, matplotlib as mpl, matplotlib.pyplot as plt
def ticks(figure):
    figure.canvas.draw()
    return [[len(axes.lines), axes.get_title()] for axes in figure.axes]
"""

ROWS = {
    "folder": Row(("%%task t#\nos.chdir('sub'); t# = 1",), "os.path.basename(os.getcwd())", "os.chdir('..')"),
    "environment": Row(("%%task t#\nos.environ['T#'] = 'x'; t# = 1",), "os.environ['T#']"),
    "deleted variable": Row(
        ("os.environ['T#'] = 'x'", "%%task t#\ndel os.environ['T#']; t# = 1"), "'T#' in os.environ"
    ),
    "secret": Row(
        ("import secrets", "%%task t#\nos.environ['MY_TOKEN'] = ''.join(['s3cr', 'et' * 9]); t# = 1"),
        "os.environ['MY_TOKEN']",
        restored=False,
    ),
    "module path": Row(("%%task t#\nsys.path.insert(0, os.path.abspath('lib#')); t# = 1",), "sys.path[0][-4:]"),
    "warning filters": Row(
        ("%%task t#\nwarnings.filterwarnings('ignore', 'of row #'); t# = 1",), "str(warnings.filters[0][:2])"
    ),
    "pandas": Row(
        ("%%task t#\npd.set_option('display.float_format', '{:.1f}'.format); t# = 1",),
        "pd.Series([1.234]).to_string()",
        "pd.reset_option('display.float_format')",
    ),
    "numpy": Row(
        ("%%task t#\nnp.set_printoptions(precision=2); np.seterr(over='raise'); t# = 1",),
        "[str(np.array([1.234])), np.geterr()['over']]",
        "np.set_printoptions(precision=8); np.seterr(over='warn')",
    ),
    "style": Row(("%%task t#\nplt.style.use('ggplot'); t# = 1",), "plt.rcParams['axes.facecolor']", "mpl.rcdefaults()"),
    "decimal": Row(("%%task t#\ndecimal.getcontext().prec = 5; t# = 1",), "str(decimal.Decimal(1) / 3)"),
    "logging": Row(
        ("%%task t#\nlogging.basicConfig(level=logging.INFO, format='row %(message)s'); t# = 1",),
        "[logging.root.level, logging.root.handlers[-1].formatter._fmt]",
        "logging.root.handlers.clear(); logging.root.setLevel(30)",
    ),
    "%precision": Row(
        ("%%task t#\n%precision 2\nt# = 1",), "get_ipython().display_formatter.format(1.2345)[0]", "%precision"
    ),
    "figure format": Row(
        ("%%task t#\n%config InlineBackend.figure_format = 'svg'\nt# = 1",),
        "list(get_ipython().display_formatter.format(plt.Figure())[0])",
        "%config InlineBackend.figure_format = 'png'",
    ),
    "recursion limit": Row(("%%task t#\nsys.setrecursionlimit(5000); t# = 1",), "sys.getrecursionlimit()"),
    "module attribute": Row(("import mod#", "%%task t#\nmod#.N = 5; t# = 1"), "mod#.N"),
    "global of a module": Row(("import mod#", "%%task t#\nmod#.bump(); t# = 1"), "[mod#.N, mod#.L]"),
    "module that the task imports": Row(("%%task t#\nimport mod#\nmod#.bump(); t# = 1",), "[mod#.N, mod#.L]"),
    "class in a module": Row(("import mod#", "%%task t#\nmod#.Kind(); t# = 1"), "mod#.Kind.count"),
    "patched module": Row(("import mod#", "%%task t#\nmod#.f = lambda: 'new'\nt# = 1"), "mod#.f()"),
    "deleted attribute": Row(("import mod#", "%%task t#\ndel mod#.L\nt# = 1"), "hasattr(mod#, 'L')"),
    "alias of what a module has": Row(
        ("from mod# import D as alias#", "import mod#", "%%task t#\nalias#['k'] = 1\nt# = 1"),
        "[mod#.D, mod#.D is alias#]",
    ),
    "what holds what a module has": Row(
        ("import mod#", "%%task t#\nmod#.L.append(7)\nt# = {'list': mod#.L}"), "[mod#.L, t#['list'] is mod#.L]"
    ),
    "module changed before it is read": Row(
        ("import mod#", "%%task s#\nmod#.bump()\ns# = 1", "%%task t#\nt# = mod#.N + 10"), "[t#, mod#.N]"
    ),
    "patched library": Row(
        ("%%task t#\nmath.of_row = 12\njson.JSONEncoder.of_row = lambda self: 'new'\nt# = 1",),
        "[math.of_row, json.JSONEncoder().of_row()]",
    ),
    "setattr in a helper": Row(
        ("def help#():\n    setattr(math, 'of_row_#', 1)", "%%task t#\nhelp#(); t# = 1"), "math.of_row_#"
    ),
    "unsaveable attribute": Row(
        ("import threading", "%%task t#\nmath.lock_# = threading.Lock(); t# = 1"),
        "hasattr(math, 'lock_#')",
        restored=False,
    ),
    "notebook class": Row(
        ("class C#:\n    n, seen = 0, []\nold# = C#()", "%%task t#\nC#.n += 1; C#.seen.append(1)\nt# = 1"),
        "[old#.n, C#.seen, type(old#) is C#]",
    ),
    "attribute of a function": Row(
        ("def f#(): f#.n += 1\nf#.n = 0\ng# = f#", "%%task t#\nf#(); t# = 1"), "[f#.n, g#.n]"
    ),
    "lru_cache": Row(
        (
            "import functools\n@functools.lru_cache\ndef f#(x): return x",
            "%%task s#\ns# = f#(1)",
            "%%task t#\nt# = f#(2)",
        ),
        "t#",
    ),
    "import a.b": Row(("%%task t#\nimport xml.dom.pulldom\nt# = 1",), "xml.dom.pulldom.__name__"),
    "figure kept": Row(
        ("%%task t#\nfig#, ax# = plt.subplots()\nax#.plot([1, 2]);",), "[fig#.axes[0] is ax#, ticks(fig#)]"
    ),
    "figure drawn into later": Row(
        ("fig#, ax# = plt.subplots()", "%%task t#\nax#.plot([1, 2]); ax#.set_title('t')\nt# = 1"),
        "ticks(fig#)",
        restored=False,
    ),
    "figure shown later": Row(
        ("%%task t#\nfig# = plt.figure()",), "sorted(get_ipython().display_formatter.format(fig#)[0])"
    ),
    "no figure stays open": Row(("%%task t#\nplt.plot([1])\nt# = 1",), "plt.get_fignums()"),
}


def numbered(text: str, number: int) -> str:
    return text.replace("#", str(number))


def run_all(kernel: Kernel) -> dict[str, tuple[object, bool]]:
    """What each row looks at, and whether its task was restored."""
    kernel.run_ok(IMPORTS)
    seen = {}
    for number, row in enumerate(ROWS.values()):
        for cell in row.cells:
            kernel.run_ok(numbered(cell, number))
        seen[number] = kernel.value(numbered(row.look, number))
        kernel.run_ok(row.after or "pass")
    status = kernel.status()
    return {name: (seen[n], status[f"t{n}"]["restored"]) for n, name in enumerate(ROWS)}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for number in range(len(ROWS)):
        (tmp_path / f"mod{number}.py").write_text(MODULE)
    return tmp_path


def test_a_resumed_process_is_as_an_uninterrupted_one(start: Start, project: Path) -> None:
    kernel = start()
    first = run_all(kernel)
    kernel.kill()
    second = run_all(start())
    assert {name: value for name, (value, _) in second.items()} == {name: value for name, (value, _) in first.items()}
    assert {name: restored for name, (_, restored) in second.items()} == {n: row.restored for n, row in ROWS.items()}


@dataclass(frozen=True)
class Found:
    """A cell before the task, what it was before, the task, and what `why` says."""

    then: str
    now: str
    task: str
    why: str


FOUND = {
    "pandas": Found(
        "pd.set_option('display.max_rows', 60)",
        "pd.set_option('display.max_rows', 5)",
        "print(pd.Series(range(9)))",
        "pandas option 'display.max_rows': 60 → 5",
    ),
    "decimal": Found("decimal.getcontext().prec = 28", "decimal.getcontext().prec = 5", "", "decimal 'prec': 28 → 5"),
    "errstate": Found(
        "np.seterr(over='warn')", "np.seterr(over='raise')", "", "NumPy's errstate 'over': 'warn' → 'raise'"
    ),
    "style": Found("pass", "plt.style.use('ggplot')", "plt.plot([1])", "matplotlib option 'axes.grid': False → True"),
    "library": Found("math.of = 1", "math.of = 2", "print(math.of)", "attribute 'math.of': 1 → 2"),
    "module": Found("mod0.N = 1", "mod0.N = 5", "print(mod0.N)", "input 'mod0' changed"),
}


def test_a_task_saved_in_another_process_is_not_given_back(start: Start, project: Path) -> None:
    imports, tasks = (
        IMPORTS + "import mod0",
        {n: f"%%task f{n}\nf{n} = 1\n{f.task}" for n, f in enumerate(FOUND.values())},
    )
    undo = (
        "pd.reset_option('all'); decimal.getcontext().prec = 28; np.seterr(over='warn'); mpl.rcdefaults(); mod0.N = 1"
    )
    kernel = start()
    kernel.run_ok(imports)
    for number, found in enumerate(FOUND.values()):
        kernel.run_ok(found.then)
        kernel.run_ok(tasks[number])
    kernel.kill()
    kernel = start()
    kernel.run_ok(imports)
    for number, found in enumerate(FOUND.values()):
        kernel.run_ok(found.now)
        kernel.run_ok(tasks[number])
        [row] = json.loads(kernel.run_ok(f"%tasks why f{number} --json").stdout)
        assert row["restored"] is False
        assert found.why in row["why"]["text"]
        kernel.run_ok(
            f"import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    {undo}"
        )


def test_options_of_the_display_do_not_count_for_what_shows_nothing(start: Start) -> None:
    cells = ("import pandas as pd", "%%task t\nt = pd.Series(range(9)).sum()", "pd.set_option('display.max_rows', 5)")
    with start() as kernel:
        for cell in (*cells, cells[1]):
            kernel.run_ok(cell)
        assert kernel.status()["t"]["restored"] is True


def test_what_a_task_logs_through_a_handler_made_before_is_shown_again(start: Start) -> None:
    def run(kernel: Kernel) -> Reply:
        kernel.run_ok("import logging\nlogging.basicConfig(level=logging.INFO)")
        return kernel.run_ok("%%task t\nlogging.info('hello')\nt = 1")

    kernel = start()
    first = run(kernel)
    kernel.kill()
    second = run(start())
    assert first.shown == second.shown
    assert "hello" in first.shown[0]["text"]
    assert second.stamps


def test_figures_that_stay_open_are_never_left_out(start: Start) -> None:
    cells = ("import matplotlib.pyplot as plt", "%%task a\nplt.plot([1])\na = 1", "%%task b\nb = len(plt.gca().lines)")
    looks = []
    for _ in range(2):
        kernel = start(MPLBACKEND="agg")
        for cell in cells:
            kernel.run_ok(cell)
        looks.append(kernel.value("[b, plt.get_fignums(), len(plt.gca().lines)]"))
        assert "stay open between cells" in kernel.status()["a"]["why"]["text"]
        kernel.kill()
    assert looks == [[1, [1], 1]] * 2


def test_a_backend_asked_for_before_anything_draws(start: Start) -> None:
    for restored in (False, True):
        with start() as kernel:
            kernel.run_ok("import matplotlib")
            assert bool(kernel.run_ok("%%task t\nmatplotlib.use('svg')\nt = 1").stamps) is restored
            assert kernel.value("(__import__('matplotlib.pyplot'), matplotlib.pyplot.get_backend())[1]") == "svg"
            kernel.kill()


def test_a_folder_that_is_gone_has_the_task_run_again(start: Start, project: Path) -> None:
    task = "%%task t\nimport os\nos.makedirs('new', exist_ok=True)\nos.chdir('new')\nt = 1"
    kernel = start()
    kernel.run_ok(task)
    kernel.kill()
    (project / "new").rmdir()
    kernel = start()
    kernel.run_ok(task)
    assert "'new', which it wrote, is not there any more" in kernel.status()["t"]["why"]["text"]
    assert kernel.value("os.path.basename(os.getcwd())") == "new"


def test_a_figure_that_a_plain_cell_gets_back_is_shown_as_one(start: Start) -> None:
    with start() as kernel:
        kernel.run_ok("%%task t\nimport matplotlib.pyplot as plt\nfig = plt.figure()\nfig.add_subplot()")
        kernel.kill()
    with start() as kernel:
        reply = kernel.run_ok("fig")
        assert "image/png" in reply.shown[-1]["data"]


def test_tasks_beside_the_notebook_put_back_what_they_set(start: Start) -> None:
    task = "%%task t --bg\nimport pandas as pd\npd.set_option('display.max_rows', 5)\nt = 1"
    for restored in (False, True):
        with start() as kernel:
            kernel.run_ok(task)
            kernel.run_ok("print(t)")
            assert kernel.value("pd.get_option('display.max_rows')") == 5
            assert kernel.status()["t"]["restored"] is restored
            kernel.kill()
