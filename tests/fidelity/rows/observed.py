"""What a task reads and writes besides names: files, folders, environment variables."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap

ONE, TWO = {"d.txt": "1"}, {"d.txt": "2"}
CHANGED = "'d.txt', which it read, is another one now"


def read(name: str, *cells: str, why: str = CHANGED, **more: object) -> tuple[Trap, Trap]:
    """Two rows: the file is as it was, and it is another one."""
    same = trap(f"{name}, the same file", *cells, files=ONE, **more)  # type: ignore[arg-type]
    other = trap(f"{name}, another file", *cells, files=ONE, files_now=TWO, reruns={"t": why}, **more)  # type: ignore[arg-type]
    return same, other


ROWS = [
    *read("open", "%%task t\nt = open('d.txt').read()"),
    *read("Path.read_text", "from pathlib import Path", "%%task t\nt = Path('d.txt').read_text()"),
    *read("in a helper", "def h():\n    with open('d.txt') as f:\n        return f.read()", "%%task t\nt = h()"),
    *read("by os.open", "import os", "%%task t\nt = os.read(os.open('d.txt', os.O_RDONLY), 9)"),
    *read("np.loadtxt", "import numpy as np", "%%task t\nt = float(np.loadtxt('d.txt'))"),
    *read("pd.read_csv", "import pandas as pd", "%%task t\nt = pd.read_csv('d.txt', header=None)"),
    *read("a name in a variable", "p = 'd.txt'", "%%task t\nt = open(p).read()"),
    *read(
        "in a thread",
        "import threading\nfound = []\ndef h():\n    found.append(open('d.txt').read())",
        "%%task t\nw = threading.Thread(target=h)\nw.start()\nw.join()\nt = found[-1]\ndel w",
    ),
    *read("its size", "import os", "%%task t\nt = os.path.getsize('d.txt')", why="d.txt")[:1],
    *read(
        "in a function task",
        "from milepost import task\n@task\ndef t():\n    return open('d.txt').read()",
        "u = t.result()",
        ignore=("t",),
    ),
    *read("polars", "import polars as pl", "%%task t\nt = pl.read_csv('d.txt', has_header=False)", needs=("polars",)),
    trap("a file that nothing reads", "%%task t\nt = 1", files=ONE, files_now=TWO),
    trap(
        "a file that comes",
        "import os",
        "%%task t\nt = os.path.exists('n.txt')",
        files_now={"n.txt": "1"},
        reruns={"t": "n.txt"},
    ),
    trap("a file that does not come", "import os", "%%task t\nt = os.path.exists('n.txt')"),
    trap(
        "a file that goes",
        "import os",
        "%%task t\nt = os.path.exists('d.txt')",
        files=ONE,
        files_now={"d.txt": None},
        reruns={"t": "d.txt"},
    ),
    trap(
        "an absent file that comes",
        "%%task t\ntry:\n    t = open('n.txt').read()\nexcept FileNotFoundError:\n    t = None",
        files_now={"n.txt": "1"},
        reruns={"t": "n.txt"},
    ),
    trap(
        "a folder that gets a file",
        "import os",
        "%%task t\nt = sorted(os.listdir('f'))",
        files={"f/a": "1"},
        files_now={"f/b": "1"},
        reruns={"t": "'f'"},
    ),
    trap(
        "a file beside what looks for packages",
        "import sys\nsys.path.insert(0, '')",
        "%%task t\nfrom importlib.metadata import version\nt = version('numpy')",
        files_now={"n.txt": "1"},
    ),
    trap("a folder as it was", "import os", "%%task t\nt = sorted(os.listdir('f'))", files={"f/a": "1"}),
    trap(
        "a pattern",
        "import glob",
        "%%task t\nt = sorted(glob.glob('*.csv'))",
        files={"a.csv": "1"},
        files_now={"b.csv": "1"},
        reruns={"t": "csv"},
    ),
    trap("a pattern as it was", "import glob", "%%task t\nt = sorted(glob.glob('*.csv'))", files={"a.csv": "1"}),
    trap("a file written", "%%task t\nopen('o.txt', 'w').write('x')\nt = 1", "u = open('o.txt').read()"),
    trap(
        "a file written and taken away",
        "%%task t\nopen('o.txt', 'w').write('x')\nt = 1",
        "u = open('o.txt').read()",
        files_now={"o.txt": None},
        reruns={"t": "'o.txt', which it wrote, is not there any more"},
        raises=True,
    ),
    trap(
        "a file written and changed",
        "%%task t\nopen('o.txt', 'w').write('x')\nt = 1",
        "u = open('o.txt').read()",
        files_now={"o.txt": "y"},
        reruns={"t": "'o.txt', which it wrote, is another one now"},
    ),
    trap(
        "a file that one task writes and another reads",
        "%%task a\nopen('o.txt', 'w').write('x')\na = 1",
        "%%task t\nt = open('o.txt').read()",
    ),
    trap(
        "the writing task edited",
        "%%task a\nopen('o.txt', 'w').write('x')\na = 1",
        "%%task t\nt = open('o.txt').read()",
        edit=("'x'", "'y'"),
        reruns={"a": "code", "t": "o.txt"},
    ),
    trap("a file written and read in one body", "%%task t\nopen('o.txt', 'w').write('x')\nt = open('o.txt').read()"),
    trap(
        "a temporary file",
        "import tempfile",
        "%%task t\nwith tempfile.NamedTemporaryFile('w+') as f:\n    f.write('x')\n    f.seek(0)\n    t = f.read()\ndel f",
    ),
    trap(
        "a variable of the environment",
        "import os",
        "%%task t\nt = os.environ.get('OF_T')",
        env={"OF_T": "1"},
        env_now={"OF_T": "2"},
        reruns={"t": "OF_T"},
    ),
    trap("a variable as it was", "import os", "%%task t\nt = os.getenv('OF_T')", env={"OF_T": "1"}),
    trap(
        "a variable that is not read",
        "import os",
        "%%task t\nt = os.environ.get('OF_T')",
        env={"OF_U": "1"},
        env_now={"OF_U": "2"},
    ),
    trap(
        "a variable that comes",
        "import os",
        "%%task t\nt = 'OF_T' in os.environ",
        env_now={"OF_T": "2"},
        reruns={"t": "OF_T"},
    ),
    trap(
        "a variable in a helper",
        "import os\ndef h():\n    return os.environ['OF_T']",
        "%%task t\nt = h()",
        env={"OF_T": "1"},
        env_now={"OF_T": "2"},
        reruns={"t": "OF_T"},
    ),
    trap(
        "a database",
        "import sqlite3",
        "%%task t\nc = sqlite3.connect('d.db')\nc.execute('create table if not exists x (a)')\nc.commit()\nc.close()\ndel c\nt = 1",
    ),
]
