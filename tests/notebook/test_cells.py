"""A task cell behaves like any other cell, the first time and when it is restored; and it can be stopped."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from tests.notebook.conftest import Start
from tests.notebook.kernel import Reply

pytestmark = pytest.mark.slow

LIMIT = 2.0
"""Seconds within which a cancel, and a request while a cell runs, must have worked."""


def log(name: str) -> str:
    return f"open('ran.milepost', 'a').write('{name} ');\n"


def ran(folder: Path) -> list[str]:
    path = folder / "ran.milepost"
    return path.read_text().split() if path.exists() else []


def plain(reply: Reply) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", reply.traceback)


def shown(reply: Reply) -> list[dict[str, Any]]:
    return [{k: v for k, v in o.items() if k not in {"execution_count", "transient"}} for o in reply.shown]


SHOWS = {
    "print": ("print('a'); print('b')", "stream", "a\nb\n"),
    "stderr": ("import sys\nprint('warned', file=sys.stderr)", "stream", "warned"),
    "last expression": ("x = 3\nx + 1", "execute_result", "4"),
    "html": ("from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))", "display_data", "<b>x</b>"),
    "figure": (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1)); plt.plot([1, 2]);",
        "display_data",
        "image/png",
    ),
    "await": (
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    print('in')\n    return 5\nawait f()",
        "",
        "5",
    ),
    "async for": (
        "async def g():\n    for n in range(3):\n        yield n\nprint([n async for n in g()])",
        "stream",
        "[0, 1, 2]",
    ),
    "shell": ("!echo said", "stream", "said"),
    "shell result": ("lines = !printf 'a\\nb\\n'\nprint(lines)", "stream", "['a', 'b']"),
    "timeit": ("%timeit -n 1 -r 1 sum(range(10))", "stream", "per loop"),
    "time": ("%time y = 6 * 7\nprint(y)", "stream", "42"),
    "nested cell magic": ("%%capture out\nprint('kept')", "", ""),
    "shell variable": ("word = 'deep'\n!echo $word", "stream", "deep"),
}


@pytest.mark.parametrize("case", SHOWS.values(), ids=SHOWS)
def test_what_a_cell_shows_is_shown_and_replayed(start: Start, tmp_path: Path, case: tuple[str, str, str]) -> None:
    body, kind, text = case
    cell = f"%%task one\n{body}"
    kernel = start()
    first = kernel.run_ok(cell)
    assert text in "".join(str(o.get("text") or o.get("data")) for o in first.shown)
    assert not kind or kind in {o["type"] for o in first.shown}
    kernel.kill()
    kernel = start()
    again = kernel.run_ok(cell)
    assert any("restored: saved" in stamp for stamp in again.stamps)
    assert shown(again) == shown(first)


def test_a_semicolon_hides_the_value_and_counts(start: Start) -> None:
    kernel = start()
    assert kernel.run_ok("%%task one\nx = 1\nx;").shown == []
    assert [o["type"] for o in kernel.run_ok("%%task one\nx = 1\nx").shown] == ["execute_result"]


def test_out_of_a_restored_cell(start: Start) -> None:
    kernel = start()
    kernel.run_ok("%%task one\n[1, 2]")
    number = kernel.run_ok("%%task one\n[1, 2]").shown[0]["execution_count"]
    assert number == 3


def test_updates_and_clears_are_replayed_in_their_final_state(start: Start) -> None:
    body = (
        "from IPython.display import clear_output, display\n"
        "print('gone')\nclear_output()\n"
        "print('also gone')\nclear_output(wait=True)\nprint('stays')\n"
        "handle = display('first', display_id=True)\nhandle.update('second')\nNone"
    )
    cell = f"%%task one\n{body}\ndel handle"
    kernel = start()
    live = kernel.run_ok(cell)
    assert "gone" in live.stdout
    kernel.kill()
    again = start().run_ok(cell)
    assert [o["type"] for o in again.shown] == ["stream", "display_data"]
    assert again.stdout == "stays\n"
    assert again.shown[1]["data"]["text/plain"] == "'second'"


def test_a_later_cell_can_update_a_restored_display(start: Start) -> None:
    cell = "%%task one\nfrom IPython.display import display\ndisplay('first', display_id='spot');"
    kernel = start()
    kernel.run_ok(cell)
    kernel.kill()
    kernel = start()
    again = kernel.run_ok(cell)
    assert again.shown[0]["transient"]["display_id"] == "spot"
    update = kernel.run_ok("from IPython.display import update_display\nupdate_display('x', display_id='spot')")
    assert update.shown[0]["type"] == "update_display_data"


# errors


def test_a_syntax_error_names_its_line(start: Start, tmp_path: Path) -> None:
    kernel = start()
    reply = kernel.run("%%task one\n" + log("one") + "x = 1\ny = (1 +\n")
    text = plain(reply)
    assert reply.ename == "SyntaxError"
    assert "line 4" in text
    assert "y = (1 +" in text
    assert "milepost" not in text
    assert ran(tmp_path) == []
    assert kernel.run_ok("%%task one\nx = 1").status == "ok"


def test_an_error_names_cell_and_line(start: Start) -> None:
    kernel = start()
    reply = kernel.run("%%task one\nx = 1\n\ny = x / 0\nz = 2")
    text = plain(reply)
    assert reply.ename == "ZeroDivisionError"
    assert "Cell In[2], line 4" in text
    assert "----> 4 y = x / 0" in text
    assert "milepost" not in text
    assert "      2 x = 1" in text, "the lines around it are not shown"
    assert kernel.status()["one"]["state"] == "failure"
    assert "division" in kernel.status()["one"]["error"]


def test_an_error_in_a_function_of_a_task_cell_names_its_line(start: Start) -> None:
    kernel = start()
    kernel.run_ok("%%task tools\ndef ratio(a, b):\n    # divides\n    return a / b")
    text = plain(kernel.run("value = ratio(1, 0)"))
    assert "Cell In[3], line 1" in text
    assert "Cell In[2], line 4" in text
    assert "return a / b" in text
    assert "milepost" not in text


def test_an_error_in_a_helper_called_by_a_task(start: Start) -> None:
    kernel = start()
    kernel.run_ok("def ratio(a, b):\n    return a / b")
    text = plain(kernel.run("%%task one\n\nvalue = ratio(1, 0)"))
    assert "Cell In[3], line 3" in text
    assert "Cell In[2], line 2" in text
    assert "milepost" not in text


def test_an_error_after_await(start: Start) -> None:
    text = plain(start().run("%%task one\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0"))
    assert "Cell In[2], line 4" in text
    assert "milepost" not in text


def test_an_error_keeps_its_cause_and_its_debugger(start: Start) -> None:
    kernel = start()
    reply = kernel.run("%%task one\ntry:\n    {}['k']\nexcept KeyError as error:\n    raise ValueError('v') from error")
    text = plain(reply)
    assert "KeyError" in text
    assert "Cell In[2], line 5" in text
    assert "milepost" not in text
    assert kernel.value("__import__('sys').last_type.__name__") == "ValueError"


def test_a_function_that_takes_any_name_gets_what_it_comes_after(start: Start) -> None:
    kernel = start()
    kernel.run_ok("%%task x\nx = 3")
    kernel.run_ok("from milepost import task\n@task(after=['x'])\ndef rest(**data):\n    return data")
    assert kernel.value("rest.result()") == {"x": 3}
    kernel.run_ok("%%task x\nx = 4")
    assert kernel.value("rest.result()") == {"x": 4}


def test_a_function_task_that_fails(start: Start) -> None:
    kernel = start()
    kernel.run_ok("from milepost import task\n@task\ndef bad():\n    return 1 / 0")
    reply = kernel.run("bad.result()")
    assert reply.ename == "TaskFailed"
    assert "division by zero" in reply.evalue
    assert "Cell In[2], line 4" in plain(reply)


# stopping


def test_the_stop_button_cancels_the_task(start: Start, tmp_path: Path) -> None:
    kernel = start()
    sent = kernel.send("%%task one\nprint('in it', flush=True)\nimport time\ntime.sleep(60)\nx = 1")
    kernel.finish(sent, until="in it")
    kernel.interrupt()
    begin = time.monotonic()
    reply = kernel.finish(sent)
    assert time.monotonic() - begin < LIMIT
    assert reply.ename == "KeyboardInterrupt"
    row = kernel.status()["one"]
    assert (row["state"], row["saved"]) == ("cancelled", False)
    assert kernel.run_ok("%%task one\nx = 2\nprint(x)").stdout == "2\n"


def test_the_stop_button_reaches_an_await(start: Start) -> None:
    kernel = start()
    sent = kernel.send("%%task one\nimport asyncio\nprint('in it', flush=True)\nawait asyncio.sleep(60)")
    kernel.finish(sent, until="in it")
    kernel.interrupt()
    reply = kernel.finish(sent)
    assert reply.ename == "KeyboardInterrupt", reply.traceback
    assert kernel.status()["one"]["state"] == "cancelled"


def test_cancel_stops_a_sleep(start: Start, tmp_path: Path) -> None:
    kernel = start()
    sent = kernel.send("%%task one\nimport time\nprint('in it', flush=True)\ntime.sleep(60)\n" + log("end"))
    kernel.finish(sent, until="in it")
    begin = time.monotonic()
    answer = kernel.request("cancel", task="one")
    acknowledged = time.monotonic() - begin
    reply = kernel.finish(sent)
    assert time.monotonic() - begin < LIMIT
    assert acknowledged < 0.5
    assert answer["status"] == "ok"
    assert reply.status == "error"
    assert reply.ename == "TaskCancelled"
    assert kernel.status()["one"]["state"] == "cancelled"
    assert ran(tmp_path) == []
    assert kernel.run_ok("%%task two\nx = 1\nprint('on')").stdout == "on\n"


def test_a_cancel_while_nothing_runs_does_nothing(start: Start) -> None:
    kernel = start()
    kernel.request("cancel")
    kernel.request("cancel", task="nobody")
    assert kernel.run_ok("%%task one\nx = 1\nprint('on')").stdout == "on\n"
    sent = kernel.send("print('plain', flush=True)\nimport time\nfor _ in range(20): time.sleep(0.02)\nprint('end')")
    kernel.finish(sent, until="plain")
    kernel.request("cancel")
    assert kernel.finish(sent).status == "ok", "a plain cell was interrupted"


def test_pause_over_the_control_channel(start: Start, tmp_path: Path) -> None:
    kernel = start()
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    one = kernel.send("%%task one\nprint('in it', flush=True)\n" + wait + "x = 1\n" + log("one"))
    kernel.finish(one, until="in it")
    begin = time.monotonic()
    answer = kernel.request("pause")
    assert time.monotonic() - begin < 0.5
    assert answer["paused"] is True
    (tmp_path / "go").touch()
    assert kernel.finish(one).status == "ok", "what runs goes on to its end"
    two = kernel.send("%%task two\ny = x + 1\n" + log("two"))
    kernel.finish(two, until="paused before 'two'")
    state = kernel.request("state")
    assert {row["name"]: row["state"] for row in state["tasks"]} == {"one": "success", "two": "paused"}
    assert ran(tmp_path) == ["one"]
    assert kernel.request("resume")["paused"] is False
    assert kernel.finish(two).status == "ok"
    assert ran(tmp_path) == ["one", "two"]
    assert kernel.value("y") == 2


def test_a_paused_task_can_be_cancelled(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.request("pause")
    sent = kernel.send("%%task one\n" + log("one"))
    kernel.finish(sent, until="paused before 'one'")
    kernel.request("cancel", task="one")
    assert kernel.finish(sent).ename == "TaskCancelled"
    assert kernel.status()["one"]["state"] == "cancelled"
    assert ran(tmp_path) == []
    kernel.request("resume")
    kernel.run_ok("%%task one\n" + log("one"))
    assert ran(tmp_path) == ["one"]


def test_the_stop_button_ends_the_wait_of_a_paused_task(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.request("pause")
    sent = kernel.send("%%task one\n" + log("one"))
    kernel.finish(sent, until="paused before 'one'")
    kernel.interrupt()
    assert kernel.finish(sent).ename == "KeyboardInterrupt"
    assert ran(tmp_path) == []


def test_pause_without_a_control_channel(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one\nx = 1\n" + log("one"))
    kernel.run_ok("%tasks pause")
    reply = kernel.run("%%task two\ny = x + 1\n" + log("two"))
    assert reply.ename == "TaskPaused"
    assert "%tasks resume" in reply.evalue
    assert ran(tmp_path) == ["one"]
    assert kernel.run_ok("print(x)").stdout == "1\n"
    kernel.run_ok("%tasks resume")
    kernel.run_ok("%%task two\ny = x + 1\n" + log("two"))
    assert ran(tmp_path) == ["one", "two"]


# options


def test_retries(start: Start, tmp_path: Path) -> None:
    body = "tries.append(1)\nif len(tries) < 2: raise OSError('flaky')\ndone = len(tries)\nprint('done', done)"
    kernel = start()
    kernel.run_ok("tries = []")
    assert kernel.run_ok(f"%%task one --retries 2\n{body}").stdout == "done 2\n"
    kernel.run_ok("tries = []")
    reply = kernel.run("%%task two --retries 1\ntries.append(1)\nraise OSError('always')")
    assert (reply.ename, reply.evalue) == ("OSError", "always")
    assert kernel.value("len(tries)") == 2


def test_a_false_condition_skips(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("wanted = False")
    reply = kernel.run("%%task one --if wanted\n" + log("one"))
    assert kernel.status()["one"]["state"] == "skipped"
    assert "Traceback" not in plain(reply)
    assert reply.status == "ok", "a skipped cell stops Run All"
    assert any("skipped" in text for text in reply.stamps)
    kernel.run_ok("wanted = True")
    kernel.run_ok("%%task one --if wanted\n" + log("one"))
    assert kernel.status()["one"]["state"] == "success"
    assert ran(tmp_path) == ["one"]


def test_a_condition_reads_what_is_saved(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task wanted\nwanted = True")
    kernel.kill()
    kernel = start()
    kernel.run_ok("%%task one --if wanted\n" + log("one"))
    assert ran(tmp_path) == ["one"]


def test_what_follows_a_skipped_task_is_skipped_and_what_follows_a_failed_one_stops(
    start: Start, tmp_path: Path
) -> None:
    kernel = start()
    kernel.run_ok("%%task one --if False\nx = 1")
    assert kernel.run_ok("%%task two --after one\n" + log("two")).stamps != []
    assert kernel.status()["two"]["state"] == "skipped"
    kernel.run("%%task bad\n" + log("bad") + "1 / 0")
    reply = kernel.run("%%task three --after bad\n" + log("three"))
    assert (reply.ename, "bad" in reply.evalue) == ("TaskFailed", True)
    assert ran(tmp_path) == ["bad"], "a cell ran that nobody asked for"
    assert {name: row["state"] for name, row in kernel.status().items()} == {
        "one": "skipped",
        "two": "skipped",
        "bad": "failure",
        "three": "skipped",
    }
    kernel.run("%%task bad --continue-on-error\n" + log("bad") + "1 / 0")
    kernel.run_ok("%%task three --after bad\n" + log("three"))
    assert ran(tmp_path) == ["bad", "bad", "three"]
    assert kernel.status()["bad"]["state"] == "failure"


def test_after(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one\nx = 1")
    kernel.run_ok("%%task two --after one\ny = 2")
    assert kernel.status()["two"]["after"] == ["one"]
    kernel.kill()
    kernel = start()
    kernel.run_ok("%%task two --after one\ny = 2")
    assert kernel.status()["two"]["restored"] is True


def test_names(start: Start) -> None:
    kernel = start()
    kernel.run_ok("%%task\nfound = 1\nother = 2")
    kernel.run_ok("%%task\nprint('none')", "0123456789abcdef")
    kernel.run_ok("%%task 'two words'\nz = 1")
    assert list(kernel.status()) == ["found", "cell-01234567", "two words"]


def test_the_extension_can_be_loaded_again(start: Start) -> None:
    kernel = start()
    kernel.run_ok("%%task one\nprint('mine')\n'value'")
    assert kernel.run_ok("%reload_ext milepost").status == "ok"
    again = kernel.run_ok("%%task one\nprint('mine')\n'value'")
    assert any("restored: saved" in stamp for stamp in again.stamps)
    assert again.stdout == "mine\n"


def test_unloading_takes_the_magics_away_and_loading_again_finds_what_was_saved(start: Start) -> None:
    with start() as kernel:
        kernel.run_ok("%%task kept\nkept = 1")
        kernel.run_ok("%unload_ext milepost")
        assert kernel.run("%%task kept\nkept = 1").ename == "UsageError"
        assert kernel.run_ok("kept").status == "ok"
        kernel.run_ok("%load_ext milepost")
        assert kernel.status()["kept"]["saved"] is True
