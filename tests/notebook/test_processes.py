"""Task cells and functions in worker processes: as in the notebook, but for what cannot travel, which is named."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.keys import signing_key
from tests.notebook.conftest import Start
from tests.notebook.kernel import Kernel, Reply
from tests.notebook.test_background import PATIENCE, plain, settled, there, until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="needs processes that can be killed")]

SETUP = """\
import random, numpy as np, pandas as pd
random.seed(3); np.random.seed(4)
K = 3
class Model:
    def __init__(self, a): self.a = a
    def value(self): return self.a * K
def helper(v): return v + K
model, items, gone = Model(2), [1], 0
alias = items
table = pd.DataFrame({'n': [1, 2], 's': ['a', 'b']})
"""

BODY = """\
import json
items.append(helper(1))
table['m'] = table.n * K
made, value, words = Model(5), model.value(), {'b', 'a', 'c'}
array = np.arange(300_000.) * K
part, both = array[:3], [model, model, items]
def later(): return value + K
class Own(Model): pass
own = Own(1)
draws = [random.random(), float(np.random.rand())]
del gone
value
"""

SEEN = """[items, alias is items, table.to_dict('list'), type(made) is Model, made.a, value, sorted(words),
 float(array.sum()), np.shares_memory(part, array), both[0] is model and both[1] is model and both[2] is items,
 later(), own.value(), isinstance(own, Model), draws, random.random(), float(np.random.rand()), 'gone' in globals()]"""


def workers(kernel: Kernel) -> list[int]:
    """The process ids of a kernel's children."""
    lists = Path(f"/proc/{kernel.pid}/task").glob("*/children")
    return [int(pid) for path in lists for pid in path.read_text().split()]


def ended(pid: int) -> None:
    """Wait until a process is gone."""
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} was left running"
        time.sleep(0.01)


def records(kernel: Kernel, name: str) -> dict[str, Any]:
    """What the store's newest record of a task says of its inputs and outputs."""
    code = "from milepost.notebook.extension import _ATTRIBUTE as _a\n"
    code += "_s = getattr(get_ipython(), _a).session.provider.record_of_task"
    code += f"({name!r})\nimport json\nprint(json.dumps([_s.key, sorted((o.name, o.digest) for o in _s.outputs)]))"
    key, outputs = json.loads(kernel.run_ok(code).stdout)
    return {"key": key, "outputs": outputs}


def texts(reply: Reply) -> list[str]:
    shown = [output for output in reply.shown if output["type"] != "clear_output"]
    return [str(output.get("text") or output["data"]["text/plain"]) for output in shown]


# as in the notebook


def test_a_cell_leaves_what_it_would_leave_in_the_notebook(start: Start, tmp_path: Path) -> None:
    found = {}
    for options in ("", "--on processes", "--bg --on processes"):
        kernel = start(f"{options.strip() or 'here'}.ipynb")
        kernel.run_ok(SETUP)
        reply = kernel.run_ok(f"%%task one {options}\nimport os; pid = os.getpid()\n{BODY}")
        settled(kernel, "one", "success")
        assert (kernel.value("pid") == kernel.pid) is (options == "")
        found[options] = kernel.value(SEEN), records(kernel, "one")
        assert "--bg" in options or texts(reply) == ["6"]
        kernel.kill()
    here, process, background = found.values()
    assert process[0] == here[0] == background[0]
    assert process[1]["key"] == here[1]["key"] == background[1]["key"]
    own = [[pair for pair in record["outputs"] if pair[0] != "pid"] for _, record in found.values()]
    assert own[0] == own[1] == own[2], "what comes after it would run again, only since it ran elsewhere"
    kernel = start("--on processes.ipynb")
    kernel.run_ok(SETUP)
    again = kernel.run_ok(f"%%task one\nimport os; pid = os.getpid()\n{BODY}")
    assert any("restored: saved" in stamp for stamp in again.stamps)
    assert texts(again) == ["6"]
    assert kernel.value(SEEN) == here[0]


def test_what_it_shows_comes_in_order_and_is_kept(start: Start, tmp_path: Path) -> None:
    kernel = start()
    cell = (
        "%%task one --on processes\nimport os, sys\nfrom IPython.display import HTML, display as show, clear_output\n"
        "print('gone'); clear_output()\nprint('first')\nshow(HTML('<b>second</b>'))\nos.system('echo third')\n"
        "handle = show('fourth', display_id=True)\nhandle.update('changed')\n"
        "print('error', file=sys.stderr, flush=True)\n"
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('fifth')\nplt.plot([1, 2]);\n'value'"
    )
    reply = kernel.run_ok(cell)
    kinds = [output["type"] for output in reply.shown if output.get("name") != "stderr"]
    streams = ["clear_output", "stream", "display_data", "stream", "display_data", "update_display_data"]
    assert kinds[kinds.index("clear_output") :] == [
        *streams,
        "display_data",
        "stream",
        "execute_result",
        "display_data",
    ]
    assert [text for text in texts(reply) if text == "error\n"]
    assert ["image/png" in output.get("data", {}) for output in reply.shown].count(True) == 2
    kernel.kill()
    kernel = start()
    kept = [text for text in texts(kernel.run_ok(cell)) if text != "error\n"]
    figure = "<Figure size 640x480 with 1 Axes>"
    assert kept == [
        "first\n",
        "<IPython.core.display.HTML object>",
        "third\n",
        "'changed'",
        figure,
        "fifth\n",
        "'value'",
        figure,
    ]


def test_errors_show_the_cell_and_are_the_notebooks_own(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("class Bad(Exception):\n    def __init__(self, a, b): super().__init__(a)")
    cell = (
        "%%task one --on processes\ndef inner():\n    return 1 / 0\ntry:\n    inner()\nexcept ZeroDivisionError as e:\n"
    )
    reply = kernel.run(cell + "    raise ValueError('no') from e")
    assert (reply.ename, reply.evalue) == ("ValueError", "no")
    shown = plain(reply)
    assert "Cell In[3], line 3, in inner()" in shown
    assert "----> 3     return 1 / 0" in shown
    assert "----> 7     raise ValueError('no') from e" in shown
    assert "direct cause" in shown
    assert "milepost" not in shown
    kernel.run_ok("class Good(Exception): pass")
    sent = (
        "try: get_ipython().run_cell_magic('task', 'two --on processes', 'raise Good(1)')\nexcept Good: print('caught')"
    )
    assert kernel.run_ok(sent).stdout == "caught\n"
    reply = kernel.run("%%task three --on processes\nraise Bad(1, 2)")
    assert (reply.ename, reply.evalue) == ("Bad", "1"), "an exception that cannot be opened again has lost its name"
    assert "----> 2 raise Bad(1, 2)" in plain(reply)


def test_what_methods_and_task_functions_read_goes_along(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("from milepost import task\nK = 5\nclass M:\n    def f(self): return K\nm = [M()]")
    kernel.run_ok("@task\ndef plain(): return K + 1\n@task\ndef never(): return 1\nplain.result()")
    kernel.run_ok("%%task one --on processes\nx = [m[0].f(), plain(), plain.result(), globals()['K']]")
    assert kernel.value("x") == [5, 6, 6, 5]
    for on in ("threads", "processes"):
        kernel.run_ok(f"%%task first --bg --force\n{until('go')}n = M()")
        kernel.run_ok(f"%%task second --bg --on {on} --force\ny = n.f()")
        (tmp_path / "go").touch()
        assert kernel.value("y") == 5
        (tmp_path / "go").unlink()
    reply = kernel.run("%%task two --on processes\ny = never.result()")
    assert "ask for never.result() in a cell before" in plain(reply)


def test_large_inputs_are_read_from_the_store(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one\nimport numpy as np\nbig = np.arange(500_000.)")
    kernel.run_ok("%%task two --on processes\nmaps = open('/proc/self/maps').read()\nbig[0] = 7\nfirst = big[0]")
    assert kernel.value("['/objects/' in maps, first, big[0]]") == [True, 7, 7]
    assert any(
        "restored: saved" in stamp
        for stamp in kernel.run_ok("%%task one\nimport numpy as np\nbig = np.arange(500_000.)").stamps
    )
    assert kernel.value("big[0]") == 0, "the store's own file was written to"


def test_two_that_draw_from_one_seed_at_the_same_time(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("import random\nrandom.seed(1)")
    both = until("one.here") + until("two.here")
    cells = [f"open('{n}.here', 'w').close()\n{both}{n} = random.random()\n" for n in ("one", "two")]
    sent = [kernel.send(f"%%task {n} --bg --on processes\n{c}") for n, c in zip(("one", "two"), cells, strict=True)]
    assert "runs in the background" in kernel.finish(sent[0]).ok().stamps[0]
    said: list[str] = []
    kernel.send("one, two")
    while not any("same numbers from random" in text for text in said):
        content = kernel.client.get_iopub_msg(timeout=PATIENCE)["content"]
        said.append(content.get("data", {}).get("text/plain", ""))
    assert kernel.value("[one == two, random.random() == one]") == [True, False]


# what cannot travel


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("with lock: x = 1", "TransferError", ["'one' reads 'lock'", "a lock belongs to", "--on threads"]),
        ("%timeit 1", "UsageError", ["%timeit", "no IPython"]),
        ("!ls", "UsageError", ["!ls", "no IPython"]),
        ("x = get_ipython()", "UsageError", ["get_ipython()", "no IPython"]),
        ("magic()", "UsageError", ["no IPython", "--on threads"]),
        ("items.append(i for i in items)", "TransferError", ["'items', which it changed,", "a generator"]),
        ("x = eval('lock')", "NameError", ["'lock' was not sent", "--on threads"]),
        ("x = hidden()", "NameError", ["the notebook has 'lock'", "--in lock"]),
    ],
)
def test_what_cannot_travel_is_named(kernel: Kernel, body: str, error: str, words: list[str]) -> None:
    reply = kernel.run(f"%%task one --on processes --force\nprint('at it')\n{body}")
    shown = plain(reply)
    assert (reply.ename, [word for word in words if word not in shown]) == (error, []), shown
    assert kernel.run_ok("%%task two --on processes --force\nprint(len(items))").stdout == "1\n"
    row = kernel.status().get("one")
    assert row is None or row["state"] == "failure"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One kernel for several tests, with values that cannot travel."""
    home = tmp_path_factory.mktemp("shared")
    with Kernel(
        home, MILEPOST_KEY_FILE=signing_key(home / "key"), IPYTHONDIR=str(home / "ipython"), NO_COLOR="1"
    ) as made:
        made.run_ok("%load_ext milepost\nimport threading\nlock, items = threading.Lock(), [1]")
        made.run_ok("def magic(): return get_ipython()\ndef hidden(): return eval('lock')")
        yield made


def test_an_output_that_cannot_travel_costs_nothing_else(start: Start, tmp_path: Path) -> None:
    kernel = start()
    cell = "%%task one --on processes\nopen('ran.txt', 'a').write('.')\nfile, rest = open('ran.txt'), 4"
    reply = kernel.run_ok(cell)
    assert "'file': it stayed in the worker process: an open file" in reply.stamps[0]
    assert kernel.value("[rest, 'file' in globals()]") == [4, False]
    assert kernel.status()["one"]["saved"] is True
    reply = kernel.run_ok("print(file.name)")
    assert (reply.stdout, "runs again for 'file'" in reply.stamps[0]) == ("ran.txt\n", True)
    assert (tmp_path / "ran.txt").read_text() == ".."
    reply = kernel.run_ok("%%task two --on processes --save never\nlines = (line for line in 'ab')")
    assert "'lines' is not there: it stayed in the worker process: a generator" in reply.stamps[0]


def test_inputs_that_change_before_it_begins(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("import os\nos.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])\nx = [1]")
    kernel.run_ok("%%task first --bg --on processes\nopen('begun', 'w').close()\n" + until("go"))
    there(tmp_path / "begun")
    kernel.run_ok("%%task second --bg --on processes\ny = list(x)\n" + until("then"))
    settled(kernel, "second", "running")
    kernel.run_ok("x.append(2)")
    (tmp_path / "go").touch()
    kernel.run_ok("%%task third --after first\n1")
    (tmp_path / "then").touch()
    row = settled(kernel, "second", "success")
    assert (row["saved"], "'x' changed after the cell was run" in row["why"]["text"]) == (False, True)
    (tmp_path / "then").unlink()
    kernel.run_ok("%%task second --bg --on processes\ny = list(x)\nopen('here', 'w').close()\n" + until("then"))
    there(tmp_path / "here")
    kernel.run_ok("x.append(3)")
    (tmp_path / "then").touch()
    assert settled(kernel, "second", "success")["saved"] is True, "what changes later does it no harm"
    assert kernel.value("[y, x]") == [[1, 2], [1, 2, 3]]


# ending


def test_a_killed_worker_fails_its_task_alone(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok("%%task one --bg --on processes\nimport os\nprint('at', os.getpid(), flush=True)\n" + until("never"))
    deadline = time.monotonic() + PATIENCE
    while "at" not in kernel.request("log", task="one")["log"]["text"]:
        assert time.monotonic() < deadline, "its log did not come"
    [pid] = workers(kernel)
    assert kernel.request("log", task="one")["log"]["text"] == f"at {pid}\n"
    os.kill(pid, 9)
    error = settled(kernel, "one", "failure")["error"]
    assert ("WorkerDied" in error, f"(pid {pid}) was killed by signal 9 (SIGKILL)" in error) == (True, True)
    reply = kernel.run("%%task two --on processes\nimport os\nos._exit(3)")
    assert (reply.ename, "exit code 3" in reply.evalue) == ("WorkerDied", True)
    kernel.run_ok("%%task two --on processes\nx = 1")
    assert kernel.value("x") == 1


def test_cancel_and_the_stop_button_end_the_process(start: Start, tmp_path: Path) -> None:
    kernel = start()
    deaf = "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
    deaf += "print('in it', flush=True)\ntime.sleep(60)"
    kernel.run_ok(f"%%task one --bg --on processes\nopen('here', 'w').close()\n{deaf}")
    there(tmp_path / "here")
    [pid] = workers(kernel)
    kernel.request("cancel", task="one")
    settled(kernel, "one", "cancelled")
    ended(pid)
    sent = kernel.send(f"%%task two --on processes\n{deaf}")
    kernel.finish(sent, until="in it")
    [pid] = workers(kernel)
    kernel.interrupt()
    assert kernel.finish(sent).ename == "KeyboardInterrupt"
    ended(pid)
    assert settled(kernel, "two", "cancelled")["saved"] is False
    limit = kernel.run(f"%%task three --on processes --timeout 0.5\n{deaf}")
    assert (limit.ename, "0.5 s" in limit.evalue) == ("TaskTimeout", True)
    kernel.run_ok("%%task four --bg --on processes\n" + until("never"))
    settled(kernel, "four", "running")
    children = workers(kernel)
    kernel.manager.shutdown_kernel()
    for child in children:
        ended(child)


# functions


def test_functions_of_the_notebook(start: Start, tmp_path: Path) -> None:
    kernel = start()
    setup = (
        "from milepost import task\nimport os, random\nrandom.seed(1)\nK, held = 2, [1]\ndef helper(v): return v * K\n"
        "@task(on='processes')\ndef far(held):\n    print('at it', flush=True)\n"
        "    held.append(2)\n    return [helper(len(held)), random.random(), lambda: K, os.getpid()]\n"
        "@task(on='processes')\ndef bad(far):\n    return 1 / 0\n"
        "@task(on='processes')\ndef spoils(far):\n    far.append(1)\n    return 1\n"
    )
    kernel.run_ok(setup)
    assert kernel.run_ok("value = far.result()").stdout == "at it\n"
    here = "[value[:2], value[2](), value[3], held, random.random()]"
    seen = kernel.value(here)
    assert (seen[0][0], seen[1], seen[2] != kernel.pid, seen[3]) == (4, 2, True, [1, 2])
    assert kernel.status()["far"]["saved"] is True
    reply = kernel.run("bad.result()")
    assert ("in bad()" in plain(reply), "return 1 / 0" in plain(reply)) == (True, True), plain(reply)
    reply = kernel.run_ok("spoils.result()")
    assert "not saved: it changed its argument 'far'" in reply.stamps[0]
    kernel.kill()
    kernel = start()
    kernel.run_ok(setup)
    again = kernel.run_ok("value = far.result()")
    assert (again.stdout, any("restored" in stamp for stamp in again.stamps)) == ("at it\n", True)
    assert kernel.value(here) == seen
    sent = kernel.send(
        "@task(on='processes')\ndef long():\n    print('in it', flush=True)\n    while True: pass\nlong.result()"
    )
    kernel.finish(sent, until="in it")
    [pid] = workers(kernel)
    kernel.interrupt()
    assert kernel.finish(sent).status == "error"
    ended(pid)


def test_functions_say_how_far_they_are(start: Start, tmp_path: Path) -> None:
    kernel = start()
    kernel.run_ok(
        "from milepost import task\nimport os, time\n"
        "@task(on='processes')\ndef part(n, progress, signal, context):\n    progress(f'{n}/10')\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n    return n, signal.cancelled, context\n"
        "@task(on='processes')\ndef whole(progress):\n    progress('half')\n    return 1"
    )
    sent = kernel.send("print(part.map([3, 4]).results())")
    told: set[str] = set()
    deadline = time.monotonic() + 60
    while told != {"3/10", "4/10"} and time.monotonic() < deadline:
        told = {row["progress"] for row in kernel.request("state")["tasks"] if row["progress"]}
    (tmp_path / "go").touch()
    assert told == {"3/10", "4/10"}
    assert kernel.finish(sent).stdout == "[(3, False, {}), (4, False, {})]\n"
    assert kernel.value("whole.result()") == 1
