"""What a task shows: the same is seen after a restore, in the same order and the same cell."""

from __future__ import annotations

from tests.fidelity.trap import Trap, trap

SHOW = "from IPython.display import *\n"
IMAGE = "import base64\npng = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')"
LOGGER = "import logging\nlog = logging.getLogger('mine')\nlog.setLevel('INFO')\nlog.propagate = False"
WARN = "import warnings\ndef h(x):\n    warnings.warn('careful', UserWarning, stacklevel=1)\n    return x"
MODULE = {"tools.py": "import warnings\ndef h(x):\n    warnings.warn('careful')\n    return x\n"}
INLINE = "%matplotlib inline\nimport matplotlib.pyplot as plt"


def shows(name: str, body: str, *before: str, after: str = "", xfail: str = "", **more: object) -> Trap:
    """A row in which a task shows something; `after` is a plain cell that goes on."""
    cells = (*before, f"%%task t\n{body}\nt = 1", *([after] if after else []))
    return trap(name, *cells, xfail=xfail, **more)  # type: ignore[arg-type]


def ends(name: str, body: str, *before: str, **more: object) -> Trap:
    """A row in which the last expression of a task is what it shows."""
    return trap(name, *before, f"%%task t\nt = 1\n{body}", **more)  # type: ignore[arg-type]


ROWS = [
    shows("print", "print('a', 1)"),
    shows("print without a newline", "print('a', end='')", after="print('b')"),
    shows("print in pieces", "for i in range(3):\n    print(i, end=' ', flush=True)"),
    shows("sys.stdout.write", "sys.stdout.write('a')\nsys.stdout.writelines(['b', 'c'])", "import sys"),
    shows("print to stderr", "import sys\nprint('a', file=sys.stderr)"),
    shows("streams take turns", "import sys\nfor i in range(4):\n    print(i, file=[sys.stdout, sys.stderr][i % 2])"),
    shows("streams and displays take turns", "print(1)\ndisplay('a')\nprint(2)\ndisplay('b')\nprint(3)"),
    shows("carriage returns", "for i in range(5):\n    print(f'\\r{i} of 5', end='')"),
    shows("backspaces and colours", "print('ab\\bc \\x1b[31mred\\x1b[0m')"),
    shows("much text", "for i in range(20_000):\n    print(i, 'x' * 50)"),
    shows("one long line", "print('x' * 3_000_000)"),
    shows("text that is not Unicode", "print('ü€😀 \\ud800 \\x00')"),
    shows("an empty print", "print()"),
    shows("pprint", "import pprint\npprint.pprint({'b': list(range(40)), 'a': 1})"),
    shows(
        "a stream kept by a plain cell",
        "print('a', file=out)",
        "import sys\nout = sys.stdout",
        ignore=("out",),
        reruns={"t": "'out'"},
    ),
    shows("print through print", "say('a')", "def say(x):\n    print('said', x)"),
    shows(
        "a thread that was joined",
        "w = threading.Thread(target=print, args=('a',))\nw.start()\nw.join()\ndel w",
        "import threading",
    ),
    shows(
        "a pool of threads",
        "with ThreadPoolExecutor(2) as pool:\n    list(pool.map(lambda i: print(i, end=''), [7, 7, 7]))\ndel pool",
        "from concurrent.futures import ThreadPoolExecutor",
    ),
    shows(
        "a thread that a thread started",
        "def inner():\n    print('deep')\ndef outer():\n    w = threading.Thread(target=inner)\n    w.start()\n    w.join()\n"
        "    display('shown')\nw = threading.Thread(target=outer)\nw.start()\nw.join()\ndel w",
        "import threading",
    ),
    shows("await", "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    print('a')\nawait f()"),
    shows("asyncio.to_thread", "import asyncio\nawait asyncio.to_thread(print, 'a')"),
    shows("tasks of asyncio", "import asyncio\nasync def f(i):\n    print(i)\nawait asyncio.gather(f(1), f(2))"),
    ends("the last expression", "t + 1"),
    ends("the last expression is None", "print(1)"),
    ends("the last expression with a semicolon", "t + 1;"),
    ends("the last expression after a print", "print('a')\nt"),
    trap(
        "several expressions",
        "from IPython.core.interactiveshell import InteractiveShell\nInteractiveShell.ast_node_interactivity = 'all'",
        "%%task t\nt = 1\nt + 1\nt + 2",
    ),
    ends("a frame", "pd.DataFrame({'a': [1, 2]})", "import pandas as pd"),
    ends("a frame's style", "pd.DataFrame({'a': [1, 2]}).style.set_uuid('u').bar()", "import pandas as pd"),
    ends("an array", "np.arange(2000).reshape(40, 50)", "import numpy as np"),
    ends("HTML", "HTML('<b>a</b>')", SHOW),
    ends("an object with _repr_html_", "A()", "class A:\n    def _repr_html_(self):\n        return '<i>a</i>'"),
    ends(
        "an object with _repr_mimebundle_",
        "A()",
        "class A:\n    def _repr_mimebundle_(self, **k):\n"
        "        return {'application/x-mine+json': {'a': [1, 2]}, 'text/plain': 'A'}, {'application/x-mine+json': {'k': 1}}",
    ),
    ends(
        "an object with _ipython_display_",
        "A()",
        "class A:\n    def _ipython_display_(self):\n        display('own')\n        print('way')",
    ),
    ends("an object with _repr_png_", "A()", IMAGE, "class A:\n    def _repr_png_(self):\n        return png"),
    ends(
        "an object whose display fails",
        "A()",
        "class A:\n    def _repr_html_(self):\n        raise ValueError('no')",
        raises=True,
    ),
    ends(
        "an object whose repr changes",
        "A()",
        "class A:\n    n = 0\n    def __repr__(self):\n        return f'A{self.n}'",
    ),
    ends("a long list", "list(range(3000))"),
    shows("display of several", "display(1, 'a', [2])"),
    shows("display with metadata", "display({'text/plain': 'a'}, raw=True, metadata={'text/plain': {'k': 1}})", SHOW),
    shows("display of an image", "display(Image(png, width=5))", SHOW, IMAGE),
    shows(
        "display of Markdown, LaTeX, JSON", "display(Markdown('*a*'), Latex('$x$'), JSON({'a': [1, None, 2.5]}))", SHOW
    ),
    shows(
        "display of JavaScript and SVG",
        "display(Javascript('1'), SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>'))",
        SHOW,
    ),
    shows("display of raw bytes", "display({'image/png': png, 'text/plain': 'p'}, raw=True)", SHOW, IMAGE),
    shows("publish_display_data", "publish_display_data({'text/plain': 'a', 'text/html': '<p>'})", SHOW),
    shows("an id, updated in the same cell", "display('a', display_id='i')\nupdate_display('b', display_id='i')", SHOW),
    shows("a handle, updated", "h = display('a', display_id=True)\nfor i in range(3):\n    h.update(i)\ndel h"),
    shows("an id, shown twice", "display('a', display_id='i')\nprint(1)\ndisplay('b', display_id='i')", SHOW),
    shows(
        "an id of a plain cell, updated", "update_display('b', display_id='i')", SHOW + "display('a', display_id='i')"
    ),
    shows(
        "an id of a plain cell, updated twice and more shown",
        "update_display('b', display_id='i')\nprint(1)\nupdate_display('c', display_id='i')",
        SHOW + "display('a', display_id='i')",
    ),
    shows("an id of a plain cell, shown again", "display('b', display_id='i')", SHOW + "display('a', display_id='i')"),
    shows(
        "an id that a plain cell updates later",
        "display('a', display_id='i')",
        SHOW,
        after="update_display('c', display_id='i')",
    ),
    trap(
        "an id of a task, updated by a task",
        SHOW,
        "%%task s\ns = 1\ndisplay('a', display_id='i')",
        "%%task t\nt = s\nupdate_display('b', display_id='i')",
    ),
    trap(
        "an id of a task, updated by a task that runs again",
        SHOW,
        "%%task s\ns = 1\ndisplay('a', display_id='i')",
        "%%task t\nt = s\nupdate_display('b', display_id='i')",
        edit=("'b'", "'c'"),
        reruns={"t": "code"},
    ),
    trap(
        "a handle of a task, kept",
        "%%task h\nh = display('a', display_id=True)",
        "h.update('b')",
        "%%task t\nt = 1\nh.update('c')",
        ignore=("h",),
    ),
    shows("clear_output", "print(1)\nclear_output()\nprint(2)", SHOW),
    shows("clear_output at the end", "print(1)\nclear_output()", SHOW),
    shows("clear_output(wait=True)", "print(1)\nclear_output(wait=True)\nprint(2)\ndisplay(3)", SHOW),
    shows("clear_output(wait=True) at the end", "print(1)\nclear_output(wait=True)", SHOW),
    shows("clear_output(wait=True) in a loop", "for i in range(5):\n    clear_output(wait=True)\n    print(i)", SHOW),
    shows(
        "clear_output after another cell's display was updated",
        "update_display('b', display_id='i')\nprint(1)\nclear_output()\nprint(2)",
        SHOW + "display('a', display_id='i')",
    ),
    shows(
        "an update of another cell's display before a waiting clear_output",
        "print(1)\nclear_output(wait=True)\nupdate_display('b', display_id='i')",
        SHOW + "display('a', display_id='i')",
    ),
    shows(
        "an update of what was cleared",
        "display('a', display_id='i')\nclear_output()\nupdate_display('b', display_id='i')\nprint(1)",
        SHOW,
    ),
    shows(
        "redirect_stdout",
        "o = io.StringIO()\nwith contextlib.redirect_stdout(o):\n    print(1)\ns = o.getvalue()\ndel o",
        "import contextlib, io",
    ),
    shows(
        "%%capture of a helper cell",
        "get_ipython().run_cell_magic('capture', 'got', 'print(1)\\ndisplay(2)')\ngot.show()\ns = got.stdout\ndel got",
    ),
    shows(
        "capture_output",
        "from IPython.utils.capture import capture_output\nwith capture_output() as got:\n    print(1)\n    display(2)\nprint(got.stdout)\ndel got",
    ),
    shows("a cell run in the cell", "get_ipython().run_cell('print(1)\\n2')"),
    shows("a shell command", "!echo a"),
    shows("what a shell command says, kept", "s = !echo a\nprint(list(s))\ns = list(s)"),
    shows(
        "a traceback that is printed",
        "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc(limit=0)",
    ),
    shows(
        "a traceback that IPython shows",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()",
        raises=True,
    ),
    trap(
        "a task that fails",
        "%%task t\nprint('before')\nt = 1 / 0",
        "print('after')",
        raises=True,
        reruns={"t": ""},
    ),
    shows(
        "logging by a handler of a plain cell",
        "log.info('a')",
        LOGGER,
        "log.addHandler(logging.StreamHandler())",
        ignore=("log",),
    ),
    shows("logging by the last resort", "logging.getLogger('other').warning('a')", "import logging"),
    shows(
        "logging between prints",
        "print(1)\nlog.info('a')\nprint(2)",
        LOGGER,
        "log.addHandler(logging.StreamHandler())",
        ignore=("log",),
    ),
    shows(
        "logging by a handler of the task",
        "log.addHandler(logging.StreamHandler())\nlog.info('a')",
        LOGGER,
        after="log.info('b')",
        ignore=("log",),
    ),
    shows(
        "logging.basicConfig in the task",
        "import logging\nlogging.basicConfig(level='INFO', force=True)\nlogging.info('a')",
        after="logging.info('b')",
    ),
    shows("a warning", "import warnings\nwarnings.warn('careful')"),
    shows("a warning of a helper", "h(1)", WARN),
    shows("a warning of a helper, again after the task", "h(1)", WARN, after="h(2)"),
    shows("a warning of a helper, again in a second task", "h(1)", WARN, "%%task s\ns = h(0)"),
    shows(
        "a warning of a module, again after the task", "tools.h(1)", "import tools", after="tools.h(2)", files=MODULE
    ),
    shows("a warning of a module that the task loads", "import tools\ntools.h(1)", after="tools.h(2)", files=MODULE),
    shows("a warning shown always", "h(1)\nh(2)", WARN, "warnings.simplefilter('always')", after="h(3)"),
    shows(
        "a warning shown once", "h(1)", WARN, "warnings.simplefilter('once')", after="h(2)\nwarnings.warn('careful')"
    ),
    shows(
        "a warning that is caught",
        "with warnings.catch_warnings(record=True) as found:\n    h(1)\ns = len(found)\ndel found",
        WARN,
        after="h(3)",
    ),
    shows(
        "a warning that is hidden",
        "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    h(1)",
        WARN,
        after="h(3)",
    ),
    shows("a warning of NumPy", "np.array([1.0]) / 0", "import numpy as np", after="np.array([1.0]) / 0;"),
    shows("a warning of pandas", "pd.to_datetime(['1/2/2020', 'x'], errors='coerce')", "import pandas as pd"),
    shows("an inline figure", "plt.plot([1, 2])", INLINE),
    shows("an inline figure, shown", "plt.plot([1, 2])\nprint(1)\nplt.show()\nprint(2)", INLINE),
    shows("two inline figures", "plt.figure()\nplt.plot([1, 2])\nplt.figure()\nplt.plot([2, 1])\nprint(1)", INLINE),
    shows("an inline figure, closed", "f = plt.figure()\nplt.plot([1, 2])\nplt.close(f)\ndel f", INLINE),
    shows(
        "an inline figure by display",
        "f, a = plt.subplots()\na.plot([1, 2])\ndisplay(f)\nplt.close(f)\ndel f, a",
        INLINE,
    ),
    shows(
        "an inline figure in a loop",
        "for i in range(3):\n    clear_output(wait=True)\n    plt.plot([i, 2])\n    plt.show()",
        INLINE,
        SHOW,
    ),
    shows(
        "a widget",
        "w = ipywidgets.IntProgress(max=5)\ndisplay(w)\nfor i in range(6):\n    w.value = i\ndel w",
        "import ipywidgets",
    ),
    ends("a widget as the last expression", "ipywidgets.IntSlider(value=3)", "import ipywidgets"),
    shows(
        "a box of widgets, changed",
        "b = ipywidgets.HBox([ipywidgets.Label('a')])\ndisplay(b)\nb.children[0].value = 'b'\nb.children = (*b.children, ipywidgets.HTML('c'))\ndel b",
        "import ipywidgets",
    ),
    shows(
        "a widget that is closed",
        "w = ipywidgets.IntProgress(max=5)\nprint(1)\ndisplay(w)\nw.close()\ndel w",
        "import ipywidgets",
    ),
    shows(
        "a widget of a plain cell",
        "w.value = 3",
        "import ipywidgets\nw = ipywidgets.IntProgress()\ndisplay(w)",
        reruns={"t": "'w'"},
        ignore=("w",),
    ),
    shows(
        "tqdm", "for i in tqdm(range(3), bar_format='{n}/{total}'):\n    pass", "from tqdm import tqdm", needs=("tqdm",)
    ),
    shows(
        "tqdm in a notebook",
        "for i in tqdm(range(3), bar_format='{n}/{total}'):\n    pass",
        "from tqdm.notebook import tqdm",
        needs=("tqdm",),
    ),
    shows(
        "tqdm.write",
        "for i in tqdm(range(3), bar_format='{n}/{total}'):\n    tqdm.write(str(i))",
        "from tqdm import tqdm",
        needs=("tqdm",),
    ),
    shows(
        "a progress bar of IPython",
        "for i in ProgressBar(3):\n    pass",
        SHOW,
    ),
    trap("outputs of two tasks", "%%task s\ns = 1\nprint('s')", "%%task t\nt = s\nprint('t')", "print('plain')"),
    trap(
        "a function task that prints",
        "from milepost import task\n@task\ndef t():\n    print('inside')\n    display('shown')\n    return 1",
        "print('before')\nu = t.result()\nprint('after')",
        ignore=("t",),
    ),
    trap(
        "a task in a task that prints",
        "from milepost import task\n@task\ndef s():\n    print('inner')\n    return 1",
        "%%task t\nt = s.result()\nprint('end')",
        ignore=("s",),
    ),
    trap(
        "an edit of what is shown only",
        "%%task t\nt = 1\nprint('a')",
        edit=("'a'", "'b'"),
        reruns={"t": "code"},
    ),
]
