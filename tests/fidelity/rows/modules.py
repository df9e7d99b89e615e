"""Modules of the project: what a task reads of them, also after an edit, and what it may ignore."""

from __future__ import annotations

from tests.fidelity.trap import Trap, Write, trap

RATE = "RATE = 2\ndef grow(n):\n    return n * RATE\n"
EDITED = RATE.replace("2", "5")
PACKAGE = {
    "pack/__init__.py": "",
    "pack/part.py": "from . import deep\ndef grow(n):\n    return deep.grow(n)\n",
    "pack/deep.py": "from .deeper import RATE\ndef grow(n):\n    return n * RATE\n",
    "pack/deeper.py": "RATE = 2\n",
}


def edited(name: str, *cells: str, file: str = "tools.py", why: str = "changed", xfail: str = "") -> Trap:
    """A row in which a module is edited between the kernels."""
    files = PACKAGE if file.startswith("pack/") else {"tools.py": RATE}
    now = {file: files[file].replace("2", "5") if "2" in files[file] else files[file] + "\nRATE = 7\n"}
    return trap(name, *cells, files=files, files_now=now, reruns={"t": why}, xfail=xfail)


ROWS = [
    edited("import", "import tools", "%%task t\nt = tools.grow(3)", why="'tools'"),
    edited("from import", "from tools import grow", "%%task t\nt = grow(3)", why="'grow'"),
    edited("import as", "import tools as tt", "%%task t\nt = tt.RATE", why="'tt'"),
    edited("import of a constant", "from tools import RATE", "%%task t\nt = RATE * 2", why="'RATE'"),
    edited("import in the body", "%%task t\nimport tools\nt = tools.grow(3)", why="tools"),
    edited(
        "import in a helper",
        "def h(n):\n    from tools import grow\n    return grow(n)",
        "%%task t\nt = h(3)",
        why="tools",
    ),
    edited("a star import", "from tools import *", "%%task t\nt = grow(3)", why="'grow'"),
    edited("a star import in the body", "%%task t\nfrom tools import *\nt = grow(3)", why="tools"),
    edited(
        "a helper around a module's function", "import tools\ndef h(n):\n    return tools.grow(n)", "%%task t\nt = h(3)"
    ),
    edited("a submodule", "import pack.deep", "%%task t\nt = pack.deep.grow(3)", file="pack/deeper.py"),
    edited("a relative import", "from pack.part import grow", "%%task t\nt = grow(3)", file="pack/deeper.py"),
    edited("a package in the body", "%%task t\nfrom pack import part\nt = part.grow(3)", file="pack/deeper.py"),
    edited("a module's function under another name", "from tools import grow\nf = grow", "%%task t\nt = f(3)"),
    edited("a class of a module", "import tools\nclass A:\n    f = staticmethod(tools.grow)", "%%task t\nt = A.f(3)"),
    edited("a module in a list", "import tools\nmods = [tools]", "%%task t\nt = mods[0].grow(3)", why="'mods'"),
    edited("importlib", "import importlib\nm = importlib.import_module('too' + 'ls')", "%%task t\nt = m.grow(3)"),
    edited(
        "importlib in the body",
        "%%task t\nimport importlib\nt = importlib.import_module('too' + 'ls').grow(3)",
        why="'tools'",
    ),
    edited(
        "__import__ in the body",
        "%%task t\nt = __import__('tools').grow(3)",
        why="'tools'",
    ),
    edited(
        "sys.modules of a module",
        "import tools, sys",
        "%%task t\nt = sys.modules['tools'].grow(3)",
        why="'tools'",
    ),
    edited(
        "import_module in a helper",
        "import importlib\ndef h(n):\n    return importlib.import_module('too' + 'ls').grow(n)",
        "%%task t\nt = h(3)",
        why="'tools'",
    ),
    edited(
        "import_module of a module that is loaded",
        "import tools as other, importlib",
        "%%task t\nt = importlib.import_module('too' + 'ls').grow(3)",
        why="'tools'",
    ),
    edited(
        "a module below one that is imported by name",
        "%%task t\nimport importlib\nt = importlib.import_module('pack.part').grow(3)",
        file="pack/deeper.py",
        why="'pack.part'",
    ),
    edited(
        "a pickle that loads a module",
        "import pickle\ndata = b'ctools\\ngrow\\n.'",
        "%%task t\nt = pickle.loads(data)(3)",
        why="'tools'",
    ),
    trap(
        "import_module, and nothing changed",
        "import importlib",
        "%%task t\nt = importlib.import_module('too' + 'ls').grow(3)",
        files={"tools.py": RATE},
    ),
    trap(
        "import_module of another module, edited",
        "%%task t\nimport importlib\nt = importlib.import_module('ma' + 'th').pi",
        files={"tools.py": RATE},
        files_now={"tools.py": EDITED},
    ),
    trap(
        "a module's variable set by a cell",
        "import tools",
        "tools.RATE = 3",
        "%%task t\nt = tools.grow(3)",
        files={"tools.py": RATE},
        edit=("= 3", "= 4"),
        reruns={"t": "'tools'"},
    ),
    trap(
        "an instance of a module's class",
        "import tools\na = tools.A()",
        "%%task t\nt = a.m()",
        files={"tools.py": "class A:\n    def m(self):\n        return 2\n"},
        files_now={"tools.py": "class A:\n    def m(self):\n        return 3\n"},
        reruns={"t": "'a'"},
    ),
    trap(
        "a base class in a module",
        "import tools\nclass B(tools.A): pass",
        "%%task t\nt = B().m()",
        files={"tools.py": "class A:\n    def m(self):\n        return 2\n"},
        files_now={"tools.py": "class A:\n    def m(self):\n        return 3\n"},
        reruns={"t": "'B'"},
    ),
    trap(
        "a data file of a module",
        "import tools",
        "%%task t\nt = tools.read()",
        files={"tools.py": "def read():\n    return open('data.txt').read()\n", "data.txt": "1"},
        files_now={"data.txt": "2"},
        reruns={"t": "data.txt"},
    ),
    trap(
        "a module's comment and docstring",
        "import tools",
        "%%task t\nt = tools.grow(3)",
        files={"tools.py": RATE},
        files_now={"tools.py": "'''Said.'''\n# more\n" + RATE.replace("def grow(n):", "def grow(n):\n    'Grows.'")},
    ),
    trap(
        "another module of the folder",
        "import tools, other",
        "%%task t\nt = tools.grow(3)",
        files={"tools.py": RATE, "other.py": "X = 1\n"},
        files_now={"other.py": "X = 2\n"},
    ),
    trap(
        "an edit that autoreload brings in",
        "%load_ext autoreload\n%autoreload 2",
        "import tools",
        "%%task t\nt = tools.grow(3)",
        Write("tools.py", EDITED),
        "%%task u\nu = tools.grow(3)",
        files={"tools.py": RATE},
        now=(
            "%load_ext autoreload\n%autoreload 2",
            "import tools",
            "%%task t\nt = tools.grow(3)",
            "%%task u\nu = tools.grow(3)",
        ),
        files_now={"tools.py": EDITED},
        reruns={"t": "'tools'"},
    ),
    trap(
        "autoreload in the kernel that goes on",
        "%load_ext autoreload\n%autoreload 2",
        "import tools",
        "%%task t\nt = tools.grow(3)",
        Write("tools.py", EDITED),
        "%%task u\nu = tools.grow(3)",
        files={"tools.py": RATE},
        xfail="",
    ),
    trap(
        "a class that autoreload changes under an instance",
        "%load_ext autoreload\n%autoreload 2",
        "import tools\na = tools.A()",
        Write("tools.py", "class A:\n    def m(self):\n        return 3\n"),
        "%%task t\nt = a.m()",
        files={"tools.py": "class A:\n    def m(self):\n        return 2\n"},
    ),
    trap(
        "what an instance of a module's class is after a restore",
        "import tools",
        "%%task t\nt = tools.A()",
        "ok = isinstance(t, tools.A), t.m()",
        files={"tools.py": "class A:\n    def m(self):\n        return 2\n"},
    ),
    trap(
        "a module that the task made",
        "%%task t\nopen('made.py', 'w').write('X = 1')\nimport made\nt = made.X",
        "u = made.X",
        reruns={"t": "input 'import made'"},  # it was not there when the task was looked up first
    ),
    trap(
        "a module that the task made, once more",
        "%%task t\nopen('made.py', 'w').write('X = 1')\nimport made\nt = made.X",
        "u = made.X",
        stops=(2, 2),
    ),
]
