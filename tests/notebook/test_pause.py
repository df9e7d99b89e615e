"""A pause holds within a loop, and outlives its kernel; what may be wrong about loops is said."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import Start
from .kernel import Kernel, Reply

pytestmark = pytest.mark.slow

SETUP = "from milepost import task, track, progress\nimport os, time"
LOOP = """%%task train
seen = []
for item in track(range(60), name="items"):
    seen.append(item)
    print("item", item, flush=True)
    while item == {at} and not os.path.exists("go.milepost"): time.sleep(0.01)
total = sum(seen)
"""


def begin(start: Start) -> Kernel:
    kernel = start()
    kernel.run_ok(SETUP)
    kernel.request("ping")
    return kernel


def test_a_pause_within_a_loop_outlives_its_kernel(start: Start, tmp_path: Path) -> None:
    kernel = begin(start)
    cell = kernel.send(LOOP.format(at=5))
    kernel.finish(cell, until="item 5\n")
    assert kernel.request("pause")["paused"]
    (tmp_path / "go.milepost").touch()
    asked = time.monotonic()
    while kernel.request("state")["run"]["pausing"]:
        pass
    waited = time.monotonic() - asked
    state = kernel.request("state")
    assert state["run"]["paused"]
    assert [(row["state"], row["progress"][:4]) for row in state["tasks"]] == [("paused", "item")]
    print(f"paused {waited * 1000:.0f} ms after its item had ended")
    kernel.kill()

    kernel = start()
    kernel.run_ok(SETUP)
    assert kernel.status()["train"]["state"] == "paused"
    assert "goes on after item 6 of 60" in kernel.status()["train"]["why"]["text"]
    refused = kernel.run(LOOP.format(at=5))
    assert refused.ename == "TaskPaused"
    kernel.request("ping")
    cell = kernel.send(LOOP.format(at=5))
    kernel.finish(cell, until="press Resume")
    assert not kernel.request("resume")["paused"]
    reply = kernel.finish(cell).ok()
    assert "goes on after item 6 of 60" in "".join(reply.stamps)
    assert reply.stdout == "".join(f"item {number}\n" for number in range(60))
    assert kernel.value("[seen == list(range(60)), total]") == [True, 1770]
    kernel.kill()
    assert start().request("ping")["paused"] is False, "resumed for good"


NO_SYNC = """import errno
real, os.fsync = os.fsync, lambda file: (_ for _ in ()).throw(OSError(errno.EIO, os.strerror(errno.EIO)))"""


def test_what_is_kept_of_a_loop_stays_until_the_result_would_survive_a_power_loss(start: Start, tmp_path: Path) -> None:
    kernel = begin(start)
    kernel.run_ok("import milepost.notebook.midway.budget as budget\nbudget.SHARE = float('inf')")
    cell = LOOP.format(at=99).replace('name="items"', "every=0")
    kept = tmp_path / "nb.milepost" / "partial"
    kernel.run_ok(cell)
    assert not list(kept.iterdir())
    kernel.run_ok(NO_SYNC)
    kernel.run_ok(cell.replace("%%task train", "%%task trained"))
    assert [path.name for path in kept.glob("*/*")] == ["0"]
    again = kernel.run_ok(cell.replace("%%task train", "%%task trained --force"))
    assert "begins anew: the task has ended since" in "".join(again.stamps)
    kernel.run_ok(cell.replace("%%task train", "%%task untrained --save never"))
    assert [path.parent.name for path in kept.glob("*/*")] == ["trained"]
    kernel.run_ok("os.fsync = real")


def test_a_paused_loop_goes_on_or_is_cancelled(start: Start, tmp_path: Path) -> None:
    kernel = begin(start)
    cell = kernel.send(LOOP.format(at=5))
    kernel.finish(cell, until="item 5\n")
    kernel.request("pause")
    (tmp_path / "go.milepost").touch()
    while kernel.request("state")["tasks"][0]["state"] != "paused":
        pass
    kernel.request("cancel")
    assert kernel.finish(cell).ename in ("KeyboardInterrupt", "TaskCancelled")
    kernel.request("resume")
    assert "goes on after item 6 of 60" in "".join(kernel.run_ok(LOOP.format(at=5)).stamps)


PAUSED = """%%task send {options}
sent = []
for item in track(range(60), name="items"):
    sent.append(item)
    if item == 5 and not os.path.exists("go.milepost"): get_ipython().run_line_magic("tasks", "pause")
"""
IN_A_FUNCTION = """%%task send
def send(sent):
    for item in track(range(60)):
        if item == 5 and not os.path.exists("go.milepost"): get_ipython().run_line_magic("tasks", "pause")
        sent = item
    return sent
sent = send(0)
"""


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (PAUSED.format(options=""), "Run `%tasks resume`, then this cell again: it goes on there"),
        (
            PAUSED.format(options="--once"),
            "Run `%tasks resume` and, where its code before the loop may run again, `%tasks resolve send rerun`, then "
            "this cell again: it goes on there",
        ),
        (IN_A_FUNCTION, "Run `%tasks resume`, then this cell again: the loop is not kept, and begins anew"),
    ],
    ids=["cell", "once", "function"],
)
def test_where_nobody_could_resume_it_says_how_to_go_on(start: Start, tmp_path: Path, cell: str, words: str) -> None:
    kernel = start()  # a console: no page that asks anything
    kernel.run_ok(SETUP)
    refused = kernel.run(cell)
    assert refused.ename == "TaskPaused"
    assert words in refused.evalue
    (tmp_path / "go.milepost").touch()
    for command in refused.evalue.split("`")[1::2]:
        kernel.run_ok(command)
    again = "".join(kernel.run_ok(cell).stamps)
    assert ("goes on after item 6 of 60" in again) is ("goes on there" in words)
    assert kernel.value("sent") == (59 if cell is IN_A_FUNCTION else list(range(60)))


def test_bars_of_tqdm_and_code_without_a_loop_say_how_far_they_are(start: Start, tmp_path: Path) -> None:
    kernel = begin(start)
    wait = "while not os.path.exists('{}.milepost'): time.sleep(0.01)"
    bar = "from tqdm import tqdm\nbar = tqdm(total=8, desc='loading', mininterval=0)\nbar.update(2)\n"
    cell = kernel.send(f"%%task one\n{bar}print('in it', flush=True)\n{wait.format('one')}\nbar.close()\ndel bar")
    assert progress_of(kernel, cell).startswith("loading · 2/8 · 25 %")
    (tmp_path / "one.milepost").touch()
    kernel.finish(cell).ok()
    cell = kernel.send(f"%%task two\nprogress(3, 4, 'parts')\nprint('in it', flush=True)\n{wait.format('two')}")
    assert progress_of(kernel, cell) == "3/4 · 75 % · parts"
    (tmp_path / "two.milepost").touch()
    kernel.finish(cell).ok()
    assert "numbers from 0 on" in kernel.run("%%task three\nprogress('much', 4)").evalue


def progress_of(kernel: Kernel, cell: str) -> str:
    kernel.finish(cell, until="in it")
    return str(next(row["progress"] for row in kernel.request("state")["tasks"] if row["state"] == "running"))


FIT = """
def fit(n):
    w = [0]
    for item in track(range(n), state={state}, every=0):
        w[0] += item
        if item == 7 and not os.path.exists("go.milepost"): raise SystemError("ends here")
    return w
"""
MODEL = """
class Model:
    w = 0
    def __setstate__(self, saved): vars(self).update(saved)
    def state_dict(self): return {"w": self.w}
    def load_state_dict(self, saved):
        if not os.path.exists("fits.milepost"): raise ValueError("size mismatch for w")
        self.w = saved["w"]
def fit(model):
    for item in track(range(9), state=model, every=0, name="epochs"):
        model.w += item
        if item == 7 and not os.path.exists("go.milepost"): raise SystemError("ends here")
    return model.w
"""


@pytest.mark.parametrize("options", ["", "--once"])
def test_what_is_kept_and_does_not_fit_any_more_is_told_with_what_to_do(
    start: Start, tmp_path: Path, options: str
) -> None:
    kernel = begin(start)
    kernel.run_ok("import milepost.notebook.midway.budget as budget\nbudget.SHARE = float('inf')")
    kernel.run_ok(MODEL)
    cell = f"%%task fitted {options}\nfitted = fit(Model())"
    assert kernel.run(cell).ename == "SystemError"
    if options:
        kernel.run_ok("%tasks resolve fitted rerun")
    refused = kernel.run(cell)
    assert refused.ename == "LoopNotResumed"
    for words in ("a loop of 'fitted' cannot go on", "ValueError: size mismatch for w"):
        assert words in refused.evalue
    commands = refused.evalue.split("`")[1::2]
    assert commands == [*(["%tasks resolve fitted rerun"] if options else []), "%tasks forget fitted"]
    for command in commands:
        kernel.run_ok(command)
    (tmp_path / "go.milepost").touch()
    assert "goes on" not in "".join(kernel.run_ok(cell).stamps)
    assert kernel.value("fitted") == 36


GIVEN = "range(len(os.listdir('given')))"
ENDS = "if item == 7 and not os.path.exists('go.milepost'): raise SystemError('ends here')"


def test_what_is_wrong_about_a_loop_is_said(start: Start, tmp_path: Path) -> None:
    kernel = begin(start)
    kernel.run_ok("import milepost.notebook.midway.budget as budget\nbudget.SHARE = float('inf')")

    def fit(state: str, items: str = "9", options: str = "") -> Reply:
        return kernel.run(f"%%task fitted {options}\n{FIT.format(state=state)}\nfitted = fit({items})")

    assert "nobody can exchange these: hand over the objects, as in state={'w': w}" in fit("['w']").evalue
    assert "state=3 cannot be put back" in "".join(fit("3").stamps)
    assert "every=-1 must be a number of seconds" in kernel.run("%%task one\ntrack([], every=-1)").evalue
    assert "int cannot be iterated over" in kernel.run("%%task one\ntrack(3)").evalue
    words = "state names 'wieght', and there is no such variable; did you mean 'weight'?"
    assert words in kernel.run("%%task one\nweight = 1\nfor i in track([1], state=['wieght']): pass").evalue

    assert fit("w").ename == "SystemError"
    partial = tmp_path / "nb.milepost" / "partial" / "fitted" / "0"
    whole = partial.read_bytes()
    assert "goes on after item 7 of 9" in "".join(fit("w").stamps)
    for broken, why in (
        (whole[:-1], "damaged"),
        (whole[:200] + b"!" + whole[201:], "another user's key"),
        (b"", "damaged"),
    ):
        partial.write_bytes(broken)
        assert why in "".join(fit("w").stamps)
    assert "of other code or other inputs" in "".join(fit("w", "10").stamps)

    cell = f"%%task listed {{}}\nt = 0\nfor item in track({GIVEN}, every=0):\n  t += item\n  {ENDS}"
    (tmp_path / "given").mkdir()
    for number in range(9):
        (tmp_path / "given" / str(number)).touch()
    assert kernel.run(cell.format("")).ename == "SystemError"
    (tmp_path / "given" / "9").touch()
    assert "changed from 9 items to 10" in "".join(kernel.run(cell.format("")).stamps)
    (tmp_path / "given" / "10").touch()
    (tmp_path / "go.milepost").touch()
    assert "goes on after item 7 of 10" in "".join(kernel.run_ok(cell.format("--force")).stamps)
    assert kernel.value("t") == 55
