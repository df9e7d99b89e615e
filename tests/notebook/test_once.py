"""Cells and functions that happen once, in real kernels that are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.keys import signing_key
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel

pytestmark = pytest.mark.slow

IMPORTS = "import os\nfrom milepost import task"
CHARGE = """%%task charge --once
with open("charged.milepost", "a") as log:
    log.write(task.key + "\\n")
{then}receipt = "r-1"
print("charged")"""
STOP = "print('charging', flush=True)\nimport time; time.sleep(600)\n"
REPORT = "%%task report\nreport = receipt.upper()"


def charged(folder: Path) -> list[str]:
    """The key of each charge."""
    path = folder / "charged.milepost"
    return path.read_text().split() if path.exists() else []


def milepost(folder: Path, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MILEPOST_KEY_FILE": key}
    command = [sys.executable, "-m", "milepost.cli", arguments[0], "nb.milepost", *arguments[1:]]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return signing_key(tmp_path / "key")


def killed_while_charging(start: Start, key: str) -> Kernel:
    """A new kernel, after one was killed in the body."""
    first = start(MILEPOST_KEY_FILE=key)
    first.run_ok(IMPORTS)
    first.finish(first.send(CHARGE.format(then=STOP)), until="charging")
    first.kill()
    second = start(MILEPOST_KEY_FILE=key)
    second.run_ok(IMPORTS)
    return second


def after_charging(start: Start) -> Kernel:
    """A new kernel, after one was killed that had charged."""
    first = start()
    first.run_ok(IMPORTS)
    first.run_ok(CHARGE.format(then=""))
    first.kill()
    second = start()
    second.run_ok(IMPORTS)
    return second


def test_it_happens_once_whatever_kernel_and_code(start: Start, tmp_path: Path) -> None:
    second = after_charging(start)
    reply = second.run_ok(CHARGE.format(then=""))
    assert "restored" in reply.stamps[0]
    assert reply.stdout == "charged\n"
    edited = second.run_ok(CHARGE.format(then="amount = 7\n"))
    assert second.value("receipt") == "r-1"
    assert any("does not happen again, although its code changed" in stamp for stamp in edited.stamps)
    assert second.status()["charge"]["why"]["kind"] == "done-once"
    assert len(charged(tmp_path)) == 1
    second.run_ok(CHARGE.format(then="").replace("task charge", "task charged"))
    assert len(set(charged(tmp_path))) == 2, "of another name it is another task"


def test_a_result_that_goes_between_two_looks_is_not_taken_for_nothing(start: Start, tmp_path: Path) -> None:
    second = after_charging(start)
    second.run_ok("import milepost.notebook.once as once; once.record_of = lambda history, note: None")
    reply = second.run(CHARGE.format(then=""))
    assert (reply.ename, len(charged(tmp_path))) == ("ResultNotGivenBack", 1), reply


def test_in_doubt_after_a_kill_it_and_what_needs_it_wait(start: Start, tmp_path: Path, key: str) -> None:
    kernel = killed_while_charging(start, key)
    row = kernel.status()["charge"]
    assert (row["state"], row["why"]["kind"], row["outputs"]) == ("in-doubt", "in-doubt", ["log", "time", "receipt"])
    assert "%tasks resolve charge rerun" in row["why"]["details"][0]
    assert "never reported its end" in kernel.run_ok("%tasks why charge").stdout
    assert "it waits: task 'charge' is in doubt" in kernel.run(REPORT).evalue
    assert kernel.status()["report"]["state"] == "skipped"
    plain = kernel.run("receipt")
    assert plain.ename == "NameError"
    assert "in doubt" in plain.stamps[0]
    reply = kernel.run(CHARGE.format(then=""))
    assert reply.ename == "TaskInDoubt"
    assert "%tasks resolve charge done [VALUE]" in reply.evalue
    assert len(charged(tmp_path)) == 1

    kernel.run_ok("%tasks resolve charge done {'receipt': 'r-2'}")
    assert kernel.run("receipt").ename == "NameError", "its own cell binds it"
    assert kernel.run_ok(CHARGE.format(then="")).stdout == ""
    kernel.run_ok(REPORT)
    assert kernel.value("report") == "R-2"
    assert len(charged(tmp_path)) == 1
    kernel.kill()
    later = start(MILEPOST_KEY_FILE=key)
    assert later.run_ok("receipt").shown[0]["data"]["text/plain"] == "'r-2'"


def test_what_cannot_be_built_today_is_given_back_tomorrow(start: Start, tmp_path: Path, key: str) -> None:
    """A module that is missing for one run costs that run, and neither the result nor a second charge."""
    module = tmp_path / "receipts.py"
    module.write_text("class Receipt:\n    number = 17\n")
    paid = CHARGE.format(then="import receipts\n").replace('"r-1"', "receipts.Receipt()")
    needs = "%%task report\nreport = receipt.number"
    first = start(MILEPOST_KEY_FILE=key)
    first.run_ok(IMPORTS)
    first.run_ok(paid)
    first.kill()
    module.rename(tmp_path / "gone")
    second = start(MILEPOST_KEY_FILE=key)
    second.run_ok(IMPORTS)
    reply = second.run(paid)
    assert reply.ename == "ResultNotGivenBack"
    for words in ("need the module 'receipts', which is missing", "It is not run again for that"):
        assert words in reply.evalue
    row = second.status()["charge"]
    assert (row["state"], row["why"]["kind"]) == ("failure", "not-restorable")
    assert second.run(needs).ename
    (tmp_path / "gone").rename(module)
    second.run_ok(paid)
    second.run_ok(needs)
    assert second.value("report") == 17
    assert second.status()["charge"]["state"] == "success"
    assert len(charged(tmp_path)) == 1


def test_done_alone_leaves_nothing_where_what_it_left_is_damaged(start: Start, tmp_path: Path, key: str) -> None:
    code = CHARGE.format(then="").replace('"r-1"', "bytes(100_000)")
    first = start(MILEPOST_KEY_FILE=key)
    first.run_ok(IMPORTS)
    first.run_ok(code)
    first.kill()
    for path in (tmp_path / "nb.milepost" / "objects").glob("*/*"):
        path.chmod(0o600)
        path.write_bytes(b"x" * path.stat().st_size)
    second = start(MILEPOST_KEY_FILE=key)
    second.run_ok(IMPORTS)
    assert second.run(code).ename == "TaskInDoubt"
    second.run_ok("%tasks resolve charge done")
    for _ in range(2):
        second.run_ok(code)
        assert second.run("receipt").ename == "NameError"
        assert second.status()["charge"]["state"] == "success"
    second.run_ok("%tasks resolve charge done {'receipt': 'r-5'}")
    second.run_ok(code)
    assert second.value("receipt") == "r-5"
    assert len(charged(tmp_path)) == 1


def test_what_is_never_saved_was_done_all_the_same(start: Start, tmp_path: Path, key: str) -> None:
    """It leaves no variable, so nothing of it is lost."""
    code = "%%task send --once --save never\nopen('charged.milepost', 'a').write('sent ');"
    first = start(MILEPOST_KEY_FILE=key)
    first.run_ok(code)
    first.kill()
    second = start(MILEPOST_KEY_FILE=key)
    for _ in range(2):
        second.run_ok(code)
        assert second.status()["send"]["state"] == "success"
    assert charged(tmp_path) == ["sent"]


def test_rerun_has_the_same_key_and_forget_another(start: Start, tmp_path: Path, key: str) -> None:
    kernel = killed_while_charging(start, key)
    refused = kernel.run("%tasks forget charge")
    assert "in doubt" in refused.evalue
    kernel.run_ok("%tasks resolve charge rerun")
    kernel.run_ok(CHARGE.format(then=""))
    assert len(charged(tmp_path)) == 2
    kernel.run_ok("%tasks forget charge")
    kernel.run_ok(CHARGE.format(then=""))
    one, same, other = charged(tmp_path)
    assert one == same != other


def test_an_error_puts_it_in_doubt_unless_it_says_that_nothing_happened(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(IMPORTS)
    refused = "%%task ask --once --retries 1 --retry-on ConnectionRefusedError\n"
    body = "open('asked.milepost', 'a').write(task.key + ' ')\nraise ConnectionRefusedError\n"
    assert kernel.run(refused + body).ename == "ConnectionRefusedError"
    assert kernel.run(refused + body).ename == "ConnectionRefusedError"
    keys = (tmp_path / "asked.milepost").read_text().split()
    assert len(keys) == 4
    assert len(set(keys)) == 1
    failing = CHARGE.format(then="raise ValueError('unlucky')\n")
    reply = kernel.run(failing)
    assert (reply.ename, "say `%tasks resolve charge done" in reply.stamps[-1]) == ("ValueError", True)
    assert kernel.status()["charge"]["state"] == "in-doubt"
    assert "ValueError: unlucky" in kernel.run(failing).evalue
    assert len(charged(tmp_path)) == 1


def test_nothing_runs_it_again_but_a_person_who_says_so(start: Start, tmp_path: Path) -> None:
    """Not a click on Run again, a value that could not be saved, nor cells that are all tasks."""
    code = CHARGE.format(then="lost = open('lost.milepost', 'w')\n")
    first = start()
    first.run_ok(IMPORTS)
    first.run_ok(code)
    again = first.request("run", task="charge", force=True)
    assert "it was done in this kernel, and is not run again" in first.run_ok(again["execute"]).stamps[0]
    assert first.value("lost.closed") is False
    first.kill()
    second = start()
    second.run_ok("%tasks auto on")
    second.run_ok(IMPORTS)
    assert second.run("lost.name").ename == "NameError"
    second.run_ok(code)
    assert any("what happens once is not run for that" in stamp for stamp in second.run("lost.name").stamps)
    again = second.request("run", task="charge", force=True)
    assert "does not happen again; `%tasks forget charge`" in second.run_ok(again["execute"]).stamps[-1]
    assert second.value("receipt") == "r-1"
    assert len(charged(tmp_path)) == 1


@pytest.mark.parametrize("place", ["--bg", "--bg --on processes", "--on processes", "--on threads"])
def test_beside_the_notebook(start: Start, tmp_path: Path, place: str) -> None:
    code = CHARGE.format(then="").replace("--once", f"--once {place}")
    first = start()
    first.run_ok(IMPORTS)
    first.run_ok(code)
    assert first.value("receipt") == "r-1"
    first.kill()
    second = start()
    second.run_ok(IMPORTS)
    second.run_ok(code.replace("r-1", "r-9"))
    assert second.value("receipt") == "r-1"
    assert [len(key) for key in charged(tmp_path)] == [32]


def test_functions_and_maps(start: Start, tmp_path: Path) -> None:
    cell = """
@task(once=True{on})
def pay(amount):
    with open("charged.milepost", "a") as log:
        log.write(f"{{amount}}:{{task.key}}\\n")
    if amount == {bad}:
        raise ValueError(amount)
    return amount * 2
[str(outcome.status) for outcome in pay.map([1, 2, 3]).outcomes()]
"""
    first = start()
    first.run_ok(IMPORTS)
    assert "failure" in str(first.run_ok(cell.format(on="", bad=2)).shown)
    first.kill()
    second = start()
    second.run_ok(IMPORTS)
    second.run_ok(cell.format(on=", on='processes'", bad=0))
    assert second.status()["pay[2]"]["state"] == "in-doubt"
    second.run_ok("%tasks resolve pay[2] done 40")
    assert second.run_ok("pay.map([1, 2, 3]).results()").shown[-1]["data"]["text/plain"] == "[2, 40, 6]"
    assert len({line.split(":")[1] for line in charged(tmp_path)}) == 3
    assert len(charged(tmp_path)) == 3


def test_two_kernels_the_second_waits_for_the_first(start: Start, tmp_path: Path, key: str) -> None:
    one, other = start(MILEPOST_KEY_FILE=key), start(MILEPOST_KEY_FILE=key)
    for kernel in (one, other):
        kernel.run_ok(IMPORTS)
    wait = "print('charging', flush=True)\nwhile not os.path.exists('go.milepost'): pass\n"
    running = one.send(CHARGE.format(then=wait))
    one.finish(running, until="charging")
    row = other.status()["charge"]
    assert (row["state"], row["why"]["kind"]) == ("running", "elsewhere")
    assert "it runs in process" in other.run("%tasks resolve charge rerun").evalue
    waiting = other.send(CHARGE.format(then=wait))
    other.finish(waiting, until="waiting for its end")
    (tmp_path / "go.milepost").touch()
    one.finish(running)
    other.finish(waiting)
    assert other.value("receipt") == "r-1"
    assert len(charged(tmp_path)) == 1


def test_clicks_decide(start: Start, tmp_path: Path, key: str) -> None:
    kernel = killed_while_charging(start, key)
    assert kernel.request("sheet", task="charge")["sheet"]["can"] == ["done", "rerun"]
    assert kernel.request("done", task="charge")["status"] == "ok"
    kernel.run_ok("pass")
    assert "charge: done; it leaves no log, time, receipt" in kernel.request("state")["run"]["message"]
    reply = kernel.run_ok(CHARGE.format(then=""))
    assert any("not there: log, time, receipt" in stamp for stamp in reply.stamps)
    assert "not in doubt" in kernel.request("rerun", task="charge")["message"]
    assert "forget" not in kernel.request("sheet", task="charge")["sheet"]["can"]
    assert "say which has which value" in kernel.run("%tasks resolve charge done 'r-3'").evalue
    kernel.run_ok("%tasks resolve charge done {'receipt': 'r-3'}")
    kernel.run_ok(CHARGE.format(then=""))
    assert kernel.value("receipt") == "r-3"
    assert len(charged(tmp_path)) == 1


def test_the_command_line_decides(start: Start, tmp_path: Path, key: str) -> None:
    kernel = killed_while_charging(start, key)
    rows: list[dict[str, Any]] = json.loads(milepost(tmp_path, key, "ls", "--json").stdout)
    assert [(row["name"], row["state"]) for row in rows] == [("charge", "in-doubt")]
    refused = milepost(tmp_path, key, "resolve", "chrage", "done")
    assert (refused.returncode, "did you mean 'charge'" in refused.stderr) == (2, True)
    refused = milepost(tmp_path, key, "resolve", "charge", "done", "r-4")
    assert (refused.returncode, "VALUE is JSON" in refused.stderr) == (2, True)
    assert milepost(tmp_path, key, "resolve", "charge", "done", '{"receipt": "r-4"}').stdout == "charge: done\n"
    refused = milepost(tmp_path, key, "resolve", "charge", "rerun")
    assert (refused.returncode, "is not in doubt: it was done once" in refused.stderr) == (2, True)
    kernel.run_ok(CHARGE.format(then=""))
    assert kernel.value("receipt") == "r-4"


def test_what_cannot_be_saved_is_there_as_long_as_the_kernel(start: Start, tmp_path: Path, key: str) -> None:
    cell = "%%task open_it --once\nopen('charged.milepost', 'a').write('x ')\nconn = open('conn.milepost', 'w')"
    first = start(MILEPOST_KEY_FILE=key)
    assert any("not saved" in stamp for stamp in first.run_ok(cell).stamps)
    first.run_ok(cell)
    assert first.value("conn.closed") is False
    assert first.status()["open_it"]["state"] == "success"
    first.kill()
    second = start(MILEPOST_KEY_FILE=key)
    assert "'conn' is not there" in second.run_ok(cell).stamps[0]
    assert "happens once" in second.run("conn").stamps[0]
    assert len(charged(tmp_path)) == 1


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%%task a --once --force\n1", "forget NAME` has it happen again"),
        ("%%task --once\na = 1", "--once needs a name"),
        ("%%task a --once --retries 2\n1", "name them, as in --retry-on ConnectionRefusedError"),
        ("%%task a --once --retry-on Exception\n1", "name them"),
        ("%%task a --once --retry-on ConectionError\n1", "did you mean 'ConnectionError'"),
        ("%%task a --retry-on OSError\n1", "add --retries N"),
        ("%%task a --once --continue-on-error\n1", "waits while it is in doubt"),
        ("%%task a\ntask.key", "%%task --once, or @task(once=True)"),
        ("@task(once=True, retry=__import__('milepost').RetryPolicy(2))\ndef f(): pass", "name them"),
        ("@task(once=1)\ndef f(): pass", "once is True or False, not 1"),
        ("%tasks resolve", "takes the name of a task, and done or rerun"),
        ("%tasks resolve a maybe", "takes the name of a task, and done or rerun"),
        ("%tasks resolve a rerun 5", "rerun takes no value"),
        ("%tasks resolve nothing done", "no task is named 'nothing'"),
        ("%tasks resolve known done", "'known' is not in doubt: it has not started, or"),
        ("%tasks resolve known done no_such", "NameError"),
        ("@task(once=True)\ndef g(x): pass\ng.map([object()])", "key="),
    ],
)
def test_bad_input(shared: Kernel, code: str, words: str) -> None:
    reply = shared.run(code)
    assert words in reply.evalue, reply.evalue or reply.outputs


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("bad")
    with Kernel(folder, MILEPOST_KEY_FILE=signing_key(folder / "key")) as kernel:
        kernel.run_ok("%load_ext milepost")
        kernel.run_ok(IMPORTS)
        kernel.run_ok("%%task known\n1 + 1")
        yield kernel
