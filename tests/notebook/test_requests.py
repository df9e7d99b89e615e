"""What a page asks for is checked in the kernel: kinds, names, flags; and done when the main thread is free."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .kernel import Kernel
from .test_cells import log, ran

Start = Callable[..., Kernel]


@pytest.fixture
def kernel(start: Start) -> Kernel:
    return start()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"action": "sheet"}, "needs the name of a task"),
        ({"action": "forget"}, "needs the name of a task"),
        ({"action": "trust", "task": None}, "needs the name of a task"),
        ({"action": "sheet", "task": "nothing"}, "no task is named 'nothing'"),
        ({"action": "forget", "task": "nothing"}, "no task is named 'nothing'"),
        ({"action": "run", "task": "nothing"}, "no task is named 'nothing'"),
        ({"action": "run", "task": "one", "force": "yes"}, "force must be true or false"),
        ({"action": "run", "task": "one", "needs": 1}, "needs must be true or false"),
        ({"action": "trust", "task": "one"}, "there is nothing to trust"),
        ({"action": "run", "task": 7}, "named by a text"),
        ({"action": "sheet", "task": "x" * 3_000_000}, "named by a text"),
        ({"action": ["run"]}, "unknown action"),
        ({"action": "eval"}, "unknown action"),
    ],
)
def test_what_is_no_request_is_refused(kernel: Kernel, content: dict[str, object], words: str) -> None:
    kernel.run_ok("%%task one\nx = 1")
    answer = kernel.request(**content)
    assert answer["status"] == "error"
    assert words in answer["message"]
    assert len(answer["message"]) <= 1000


def test_an_order_is_a_number_and_carried_out_once(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run_ok("%%task one\nx = 1\n" + log("one"))
    kernel.run_ok("%%task two\ny = x\n" + log("two"))
    line = kernel.request("run", task="two", force=True)["execute"]
    assert line.removeprefix("%tasks run --order ").isdigit()
    kernel.run_ok(line)
    assert ran(tmp_path) == ["one", "two", "two"]
    assert "carried out already" in kernel.run(line).evalue
    kernel.run_ok("%tasks run two")
    assert ran(tmp_path) == ["one", "two", "two"], "forced once, not for ever"
    kernel.run_ok("x = 5\n")
    kernel.run_ok(kernel.request("run", task="two", needs=True)["execute"])
    assert kernel.value("y") == 1, "what it needs is given back first"


def test_forget_waits_for_the_running_cell_and_refuses_a_running_task(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run_ok("%%task one\nx = 1\n" + log("one"))
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    two = kernel.send("%%task two\nprint('in it', flush=True)\n" + wait)
    kernel.finish(two, until="in it")
    assert "cancel it first" in kernel.request("forget", task="two")["message"]
    assert "as soon as the running cell has ended" in kernel.request("forget", task="one")["message"]
    assert kernel.request("sheet", task="one")["sheet"]["can"] == ["run", "forget"]
    (tmp_path / "go").touch()
    assert kernel.finish(two).status == "ok"
    kernel.run_ok("%%task three\nz = 1")
    assert "one" not in kernel.status()


BUSY = {
    "in Python": "while not os.path.exists('go'): pass",
    "in C": "os.close(os.open('fifo', os.O_RDONLY))  # one call that returns when the test opens the other end",
}


@pytest.mark.parametrize("how", BUSY)
def test_each_button_is_answered_while_a_cell_runs(kernel: Kernel, tmp_path: Path, how: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    kernel.run_ok("import os")
    for name in ("one", "two"):
        kernel.run_ok(f"%%task {name}\n{name} = 1")
    busy = kernel.send(f"%%task busy\nprint('in it', flush=True)\n{BUSY[how]}")
    kernel.finish(busy, until="in it")
    for action in ("pause", "resume", "state"):
        assert kernel.request(action)["running"], action
    for more in ({}, {"task": "one", "force": True}, {"task": "two", "needs": True}):
        answer = kernel.request("run", **more)
        assert answer["execute"].startswith("%tasks run --order ")
        assert answer["message"] == LATER
    assert kernel.request("forget", task="one")["message"] == LATER
    assert "one" in kernel.request("sheet", task="one")["sheet"]["code"]
    assert kernel.request("trust", task="two")["message"].startswith("what is saved of task 'two' is yours")
    assert kernel.request("log", task="busy")["status"] == "ok"
    assert kernel.request("cancel", task="two")["running"], "another task is cancelled: this one goes on"
    if how == "in Python":
        kernel.request("cancel")
    else:
        (tmp_path / "fifo").open("w").close()
    assert kernel.finish(busy).status == ("error" if how == "in Python" else "ok")
    assert list(kernel.status()) == ["two", "busy"]


LATER = "as soon as the running cell has ended"


def test_a_cancel_is_said_until_it_has_taken_effect(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run_ok("import os")
    heard = "except KeyboardInterrupt:\n    print('heard', flush=True)\n    while not os.path.exists('go'): pass"
    deaf = kernel.send(f"%%task deaf\ntry:\n    print('in it', flush=True)\n    while True: pass\n{heard}")
    kernel.finish(deaf, until="in it")
    assert not kernel.request("state")["run"]["cancelling"]
    kernel.request("cancel")
    kernel.finish(deaf, until="heard")
    assert kernel.request("state")["run"]["cancelling"]
    (tmp_path / "go").touch()
    kernel.finish(deaf)
    assert not kernel.request("state")["run"]["cancelling"]


def test_a_sheet_runs_no_code_of_values(kernel: Kernel) -> None:
    kernel.run_ok("ran = []\nclass Loud:\n    def __repr__(self): ran.append(1); return 'loud'")
    kernel.run_ok("%%task one --in Loud\nloud = [Loud(), 'x' * 10_000_000]\ntable = {'a': 1}")
    found = kernel.request("sheet", task="one")["sheet"]
    texts = {row["name"]: row["text"] for row in found["outputs"]}
    assert texts["loud"].startswith("[<Loud>, 'xxx")
    assert len(texts["loud"]) <= 400
    assert texts["table"] == "{'a': 1}"
    assert found["code"].startswith("%%task one --in Loud")
    assert kernel.value("len(ran)") == 0


def test_a_sheet_has_the_traceback_in_the_lines_of_the_cell(kernel: Kernel) -> None:
    kernel.run("%%task one\ndef check():\n    raise ValueError('no rows')\ncheck()")
    found = kernel.request("sheet", task="one")["sheet"]["traceback"]
    lines = found.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith('  File "Cell In[')
    assert lines[-1] == "ValueError: no rows"
    assert "site-packages" not in found
    assert "raise ValueError('no rows')" in found


def test_a_page_sees_progress_and_how_long_the_last_run_took(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run_ok("from milepost import task\nimport os, time")
    body = "progress('3/10'); print('in it', flush=True)\n    while not os.path.exists('go'): time.sleep(0.01)"
    kernel.run_ok(f"@task\ndef work(progress):\n    {body}\n    return 1")
    sent = kernel.send("work.result()")
    kernel.finish(sent, until="in it")
    (row,) = kernel.request("state")["tasks"]
    assert (row["state"], row["progress"]) == ("running", "3/10"), row["error"]
    (tmp_path / "go").touch()
    kernel.finish(sent)
    (row,) = kernel.request("state")["tasks"]
    assert (row["state"], row["progress"]) == ("success", "")
    assert row["expected"] == pytest.approx(row["ended"] - row["began"], abs=0.5)
