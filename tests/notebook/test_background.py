"""Tasks beside the notebook: cells return at once, feed each other, and what one does is put down to no other."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tests.keys import signing_key
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel, Reply

from milepost.model.errors import UsageError
from milepost.notebook.log import FILE_BYTES, TAIL, Log
from milepost.notebook.options import parse_cell_options

pytestmark = pytest.mark.slow

PATIENCE = 30.0


def until(name: str) -> str:
    """Lines that wait for a file, a step of Python at a time."""
    return f"import os, time\nwhile not os.path.exists({name!r}): time.sleep(0.005)\n"


def ran(name: str) -> str:
    return f"open('ran.milepost', 'a').write('{name} ');\n"


def runs(folder: Path) -> list[str]:
    path = folder / "ran.milepost"
    return path.read_text().split() if path.exists() else []


def settled(kernel: Kernel, name: str, *states: str) -> dict[str, Any]:
    """The row of a task once it is in one of these states; asked over the control channel, so that no cell runs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        row = next((row for row in kernel.request("state")["tasks"] if row["name"] == name), None)
        if row is not None and row["state"] in states:
            return dict(row)
        time.sleep(0.01)
    raise TimeoutError(f"{name} is {row and row['state']}, not {' or '.join(states)}")


def there(path: Path) -> None:
    """Wait for a file."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not come"
        time.sleep(0.005)


def plain(reply: Reply) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", reply.traceback)


def waits_for(reply: Reply) -> list[str]:
    return [stamp for stamp in reply.stamps if "waiting for" in stamp]


# options


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a --bg --on main", "--on threads"),
        ("a --on dask", "not there yet"),
        ("a --on moon", "main, threads, processes"),
        ("a --timeout 0", "no time"),
        ("a --timeout soon", "not a number of seconds"),
    ],
)
def test_options_that_make_no_sense(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_cell_options(line)


# starting, feeding, waiting


def test_cells_return_at_once_and_feed_each_other(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("base = 5\ndef helper(v): return v + base")
    one = kernel.run_ok("%%task one --bg\n" + until("go.milepost") + "x = helper(1)")
    two = kernel.run_ok("%%task two --bg\ny = x + 1\ndef later(): return y * base")
    assert one.stamps == ["▶ 'one' runs in the background"]
    assert two.stamps == ["○ 'two' waits for 'one', then runs in the background"]
    kernel.run_ok("base = 100")
    settled(kernel, "one", "running")
    rows = kernel.status()
    assert (rows["one"]["state"], rows["two"]["state"]) == ("running", "pending")
    assert rows["two"]["after"] == ["one"]
    assert rows["one"]["started"] is not None
    (tmp_path / "go.milepost").touch()
    assert settled(kernel, "two", "success")["saved"] is True
    assert kernel.value("[x, y, later()]") == [6, 7, 700], (
        "its reads were not fixed, or its function sees old variables"
    )
    header = kernel.request("state")["run"]
    assert (header["running"], header["paused"]) == (False, False)
    kernel.kill()
    kernel = start()
    kernel.run_ok("base = 5\ndef helper(v): return v + base")
    again = kernel.run_ok("%%task one --bg\n" + until("go.milepost") + "x = helper(1)")
    assert any("restored: saved" in stamp for stamp in again.stamps)
    assert kernel.value("later()") == 35, "a plain cell was not given what a task in the background had left"


def test_a_plain_cell_waits_and_says_so(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("def use(): return x + 1")
    kernel.run_ok("%%task one --bg\n" + until("go.milepost") + "x = 1")
    assert kernel.run_ok("print('other')").stdout == "other\n"
    sent = kernel.send("print(use())")
    kernel.finish(sent, until="waiting for 'one'")
    assert kernel.request("pause")["paused"] is True
    assert kernel.request("resume")["paused"] is False
    (tmp_path / "go.milepost").touch()
    assert kernel.finish(sent).stdout == "2\n"


def test_task_cells_wait_for_what_they_read_and_come_after(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("from milepost import task\n@task\ndef total(x): return x + 10")
    for cell, text in (
        ("%%task two\ny = x + 1\nprint('two', y)", "two 2"),
        ("%%task three --after one\nprint('three')", "three"),
        ("print('four', total.result())", "four 11"),
    ):
        (tmp_path / "go.milepost").unlink(missing_ok=True)
        kernel.run_ok("%%task one --bg --force\n" + until("go.milepost") + "x = 1\n" + ran("one"))
        sent = kernel.send(cell)
        kernel.finish(sent, until="waiting for 'one'")
        (tmp_path / "go.milepost").touch()
        assert text in kernel.finish(sent).ok().stdout
    assert runs(tmp_path) == ["one"] * 3


def test_a_cell_that_reads_what_a_task_before_failed_to_bind_is_told(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task bad --bg\nx = 1 / 0")
    settled(kernel, "bad", "failure")
    kernel.run_ok("%%task slow --bg\n" + until("never.milepost") + "y = 1")
    settled(kernel, "slow", "running")
    kernel.run_ok("%tasks cancel slow")
    settled(kernel, "slow", "cancelled")
    reads = kernel.run("x + y")
    assert reads.ename == "NameError"
    assert reads.stamps == [
        "⚠ 'x' comes from task 'bad', which failed: ZeroDivisionError: division by zero; run its cell again",
        "⚠ 'y' comes from task 'slow', which was cancelled; run its cell again",
    ]
    assert not kernel.run("nothing").stamps


def test_what_waits_can_be_stopped_and_the_task_goes_on(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one --bg\n" + until("go.milepost") + "x = 1")
    for cell in ("print(x)", "%%task two\ny = x"):
        sent = kernel.send(cell + "\n" + ran("never"))
        kernel.finish(sent, until="waiting for 'one'")
        kernel.interrupt()
        reply = kernel.finish(sent)
        assert (reply.status, reply.ename) == ("error", "KeyboardInterrupt")
    assert kernel.status()["one"]["state"] == "running"
    assert runs(tmp_path) == []
    (tmp_path / "go.milepost").touch()
    assert kernel.run_ok("print(x)").stdout.endswith("1\n")


def test_what_waits_for_a_task_that_fails_or_is_cancelled_says_so(start: Start, tmp_path: Path) -> None:
    kernel = start()
    for cell in ("print(x)", "%%task two\ny = x", "%%task three --after one\nz = 1"):
        kernel.run_ok("%%task one --bg --force\n" + until("go.milepost") + "x = 1 / 0")
        sent = kernel.send(cell + "\n" + ran("never"))
        kernel.finish(sent, until="waiting for 'one'")
        (tmp_path / "go.milepost").touch()
        reply = kernel.finish(sent)
        assert reply.ename == "TaskFailed", reply.evalue
        assert "'one'" in reply.evalue
        assert "division by zero" in reply.evalue
        assert "in <module>" in reply.traceback, "where it failed is not shown"
        assert kernel.status()["one"]["state"] == "failure"
        (tmp_path / "go.milepost").unlink()
    kernel.run_ok("%%task four --bg\n" + until("go.milepost") + "w = 1")
    sent = kernel.send("print(w)")
    kernel.finish(sent, until="waiting for 'four'")
    kernel.request("cancel", task="four")
    reply = kernel.finish(sent)
    assert (reply.ename, "'four', which was cancelled" in reply.evalue) == ("TaskFailed", True)
    assert runs(tmp_path) == []
    assert kernel.run_ok("print('on')").stdout == "on\n"


def test_what_depends_on_a_failure_is_skipped(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("x = 7")
    kernel.run_ok("%%task one --bg\n" + until("go.milepost") + "x = 1 / 0")
    kernel.run_ok("%%task two --bg\ny = x")
    kernel.run_ok("%%task three --bg\nz = y")
    (tmp_path / "go.milepost").touch()
    assert "skipped, since 'two' was skipped" in settled(kernel, "three", "skipped")["error"]
    assert settled(kernel, "one", "failure")["error"] == "ZeroDivisionError: division by zero"
    kernel.run_ok("%%task one --bg --continue-on-error\nx = 1 / 0")
    kernel.run_ok("%%task two --bg\ny = x")
    settled(kernel, "two", "success")
    assert kernel.value("y") == 7


def test_several_at_once(start: Start, tmp_path: Path) -> None:
    kernel = start()
    names = ["one", "two", "three"]
    for name in names:
        others = [until(f"{other}.here") for other in names]
        kernel.run_ok(f"%%task {name} --bg\nopen('{name}.here', 'w').close()\n{''.join(others)}{name} = '{name}'")
    for name in names:
        assert settled(kernel, name, "success")["saved"] is True
    assert kernel.value("one + two + three") == "onetwothree"


# whose doing


def test_output_stays_apart(start: Start, tmp_path: Path) -> None:
    kernel = start()
    noise = "import sys\nfrom IPython.display import display\nprint('noise')\nprint('noise', file=sys.stderr)\n"
    rest = noise + "display('noise too')\nopen('over.milepost', 'w').close()\n'the end'"
    kernel.run_ok("%%task one --bg\n" + noise + until("go.milepost") + rest)
    cell = "%%task two\nprint('mine')\nopen('go.milepost', 'w').close()\n" + until("over.milepost") + "print('mine')\n3"
    shown = [output.get("text") or output["data"]["text/plain"] for output in kernel.run_ok(cell).shown]
    assert shown == ["mine\nmine\n", "3"]
    settled(kernel, "one", "success")
    kernel.kill()
    kernel = start()
    again = kernel.run_ok(cell)
    assert [output.get("text") or output["data"]["text/plain"] for output in again.shown] == shown
    one = kernel.run_ok("%%task one --bg\n" + noise + until("go.milepost") + rest)
    kinds = [(output["type"], output.get("text") or output["data"]["text/plain"]) for output in one.shown]
    streams = sorted({kind: text for kind, text in kinds if kind == "stream"}.values())
    assert streams == ["noise\n"]
    assert kinds[-2:] == [("display_data", "'noise too'"), ("execute_result", "'the end'")]


def test_the_cell_that_was_run_later_wins(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one --bg\n" + until("go.milepost") + "x = 'task'\nonly = 'task'")
    kernel.run_ok("x = 'cell'")
    assert waits_for(kernel.run_ok("print(x)")) == [], "what it reads is there"
    (tmp_path / "go.milepost").touch()
    settled(kernel, "one", "success")
    assert kernel.value("[x, only]") == ["cell", "task"]
    kernel.run_ok("%tasks restore one")
    assert kernel.value("x") == "task"
    (tmp_path / "go.milepost").unlink()
    kernel.run_ok("%%task two --bg\n" + until("go.milepost") + "y = 'first'")
    kernel.run_ok("%%task three --bg\ny = 'second'")
    settled(kernel, "three", "success")
    (tmp_path / "go.milepost").touch()
    settled(kernel, "two", "success")
    assert kernel.value("y") == "second"


def test_changes_in_place_are_put_down_to_who_made_them(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("own, other, shared = [1], [1], [1]\nunlinked = {'list': shared}")
    kernel.run_ok("%%task one --bg\nown.append(2)\n" + until("go.milepost") + "size = len(own) + len(shared)")
    kernel.run_ok("other.append(2)")
    task = kernel.run_ok("%%task two\nother.append(3)\ntotal = len(other)")
    assert not any("not saved" in stamp for stamp in task.stamps)
    (tmp_path / "go.milepost").touch()
    row = settled(kernel, "one", "success")
    assert (row["saved"], row["outputs"]) == (True, ["os", "time", "size", "own"])
    assert kernel.status()["two"]["outputs"] == ["total", "other"]
    assert kernel.value("[own, other]") == [[1, 2], [1, 2, 3]]
    (tmp_path / "go.milepost").unlink()
    kernel.run_ok("%%task three --bg\n" + until("go.milepost") + "seen = len(shared)")
    kernel.run_ok("unlinked['list'].append(2)")
    (tmp_path / "go.milepost").touch()
    row = settled(kernel, "three", "success")
    assert row["saved"] is False, "another cell's change was saved as the task's"
    assert "'shared' changed while it ran" in row["why"]["text"]
    kernel.run_ok(
        "%%task four --bg\n"
        + until("there.milepost")
        + "shared.append(4)\nopen('done.milepost', 'w').close()\nfour = 1"
    )
    reply = kernel.run_ok(
        "%%task five\nopen('there.milepost', 'w').close()\n" + until("done.milepost") + "five = len(shared)"
    )
    words = "not saved: 'shared', 'unlinked' changed while it ran"
    assert any(words in stamp for stamp in reply.stamps), "the stamp of 'four' may come before that of 'five'"
    assert settled(kernel, "four", "success")["saved"] is False


@pytest.mark.parametrize(
    ("setup", "same"),
    [
        ("b = d = [1]", "b is d"),
        ("d = [1]\nc = {'d': d}", "c['d'] is d"),
        ("d = [1]\ne = [2]\nc = [d, e]", "c[0] is d and c[1] is e"),
    ],
)
@pytest.mark.parametrize("body", ["d.append(3)", "d += [3]"])
def test_what_it_changes_and_others_hold_is_not_saved(
    start: Start, tmp_path: Path, setup: str, same: str, body: str
) -> None:
    for times in (1, 2):
        kernel = start()
        kernel.run_ok(setup)
        kernel.run_ok(f"%%task t --bg\n{body}\n" + ran("t"))
        assert "hangs together" in settled(kernel, "t", "success")["why"]["text"]
        assert kernel.value(same) is True
        assert runs(tmp_path) == ["t"] * times
        kernel.kill()


def test_random_generators(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("import random\nrandom.seed(1)")
    alone = "%%task alone --bg\na = random.random()"
    kernel.run_ok(alone)
    settled(kernel, "alone", "success")
    kernel.run_ok("%%task mixed --bg\n" + until("go.milepost") + "b = random.random()")
    kernel.run_ok("c = [random.random()]")
    (tmp_path / "go.milepost").touch()
    assert settled(kernel, "mixed", "success")["saved"] is True
    values = kernel.value("[a, b, random.random()]")
    kernel.kill()
    kernel = start()
    kernel.run_ok("import random\nrandom.seed(1)")
    assert any("restored" in stamp for stamp in kernel.run_ok(alone).stamps)
    kernel.run_ok("%%task mixed --bg\n" + until("go.milepost") + "b = random.random()")
    assert settled(kernel, "mixed", "success")["restored"] is False, "a result that came of shared generators counts"
    assert kernel.value("a") == values[0]


# running it again, stopping it


def test_its_cell_run_again_while_it_runs(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("n = 1")
    cell = "%%task one --bg\n" + until("go.milepost") + "x = n\n" + ran("one")
    kernel.run_ok(cell)
    settled(kernel, "one", "running")
    assert "runs in the background already" in kernel.run_ok(cell).stamps[0]
    for words, change in (("former code", cell + "y = 2"), ("former input 'n'", cell)):
        kernel.run_ok("n = 2") if "input" in words else None
        reply = kernel.run(change)
        assert (reply.ename, words in reply.evalue, "%tasks cancel one" in reply.evalue) == ("UsageError", True, True)
    assert kernel.run("%tasks forget one").ename == "UsageError"
    (tmp_path / "go.milepost").touch()
    settled(kernel, "one", "success")
    assert runs(tmp_path) == ["one"]
    assert kernel.value("x") == 1


def test_cancel_stops_python_and_leaves_behind_what_is_deaf(start: Start, tmp_path: Path) -> None:
    kernel = start()
    body = "import time\ntry:\n    open('here', 'w').close()\n    while True: time.sleep(0.001)\nfinally:\n    "
    loop = body + ran("stopped")
    kernel.run_ok("%%task one --bg\n" + loop)
    there(tmp_path / "here")
    assert "cancelled" in kernel.run_ok("%tasks cancel one").stdout
    settled(kernel, "one", "cancelled")
    deadline = time.monotonic() + PATIENCE
    while runs(tmp_path) != ["stopped"]:
        assert time.monotonic() < deadline, "its body was left running"
        time.sleep(0.01)
    os.mkfifo(tmp_path / "fifo")
    # Twice, as the interrupt may come before it reads.
    deaf = "def deaf():\n    for _ in range(2):\n        try:\n            open('there.milepost', 'w').close()\n"
    deaf += "            ctypes.CDLL(None).read(pipe, bytes(1), 1)\n            time.sleep(0)\n"
    deaf += "        except KeyboardInterrupt: pass\n    open('late', 'w').close()\n"
    kernel.run_ok("import ctypes, os, time\npipe = os.open('fifo', os.O_RDWR)\n" + deaf)
    kernel.run_ok("%%task two --bg\ndeaf()\nx = 1")
    there(tmp_path / "there.milepost")
    kernel.request("cancel", task="two")
    settled(kernel, "two", "cancelled")
    assert not (tmp_path / "late").exists(), "a cancel waits for a body that does not heed it"
    with (tmp_path / "fifo").open("wb", buffering=0) as pipe:
        pipe.write(b"!!")
    there(tmp_path / "late")
    time.sleep(0.1)
    row = kernel.status()["two"]
    assert (row["state"], row["saved"]) == ("cancelled", False)
    assert kernel.value("'x' in globals()") is False
    kernel.run_ok("%%task two --bg\nx = 2")
    settled(kernel, "two", "success")
    assert kernel.value("x") == 2


def test_pause_holds_back_and_cancel_reaches_what_is_held(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task zero --bg\n" + until("go.milepost") + "z = 1")
    settled(kernel, "zero", "running")
    kernel.run_ok("%tasks pause")
    one = kernel.run_ok("%%task one --bg\nx = 1\n" + ran("one"))
    assert one.stamps == ["Ⅱ paused: 'one' starts in the background once you press Resume"]
    kernel.run_ok("%%task two --bg --after zero\ny = 1\n" + ran("two"))
    assert kernel.request("state")["run"]["pausing"] is True
    (tmp_path / "go.milepost").touch()
    settled(kernel, "zero", "success")
    state = kernel.request("state")
    assert (state["run"]["pausing"], state["run"]["paused"]) == (False, True)
    assert {row["name"]: row["state"] for row in state["tasks"]} == {
        "zero": "success",
        "one": "paused",
        "two": "paused",
    }
    kernel.request("cancel", task="two")
    settled(kernel, "two", "cancelled")
    assert runs(tmp_path) == []
    kernel.request("resume")
    settled(kernel, "one", "success")
    assert runs(tmp_path) == ["one"]


def test_time_limits(start: Start, tmp_path: Path) -> None:
    kernel = start()
    here = kernel.run("%%task one --timeout 0.3\nimport time\nwhile True: time.sleep(0.01)")
    assert (here.ename, "0.3 s" in here.evalue) == ("TaskTimeout", True)
    kernel.run_ok("%%task two --bg --timeout 0.3\nwhile True: pass")
    assert "TaskTimeout" in settled(kernel, "two", "failure")["error"]
    kernel.run_ok("%%task three --timeout 30\nx = 1")
    assert kernel.status()["three"]["saved"] is True
    assert kernel.status()["one"]["state"] == "failure"


def test_options_in_the_background(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("tries, wanted = [], True")
    kernel.run_ok("%%task one --bg --retries 2\ntries.append(1)\nif len(tries) < 2: raise OSError('flaky')\nx = 1")
    settled(kernel, "one", "success")
    kernel.run_ok("%%task two --bg --if 'not wanted'\ny = 1")
    settled(kernel, "two", "skipped")
    kernel.run_ok("%%task three --bg --save never\nz = 1\n" + ran("three"))
    assert settled(kernel, "three", "success")["saved"] is False
    for _ in range(2):
        kernel.run_ok("%%task four --bg --force\nw = 1\n" + ran("four"))
        settled(kernel, "four", "success")
    kernel.run_ok("%%task six --bg\n" + until("go.milepost") + "flag = False")
    kernel.run_ok("%%task seven --bg --if flag\nv = 1\n" + ran("seven"))
    (tmp_path / "go.milepost").touch()
    settled(kernel, "seven", "skipped")
    assert runs(tmp_path) == ["three", "four", "four"]


def test_on_threads_is_like_a_cell(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("base = 1")
    cell = "%%task one --on threads\nprint('live', flush=True)\n" + until("go.milepost") + "x = base + 1\nx"
    sent = kernel.send(cell)
    kernel.finish(sent, until="live")
    (tmp_path / "go.milepost").touch()
    reply = kernel.finish(sent)
    assert reply.shown[-1]["data"]["text/plain"] == "2"
    assert kernel.value("x") == 2
    bad = kernel.run("%%task two --on threads\ny = 1\n\nz = y / 0")
    assert bad.ename == "ZeroDivisionError"
    assert "Cell In[5], line 4" in plain(bad)
    assert "----> 4 z = y / 0" in plain(bad)
    assert "milepost" not in plain(bad)
    sent = kernel.send("%%task three --on threads\nprint('in it', flush=True)\nwhile True: pass")
    kernel.finish(sent, until="in it")
    kernel.interrupt()
    assert kernel.finish(sent).ename == "KeyboardInterrupt"
    settled(kernel, "three", "cancelled")
    kernel.kill()
    kernel = start()
    kernel.run_ok("base = 1")
    again = kernel.run_ok(cell)
    assert [output.get("text") or output["data"]["text/plain"] for output in again.shown] == ["live\n", "2"]
    assert any("restored: saved" in stamp for stamp in again.stamps)


# the kernel dies


def test_killed_while_one_runs_and_another_is_saved(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one --bg\nx = 1\n" + ran("one"))
    settled(kernel, "one", "success")
    kernel.run_ok(
        "%%task two --bg\nopen('there.milepost', 'w').close()\n" + until("go.milepost") + "y = x + 1\n" + ran("two")
    )
    there(tmp_path / "there.milepost")
    kernel.kill()
    (tmp_path / "go.milepost").touch()
    kernel = start()
    assert set(kernel.status()) == {"one"}
    kernel.run_ok("%%task one --bg\nx = 1\n" + ran("one"))
    kernel.run_ok(
        "%%task two --bg\nopen('there.milepost', 'w').close()\n" + until("go.milepost") + "y = x + 1\n" + ran("two")
    )
    assert kernel.value("y") == 2
    assert runs(tmp_path) == ["one", "two"]


def test_a_kernel_shuts_down_although_tasks_run(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one --bg\nimport time\ntime.sleep(60)\nx = 1")
    kernel.run_ok("%%task two --bg\ny = x")
    settled(kernel, "one", "running")
    process = kernel.manager.provisioner.process  # type: ignore[union-attr]
    kernel.manager.shutdown_kernel()
    assert process.returncode == 0, "it had to be killed"


# what they print


def test_the_log_is_kept_in_bounds_and_in_the_store(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one --bg\nfor i in range(20_000): print('line', i)\n" + until("go.milepost") + "print('end')")
    first = within(lambda: kernel.request("log", task="one")["log"], lambda log: "line 19999\n" in log["text"])
    assert (len(first["text"]), first["start"] > 0) == (TAIL, True)
    assert kernel.request("state")["tasks"][0]["log"] is True
    (tmp_path / "go.milepost").touch()
    settled(kernel, "one", "success")
    rest = kernel.request("log", task="one", **{"from": first["start"] + TAIL})["log"]
    assert (rest["text"], rest["run"]) == ("end\n", first["run"])
    [file] = tmp_path.glob("**/logs/one.log")
    assert file.read_text() == "".join(f"line {i}\n" for i in range(20_000)) + "end\n"
    kernel.run_ok("%%task one --bg --force\nprint('anew')\nraise ValueError('no')")
    settled(kernel, "one", "failure")
    again = kernel.request("log", task="one", **{"from": 10**9})["log"]
    assert (again["run"] > first["run"], again["text"]) == (True, "")
    text = kernel.request("log", task="one")["log"]["text"]
    assert text.startswith("anew\nTraceback")
    assert text.endswith("ValueError: no\n")
    assert file.read_text() == text
    assert kernel.request("log", task="two")["log"]["text"] == ""


@pytest.mark.parametrize("on", ["threads", "processes"])
@pytest.mark.parametrize("trouble", ["full", "unwritable"])
def test_a_log_that_cannot_be_written_costs_nothing(start: Start, tmp_path: Path, trouble: str, on: str) -> None:
    kernel = start()
    kernel.run_ok("%%task zero\nz = 1")
    logs = next(tmp_path.glob("**/journal")).parent / "logs"
    if trouble == "full":
        kernel.run_ok("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))")
    else:
        logs.write_text("in the way")
    kernel.run_ok(f"%%task one --bg --on {on}\nfor i in range(20_000): print('line', i)\nx = 1")
    assert settled(kernel, "one", "success")["error"] is None
    assert kernel.value("x") == 1
    assert "line 19999\n" in kernel.request("log", task="one")["log"]["text"]
    if trouble == "full":
        assert (logs / "one.log").stat().st_size <= 50_000


def test_a_log_file_ends_at_its_bound(tmp_path: Path) -> None:
    log = Log(tmp_path / "one.log")
    for _ in range(3):
        log.stream("stdout", "é" * (FILE_BYTES // 5) + "\n")
    log.close()
    text = (tmp_path / "one.log").read_text()
    assert FILE_BYTES - 2 <= len(text.partition("\n… cut")[0].encode()) <= FILE_BYTES
    assert text.endswith(f"\n… cut here, at {FILE_BYTES:,} bytes\n")
    assert sum(len(part) for part in log.text()[1]) == TAIL


@pytest.mark.parametrize("on", ["threads", "processes"])
def test_without_a_front_end_the_cell_that_needs_it_prints_it(tmp_path: Path, on: str) -> None:
    start = f"%%task {{}} --bg --on {on}\n"
    cells = [
        "%load_ext milepost",
        start.format("one") + until("go.milepost") + "print('from one')\ndisplay('shown')\nx = 1",
        start.format("two") + "print('from two')\ny = 2",
        "open('go.milepost', 'w').close()",
        "print('x is', x)",
        "print(x)",
        "import time\nwhile not list(__import__('pathlib').Path().rglob('two.log')): time.sleep(0.01)",
        "%%task three\nprint(y)",
    ]
    outputs = executed(tmp_path, cells)
    assert outputs[4] == ["from one\n", "'shown'", "x is 1\n"]
    assert outputs[5] == ["1\n"], "it is printed once"
    assert outputs[7] == ["from two\n2\n"], "what had ended before anybody waited was never shown"


def executed(folder: Path, cells: list[str]) -> list[list[str]]:
    """What each cell of a notebook shows in a headless run, without our notes."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(book, folder / "book.ipynb")
    env = {
        **os.environ,
        "MILEPOST_KEY_FILE": signing_key(folder / "key"),
        "IPYTHONDIR": str(folder / "ip"),
        "NO_COLOR": "1",
    }
    command = [sys.executable, "-m", "jupyter", "execute", "--inplace", "book.ipynb"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=2 * PATIENCE)
    assert done.returncode == 0, done.stderr.decode()
    shown = [cell.outputs for cell in nbformat.read(folder / "book.ipynb", 4).cells]
    own = [[item for item in items if "milepost" not in item.get("metadata", {})] for items in shown]
    return [[text for _, group in itertools.groupby(items, same) for text in joined(list(group))] for items in own]


def same(output: Any) -> str:
    return str(output.get("name", output["output_type"]))


def joined(outputs: list[Any]) -> list[str]:
    """A stream may come in pieces."""
    texts = [text_of(output) for output in outputs]
    return ["".join(texts)] if outputs[0]["output_type"] == "stream" else texts


def text_of(output: Any) -> str:
    return str(output.get("text") or output["data"]["text/plain"])


def within(look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """What is looked at, once it is good."""
    deadline = time.monotonic() + PATIENCE
    while not good(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.01)
    return seen
