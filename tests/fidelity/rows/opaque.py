"""What a task does to a value without content: it has to be done again, as nothing can be put back."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap


def used(name: str, setup: str, body: str, seen: str, *, of: str, needs: tuple[str, ...] = ()) -> Trap:
    """A row in which a task uses `of`, which a plain cell made, and `seen` tells that it did."""
    cells = (setup, f"%%task t\n{body}")
    return trap(name, *cells, same=seen, ignore=(of,), needs=needs, reruns={"t": ""})


DATABASE = "import sqlite3\ncon = sqlite3.connect(':memory:')\ncon.execute('create table t(a)').close()"

ROWS = [
    used("a queue filled", "import queue\nq = queue.Queue()", "q.put(1)", "q.qsize()", of="q"),
    used("a simple queue filled", "import queue\nq = queue.SimpleQueue()", "q.put(1)", "q.qsize()", of="q"),
    used("an event set", "import threading\ne = threading.Event()", "e.set()", "e.is_set()", of="e"),
    used("a lock taken", "import threading\nk = threading.Lock()", "k.acquire()", "k.locked()", of="k"),
    used(
        "a semaphore taken",
        "import threading\nk = threading.Semaphore(2)",
        "k.acquire()",
        "k.acquire(blocking=False) and k.acquire(blocking=False)",
        of="k",
    ),
    used(
        "a deque that holds a lock",
        "import threading, collections\nd = collections.deque([threading.Lock()])",
        "d.append(1)",
        "len(d)",
        of="d",
    ),
    used(
        "a thread started",
        "import threading\nh = threading.Thread(target=int)",
        "h.start()\nh.join()",
        "h.ident is None",
        of="h",
    ),
    used(
        "a database written",
        DATABASE,
        "con.execute('insert into t values (1)').close()",
        "con.execute('select * from t').fetchall()",
        of="con",
    ),
    used(
        "a table made",
        DATABASE,
        "con.execute('create table u(a)').close()",
        "con.execute('select * from u').fetchall()",
        of="con",
    ),
    used(
        "a widget's value",
        "import ipywidgets\nw = ipywidgets.IntText()",
        "w.value = 3",
        "w.value",
        of="w",
        needs=("ipywidgets",),
    ),
    used("the shell changed", "ip = get_ipython()", "ip.tag_of_mine = 'all'", "ip.tag_of_mine", of="ip"),
    trap(
        "a database only read",
        DATABASE,
        "%%task t\nt = con.execute('select 1').fetchall()",
        "s = t",
        ignore=("con",),
    ),
]
