"""What makes a task run again and what does not: edits, changes in place, random state, values that cannot be saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Reply

pytestmark = pytest.mark.slow

LOG = "open('ran.milepost', 'a').write({!r})\n"


def task(name: str, body: str, options: str = "") -> str:
    """A task cell that notes that it ran."""
    return f"%%task {name} {options}\n" + LOG.format(name + " ") + body


class Notebook:
    """Cells that are run in order; `ran` empties the log of the bodies that ran."""

    def __init__(self, start: Start, folder: Path) -> None:
        self._start = start
        self._folder = folder
        self.kernel = start()

    def restart(self) -> None:
        self.kernel.kill()
        self.kernel = self._start()

    def __call__(self, *cells: str) -> list[Reply]:
        return [self.kernel.run_ok(cell) for cell in cells]

    def ran(self) -> list[str]:
        log = self._folder / "ran.milepost"
        names = log.read_text().split() if log.exists() else []
        log.write_text("")
        return names

    def again(self, *cells: str) -> list[str]:
        """Restart, run these cells: which bodies ran."""
        self.ran()
        self.restart()
        self(*cells)
        return self.ran()

    def why(self, name: str) -> str:
        return self.kernel.run_ok(f"%tasks why {name}").stdout

    def value(self, expression: str) -> object:
        return self.kernel.value(expression)


@pytest.fixture
def nb(start: Start, tmp_path: Path) -> Notebook:
    return Notebook(start, tmp_path)


BASE = task("base", "base = list(range(5))")
EVEN = task("even", "even = [n for n in base if n % 2 == 0]")
TOTAL = task("total", "total = sum(even)\nprint(total)")


def test_an_edit_runs_the_task_and_what_depends_on_it(nb: Notebook) -> None:
    nb(BASE, EVEN, TOTAL)
    edited = EVEN.replace("== 0", "== 1")
    assert nb.again(BASE, edited, TOTAL) == ["even", "total"]
    assert nb.value("total") == 4
    text = nb.why("even")
    assert "-even = [n for n in base if n % 2 == 0]" in text
    assert "+even = [n for n in base if n % 2 == 1]" in text
    assert "'even' ran again and gave another 'even'" in nb.why("total")
    assert nb.again(BASE, EVEN, TOTAL) == [], "an older version is still saved"
    assert nb.value("total") == 6


def test_an_edit_within_one_kernel(nb: Notebook) -> None:
    nb(BASE, EVEN, TOTAL)
    nb.ran()
    nb(EVEN.replace("== 0", "== 1"))
    assert nb.kernel.status()["total"]["state"] == "stale"
    assert "'even'" in nb.kernel.status()["total"]["why"]["text"]
    nb(TOTAL)
    assert nb.ran() == ["even", "total"]


@pytest.mark.parametrize(
    "edited",
    [
        "# a comment\n" + LOG.format("even ") + "even = [n for n in base\n        if n % 2 == 0]  # the even ones\n",
        LOG.format("even ") + "even = [ n for n in ( base ) if (n%2)==0 ]",
    ],
    ids=["comment", "white space"],
)
def test_what_does_not_count(nb: Notebook, edited: str) -> None:
    nb(BASE, EVEN, TOTAL)
    assert nb.again(BASE, "%%task even\n" + edited, TOTAL) == []


def test_docstrings_and_annotations_of_position_do_not_count(nb: Notebook) -> None:
    body = "def double(n):\n    '''{}'''\n    return 2 * n\ndoubled = [double(n) for n in range(3)]"
    helper = "def helper(n):\n    {}\n    return n + 1"
    use = task("used", "used = helper(1)")
    nb(task("doubled", body.format("Doubles.")), helper.format("'''One more.'''"), use)
    cells = (task("doubled", body.format("Twice as much.")), "\n\n" + helper.format("'''More.'''"), use)
    assert nb.again(*cells) == []
    assert nb.again(cells[0], "def helper(n):  # no docstring\n    return n + 1", use) == []


def test_early_cut_off(nb: Notebook) -> None:
    nb(BASE, EVEN, TOTAL)
    edited = EVEN.replace("n % 2 == 0", "not n % 2")
    assert nb.again(BASE, edited, TOTAL) == ["even"]
    assert nb.kernel.status()["total"]["restored"] is True


def test_early_cut_off_with_a_frame(nb: Notebook) -> None:
    setup = "import pandas as pd, numpy as np"
    frame = task("frame", "frame = pd.DataFrame({'x': [1.0, 2.0], 'k': ['a', 'b']})")
    view = task("view", "view = frame[frame['x'] > 1]['x'].to_numpy()[::-1]")
    mean = task("mean", "mean = float(view.mean())")
    nb(setup, frame, view, mean)
    assert nb.again(setup, frame + "\nfew = 1", view, mean) == ["frame"]
    assert nb.again(setup, frame + "\nfew = 1", view, mean) == []
    assert nb.value("mean") == 2.0


HELPERS = "def inner(n):\n    return n + step\n\ndef helper(n):\n    return inner(n) * 2"
STEP = "step = 1"
USES = task("result", "result = [helper(n) for n in range(3)]")


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        ((STEP, HELPERS.replace("* 2", "* 3"), USES), "helper"),
        ((STEP, HELPERS.replace("n + step", "n - step"), USES), "inner"),
        (("step = 10", HELPERS, USES), "step"),
    ],
    ids=["helper", "helper of the helper", "constant that it reads"],
)
def test_helpers_count(nb: Notebook, cells: tuple[str, ...], shown: str) -> None:
    nb(STEP, HELPERS, USES)
    assert nb.again(STEP, HELPERS, USES) == []
    assert nb.again(*cells) == ["result"]
    assert f"input '{shown}'" in nb.why("result")


def test_why_shows_both_values_of_a_constant(nb: Notebook) -> None:
    nb(STEP, HELPERS, USES)
    nb.again("step = 10", HELPERS, USES)
    assert "step: 1 → 10" in nb.why("result")


def test_a_class_of_the_notebook_counts_by_its_code(nb: Notebook) -> None:
    cls = "class Model:\n    scale = 2\n    def run(self, n):\n        return n * self.scale"
    use = task("fitted", "fitted = Model()\nout = fitted.run(4)")
    plain = "again = fitted.run(5), isinstance(fitted, Model)"
    nb(cls, use, plain)
    assert nb.again(cls, use, plain) == []
    assert nb.value("again") == [10, True]
    assert nb.again(cls.replace("scale = 2", "scale = 3"), use, plain) == ["fitted"]
    assert nb.value("out") == 12


def test_a_module_of_the_project_counts_by_its_source(nb: Notebook, tmp_path: Path) -> None:
    module = tmp_path / "tools.py"
    module.write_text("RATE = 2\ndef grow(n):\n    return n * RATE\n")
    one = ("import tools", task("grown", "grown = tools.grow(3)"))
    two = ("from tools import grow", task("more", "more = grow(3)"))
    nb(*one, *two)
    assert nb.again(*one, *two) == []
    module.write_text("'''Said.'''\n\nRATE = 2\ndef grow(n):\n    # more\n    return n * RATE\n")
    assert nb.again(*one, *two) == []
    module.write_text("RATE = 5\ndef grow(n):\n    return n * RATE\n")
    assert nb.again(*one, *two) == ["grown", "more"]
    assert nb.value("[grown, more]") == [15, 15]


def test_declared_files_count_by_content(nb: Notebook, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1,2")
    cell = task("read", "read = open('data.csv').read()", "--files *.csv")
    nb(cell)
    data.write_text("1,2")
    assert nb.again(cell) == []
    data.write_text("1,3")
    assert nb.again(cell) == ["read"]
    assert "data.csv" in nb.why("read")
    assert nb.value("read") == "1,3"
    (tmp_path / "more.csv").write_text("")
    assert nb.again(cell) == ["read"]


def test_the_seed_counts(nb: Notebook) -> None:
    imports = "import random, numpy as np"
    draw = task("draw", "draw = [random.random(), float(np.random.rand())]")
    nb(imports + "\nrandom.seed(1); np.random.seed(1)", draw)
    value = nb.value("draw")
    assert nb.again(imports + "\nrandom.seed(1); np.random.seed(1)", draw) == []
    assert nb.value("draw") == value
    assert nb.again(imports + "\nrandom.seed(2); np.random.seed(1)", draw) == ["draw"]
    assert "random generator" in nb.why("draw")
    assert nb.value("draw") != value


def test_random_state_goes_on_after_a_restored_cell(nb: Notebook) -> None:
    seed = "import random, numpy as np\nrandom.seed(7); np.random.seed(7)"
    draw = task("draw", "draw = [random.random(), float(np.random.rand())]")
    after = "after = [random.random(), float(np.random.rand())]"
    nb(seed, draw, after)
    expected = nb.value("after")
    assert nb.again(seed, draw, after) == []
    assert nb.value("after") == expected


CHANGES = {
    "sort": ("items = [3, 1, 2]", "items.sort()", "items", [1, 2, 3]),
    "through an alias": ("items = [3]\nother = items", "other.append(4)", "[items, items is other]", [[3, 4], True]),
    "through a container": ("items = [3]\nbox = {'a': items}", "box['a'].append(4)", "items", [3, 4]),
    "a column": (
        "import pandas as pd\nframe = pd.DataFrame({'a': [1]})",
        "frame['c'] = 5",
        "[list(frame.columns), int(frame.c[0])]",
        [["a", "c"], 5],
    ),
    "an array": ("import numpy as np\nitems = np.zeros(3)\nview = items[1:]", "view += 2", "items.tolist()", [0, 2, 2]),
    "an attribute": ("class Box: pass\nbox = Box(); box.n = 1", "box.n = 2", "box.n", 2),
    "in a helper": ("items = []\ndef add(n): items.append(n)", "add(5)", "items", [5]),
    "a global of a helper": ("count = 0\ndef add():\n    global count\n    count += 1", "add()", "count", 1),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES)
def test_changes_in_place_are_restored(nb: Notebook, case: tuple[str, str, str, object]) -> None:
    setup, change, expression, expected = case
    nb(setup, task("changed", change))
    assert nb.value(expression) == expected
    assert nb.again(setup, task("changed", change)) == []
    assert nb.value(expression) == expected


def test_deleted_names_are_deleted(nb: Notebook) -> None:
    setup = "big = [1] * 10\nkept = 1"
    cell = task("small", "small = len(big)\ndel big")
    nb(setup, cell)
    assert nb.again(setup, cell) == []
    assert nb.value("[small, 'big' in globals(), kept]") == [10, False, 1]


def test_sharing_between_outputs_and_with_an_input(nb: Notebook) -> None:
    setup = "source = {'rows': [1, 2]}"
    cell = task("one", "one = [1]\ntwo = {'one': one}\nthree = [source, one]")
    nb(setup, cell)
    assert nb.again(setup, cell) == []
    assert nb.value("[two['one'] is one, three[1] is one, three[0] is source]") == [True, True, True]


def test_sharing_of_frames_and_arrays(nb: Notebook) -> None:
    setup = "import numpy as np\nraw = np.arange(6.0)"
    cell = task("grid", "grid = raw.reshape(2, 3)\nrow = grid[0]\nkept = raw")
    nb(setup, cell)
    assert nb.again(setup, cell) == []
    assert nb.value("[kept is raw, np.shares_memory(row, grid), np.shares_memory(grid, raw)]") == [True, True, True]


def test_a_plain_cell_that_changes_an_output_counts(nb: Notebook) -> None:
    change = "base.append(99)"
    nb(BASE, change, EVEN, TOTAL)
    assert nb.again(BASE, change, EVEN, TOTAL) == []
    assert nb.again(BASE, EVEN, TOTAL) == ["even"], "99 is odd: what follows is cut off"
    assert nb.again(BASE, "base.append(98)", EVEN, TOTAL) == ["even", "total"]
    assert nb.value("total") == 104


def test_a_plain_cell_that_binds_an_output_anew_counts(nb: Notebook) -> None:
    nb(BASE, EVEN, TOTAL)
    assert nb.again(BASE, EVEN, "even = [1]", TOTAL) == ["total"]
    assert nb.value("total") == 1


UNSAVEABLE = {
    "a lock": ("import threading", "lock = threading.Lock()", "lock.locked()", False),
    "a generator": ("", "lock = (n for n in range(3))", "next(lock)", 0),
    "an open file": ("open('text', 'w').write('ab')", "lock = open('text')", "lock.read()", "ab"),
    "a socket": ("import socket", "lock = socket.socket()", "lock.fileno() > 0", True),
}


@pytest.mark.parametrize("case", UNSAVEABLE.values(), ids=UNSAVEABLE)
def test_what_cannot_be_saved_leaves_the_rest(nb: Notebook, case: tuple[str, str, str, object]) -> None:
    setup, body, expression, expected = case
    cell = task("mixed", f"table = [1, 2]\n{body}")
    [*_, reply] = nb(setup, cell)
    assert any("'lock'" in text for text in reply.stamps), "nothing says that it was not saved"
    assert nb.again(setup, cell, "table") == []
    row = nb.kernel.status()["mixed"]
    assert row["restored"] is True
    nb.kernel.run_ok("table.append(3)")
    assert nb.value(expression) == expected
    assert nb.ran() == ["mixed"]
    assert nb.value("table") == [1, 2, 3], "the outputs that were saved are not what is computed again"


def test_what_runs_again_for_a_missing_value_shows_nothing_in_the_cell_that_reads_it(nb: Notebook) -> None:
    cells = (task("made", "letters = (c for c in 'ab')\nprint('shown')\n'value'"), "print(next(letters))")
    before = nb(*cells)
    nb.restart()
    after = nb(*cells)
    assert nb.ran() == ["made", "made"]
    assert [reply.shown for reply in after] == [reply.shown for reply in before]


def test_a_missing_value_is_of_the_task_that_left_it_last_not_of_one_that_comes_later(nb: Notebook) -> None:
    cells = (
        task("first", "letters = (c for c in 'ab')"),
        "print(next(letters))",
        task("second", "letters = iter('xy')"),
    )
    nb(*cells)
    nb.restart()
    assert nb(*cells)[1].stdout == "a\n"


def test_a_value_read_that_has_no_content_is_named(nb: Notebook) -> None:
    setup = "numbers = (n for n in range(10))"
    cell = task("first", "first = next(numbers)")
    nb(setup, cell)
    assert nb.again(setup, cell) == ["first"]
    assert "numbers" in nb.why("first")


def test_force_runs_again(nb: Notebook) -> None:
    nb(BASE, EVEN)
    assert nb.again(BASE, EVEN.replace("%%task even", "%%task even --force")) == ["even"]
    assert "--force" in nb.why("even")


def test_save_never_and_auto(nb: Notebook) -> None:
    nb(task("base", "base = [1]", "--save never"))
    row = nb.kernel.status()["base"]
    assert (row["saved"], "--save never" in row["why"]["text"]) == (False, True)
    large = "large = np.zeros(4_000_000)"
    nb("import numpy as np", task("large", large))
    row = nb.kernel.status()["large"]
    assert (row["saved"], "--save always" in row["why"]["text"]) == (False, True)
    nb(task("large", large, "--save always"))
    assert nb.kernel.status()["large"]["saved"] is True


def test_what_a_failed_cell_left_is_not_taken_for_a_result(nb: Notebook) -> None:
    nb(BASE)
    failing = task("even", "even = base[:2]\nraise ValueError('half way')")
    assert nb.kernel.run(failing).ename == "ValueError"
    assert nb.kernel.status()["even"]["state"] == "failure"
    assert "half way" in nb.kernel.status()["even"]["error"]
    assert nb.again(BASE, task("even", "even = base[:2]")) == ["even"]


def test_a_name_that_is_given_back_holds_the_very_object_or_stays_away(nb: Notebook) -> None:
    nb("d = [1]\ne = [2]", task("c", "c = [d, e]"), task("changed", "d.append(3)"))
    nb.again("d = [1]\ne = [2]", "c")
    assert nb.value("c[1] is e") is True
    nb.again("d = [1]\ne = [5]")
    reply = nb.kernel.run("c")
    assert reply.ename == "NameError"
    assert any("'e', of which it goes on holding a part" in stamp for stamp in reply.stamps)
