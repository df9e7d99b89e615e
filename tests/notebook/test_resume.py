"""After a restart: what is listed without loading anything, and how values come back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow

FIELDS = {
    "name",
    "state",
    "restored",
    "outputs",
    "after",
    "seconds",
    "saved",
    "bytes",
    "saved_at",
    "why",
    "error",
    "age",
}

SPY = """
class Spy:
    def __setstate__(self, state):
        with open("unpickled", "a") as log:
            log.write("x")
        self.__dict__.update(state)
"""


def note(name: str) -> str:
    return f"open('ran.milepost', 'a').write('{name} ')\n"


BASE = "%%task base --save always\n" + note("base") + "spy = Spy(); spy.n = 3; base = [spy.n, 2]"
DOUBLE = "%%task double\n" + note("double") + "double = [n * 2 for n in base]\nprint('doubled')"
LAST = "%%task last\n" + note("last") + "last = sum(double)\nextra = 'e'"


def ran(folder: Path) -> list[str]:
    return (folder / "ran.milepost").read_text().split()


@pytest.fixture
def restarted(start: Start, tmp_path: Path) -> Kernel:
    """A new kernel, after one that ran three tasks was killed."""
    first = start()
    for code in (SPY, BASE, DOUBLE, LAST):
        first.run_ok(code)
    first.kill()
    return start()


def test_status_lists_what_is_saved_and_loads_nothing(restarted: Kernel, tmp_path: Path) -> None:
    rows = restarted.status()
    assert list(rows) == ["base", "double", "last"]
    for row in rows.values():
        assert row.keys() >= FIELDS
        assert row["state"] == "success"
        assert row["saved"] is True
        assert row["restored"] is False
        assert row["error"] is None
        assert row["bytes"] > 0
        assert row["seconds"] >= 0
        assert 0 <= row["age"] < 300
        assert set(row["why"]) >= {"kind", "text"}
        assert row["why"]["text"]
        assert datetime.fromisoformat(row["saved_at"]).utcoffset() == timedelta(0)
    assert set(rows["base"]["outputs"]) == {"spy", "base"}
    assert rows["double"]["after"] == ["base"]
    assert rows["last"]["after"] == ["double"]
    assert not (tmp_path / "unpickled").exists()
    text = restarted.run_ok("%tasks status").stdout
    assert all(name in text for name in rows)
    restarted.run_ok("%tasks why last")
    assert not (tmp_path / "unpickled").exists()
    restarted.run_ok("spy.n")
    assert (tmp_path / "unpickled").exists(), "the spy itself does not tell"


def test_a_plain_cell_gets_the_last_output(restarted: Kernel, tmp_path: Path) -> None:
    reply = restarted.run_ok("print(last, extra)")
    assert reply.stdout == "10 e\n"
    assert len(reply.stamps) == 1
    assert "'last'" in reply.stamps[0]
    assert restarted.run_ok("print(last)").stamps == []
    assert ran(tmp_path) == ["base", "double", "last"]
    assert not (tmp_path / "unpickled").exists()


def test_a_name_that_only_a_helper_reads_is_restored(restarted: Kernel) -> None:
    restarted.run_ok("def show():\n    return inner()\ndef inner():\n    return double")
    assert restarted.value("show()") == [6, 4]


def test_a_task_cell_gets_what_it_reads(restarted: Kernel, tmp_path: Path) -> None:
    reply = restarted.run_ok("%%task more\n" + note("more") + "more = double + [last]")
    assert any("'double'" in text for text in reply.stamps)
    assert restarted.value("more") == [6, 4, 10]
    assert ran(tmp_path) == ["base", "double", "last", "more"]


def test_a_saved_task_cell_is_restored_without_what_came_before(restarted: Kernel, tmp_path: Path) -> None:
    reply = restarted.run_ok(DOUBLE)
    assert reply.stdout == "doubled\n"
    assert any("restored: saved" in text for text in reply.stamps)
    assert ran(tmp_path) == ["base", "double", "last"]
    row = restarted.status()["double"]
    assert row["restored"] is True
    assert row["why"]["kind"] == "restored"


def test_restore_all_and_by_name(restarted: Kernel, tmp_path: Path) -> None:
    reply = restarted.run_ok("%tasks restore double")
    assert len(reply.stamps) == 1
    assert restarted.value("'double' in dir() and 'last' not in dir()")
    restarted.run_ok("%tasks restore")
    assert restarted.value("[n in globals() for n in ('base', 'double', 'last', 'extra', 'spy')]") == [True] * 5
    assert ran(tmp_path) == ["base", "double", "last"]
    assert all(row["restored"] for row in restarted.status().values())


def test_restore_of_an_unknown_name_says_what_was_meant(restarted: Kernel) -> None:
    reply = restarted.run("%tasks restore doubel")
    assert (reply.ename, "double" in reply.evalue) == ("UsageError", True)


def test_forget_drops_what_is_saved(restarted: Kernel, start: Start, tmp_path: Path) -> None:
    assert "last" in restarted.run_ok("%tasks forget last").stdout
    assert list(restarted.status()) == ["base", "double"]
    assert restarted.run("last").ename == "NameError"
    restarted.kill()
    third = start()
    assert list(third.status()) == ["base", "double"]
    third.run_ok(LAST)
    assert ran(tmp_path)[-1:] == ["last"]
    assert len(ran(tmp_path)) == 4


def test_why_in_words_and_as_data(restarted: Kernel) -> None:
    restarted.run_ok(DOUBLE)
    text = restarted.run_ok("%tasks why double").stdout
    assert text.startswith("double: restored")
    assert "nothing it depends on changed" in text
    [row] = json.loads(restarted.run_ok("%tasks why double --json").stdout)
    assert row["name"] == "double"
    assert row["why"]["kind"] == "restored"
    restarted.run_ok("%%task double\ndouble = [n * 3 for n in base]")
    text = restarted.run_ok("%tasks why double").stdout
    assert "-double = [n * 2 for n in base]" in text
    assert "+double = [n * 3 for n in base]" in text


def test_a_function_task_is_restored_when_another_needs_it(start: Start, tmp_path: Path) -> None:
    first_function = "from milepost import task\n@task\ndef one():\n    " + note("one") + "    return [1]\n"
    second_function = "@task\ndef two(one, base, by=2):\n    " + note("two") + "    return (one + base) * by\n"
    kernel = start()
    kernel.run_ok(SPY + first_function)
    kernel.run_ok(BASE)
    kernel.run_ok(second_function + "print(two.result())")
    kernel.kill()
    kernel = start()
    kernel.run_ok(first_function)
    assert kernel.run_ok(second_function + "print(two.result())").stdout == "[1, 3, 2, 1, 3, 2]\n"
    assert ran(tmp_path) == ["base", "one", "two"]
    assert kernel.value("two.result() is two.result()")
    kernel.run_ok(second_function.replace("by=2", "by=1"))
    assert kernel.value("two.result()") == [1, 3, 2]
    assert ran(tmp_path) == ["base", "one", "two", "two"]


def test_nothing_is_restored_into_a_name_that_the_cell_binds_itself(restarted: Kernel) -> None:
    reply = restarted.run_ok("last = 1\nprint(last)")
    assert reply.stamps == []
    assert reply.stdout == "1\n"
    assert restarted.run_ok("print(last)").stdout == "1\n"


def test_why_tells_what_would_happen_before_the_cell_runs(restarted: Kernel, tmp_path: Path) -> None:
    def now() -> dict[str, Any]:
        [row] = json.loads(restarted.run_ok("%tasks why double --json").stdout)
        return dict(row["now"])

    before = restarted.run_ok("%tasks why double")
    assert "restored" not in before.stdout.partition("\n")[0]
    restarted.run_ok(DOUBLE)
    bodies = ran(tmp_path)
    assert (now()["restored"], now()["kind"]) == (True, "restored")
    restarted.run_ok("base.append(9)")
    text = restarted.run_ok("%tasks why double").stdout
    assert "if its cell ran now, it would be computed again: input 'base' changed" in text
    assert (now()["restored"], now()["kind"]) == (False, "input-changed")
    restarted.run_ok("base.pop()")
    assert now()["restored"] is True
    restarted.run_ok("del base")
    assert now()["restored"] is True, "it would be restored first"
    assert not restarted.value("'base' in globals()"), "asking bound a name"
    assert ran(tmp_path) == bodies


def test_why_shows_how_the_cell_was_edited_in_the_saved_notebook(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task a\nx = 1", "one")
    edited = nbformat.v4.new_code_cell("%%task a\nx = 2", id="one")
    other = nbformat.v4.new_code_cell("%%task b\nx = 3", id="two")
    nbformat.write(nbformat.v4.new_notebook(cells=[other, edited]), tmp_path / "nb.ipynb")
    text = kernel.run_ok("%tasks why a").stdout
    assert text.endswith("computed again: its code changed\n    -x = 1\n    +x = 2\n")
    assert kernel.value("x") == 1


def test_a_helper_is_the_same_input_whether_its_cell_is_a_task_or_not(start: Start) -> None:
    helper, use = "def helper(n):\n    return n + 1", "%%task use\nused = helper(1)"
    kernel = start()
    kernel.run_ok(f"%%task define\n{helper}")
    assert not kernel.run_ok(use).stamps
    kernel.kill()
    kernel = start()
    kernel.run_ok(helper)
    assert "restored" in kernel.run_ok(use).stamps[0]
