"""How soon each button is answered while the kernel is busy: real JupyterLab, a real browser.

    python tests/benchmarks/buttons.py [--quick] [--python PATH ...]

The kernel runs in each PATH (this Python, where none is given), which needs Milepost's dependencies; its ipykernel
is what counts. Measured in the page, from the click until it shows what the kernel answered. "Restore" is the bar
above a notebook whose kernel was restarted: it answers as soon as the cells are queued, "[*]".

The bar: 100 ms at the median and 500 ms at worst, for each button, while the kernel is busy in Python, in C
(`time.sleep`) and in one long call of NumPy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from report import Bar, table, verdict

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

MEDIAN, WORST = 100, 500
ROUNDS, RESTARTS = 8, 3

BUSY = {
    "Python": "while not os.path.exists('over'): sum(number * number for number in range(1000))",
    "time.sleep": "time.sleep(60)",
    "NumPy": "numpy.linalg.svd(matrix)",
}
PREPARE = """import ipykernel, os, time, numpy
begin = time.perf_counter(); numpy.linalg.svd(numpy.random.rand(600, 600))
size = int(600 * (8 / (time.perf_counter() - begin)) ** (1 / 3))  # some 8 s
matrix = numpy.random.rand(min(size, 3000), min(size, 3000))
print(ipykernel.__version__)"""
MARK = "open('begun', 'w').close()"
PARTS = """import time
from milepost import task
@task
def {name}(x): time.sleep(0.05); return x
values = {name}.map(range({count})).results()"""

LOAD, TASKS, FOREIGN, KEPT, SETUP, NEEDED, AGAIN, SLOW, BUSY_TASK, BUSY_CELL = range(10)


def cells(how: str, rounds: int) -> list[str]:
    """A notebook with something for each button."""
    return [
        "%load_ext milepost",
        "%tasks",
        PARTS.format(name="foreign", count=rounds),
        PARTS.format(name="kept", count=rounds),
        PREPARE,
        "%%task needed\nneeded = 1",
        "%%task again\nagain = needed + 1",
        "%%task slow --bg\nimport time as clock\nwhile True: clock.sleep(0.005)",
        f"%%task busy --force --in matrix\n{MARK}\n{BUSY[how]}",
        f"{MARK}\n{BUSY[how]}",
    ]


@dataclass
class Measured:
    """Milliseconds, by button."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def bars(self, about: str) -> list[Bar]:
        """Of the button that took longest."""
        middle, middle_of = max((median(waits), button) for button, waits in self.waits.items())
        worst, worst_of = max((max(waits), button) for button, waits in self.waits.items())
        return [
            Bar(f"{about}: median", f"≤ {MEDIAN} ms", f"{middle:.0f} ms ({middle_of})", middle <= MEDIAN),
            Bar(f"{about}: worst", f"≤ {WORST} ms", f"{worst:.0f} ms ({worst_of})", worst <= WORST),
        ]


class Clicker:
    """One notebook in one page."""

    def __init__(self, nb: Any, folder: Path, name: str) -> None:
        self.nb, self.folder, self.name = nb, folder, name
        self.out = nb.outputs(TASKS)
        self.measured = Measured()

    def open(self) -> None:
        """With a kernel in which results of another user are found, and the widget is shown."""
        self.nb.open(self.name)
        for cell in (LOAD, FOREIGN):
            self.nb.run_cell(cell)
        next(self.nb.server.home.rglob("*milepost*/*key*")).unlink()
        self.nb.restart()
        for cell in (LOAD, TASKS, KEPT, SETUP, NEEDED, AGAIN):
            self.nb.run_cell(cell)

    def busy(self, cell: int) -> None:
        """Run a cell, until it is in its long call."""
        (self.folder / "begun").unlink(missing_ok=True)
        self.nb.run_cell(cell, wait=False)
        deadline = time.monotonic() + 20
        while not (self.folder / "begun").exists():
            self.nb.page.wait_for_timeout(20)
            if time.monotonic() > deadline:
                raise RuntimeError(f"the cell did not begin: {self.nb.text(cell)}")
        self.nb.page.wait_for_timeout(150)  # the first call of the loop, and what the page has to draw

    def choose(self, task: str) -> None:
        """Open a task's sheet."""
        heading = self.out.locator(".milepost-details h4")
        if heading.count() == 0 or not heading.is_visible() or heading.inner_text() != task:
            self.out.locator(f".milepost-node[aria-label^='{task}: ']").dispatch_event("click")
            self.out.locator(".milepost-details h4", has_text=task).wait_for()

    def click(self, name: str, button: Any, selector: str, text: str) -> None:
        """Click, and note how long it takes until an element says something."""
        from tests.browser.lab import seconds_until

        button.wait_for()
        self.measured.waits[name].append(1000 * seconds_until(self.nb, selector, text, button))

    def head(self, name: str, selector: str, text: str) -> None:
        """A button above the graph."""
        self.click(name, self.out.locator(f".milepost-buttons .milepost-{name.lower()}"), selector, text)

    def sheet(self, task: str, name: str, selector: str, text: str) -> None:
        """A button of a task's sheet."""
        self.choose(task)
        button = self.out.locator(".milepost-actions").get_by_role("button", name=name, exact=True)
        self.click(name, button, selector, text)

    def round(self, number: int) -> None:
        """Each button once, while a task runs."""
        self.nb.run_cell(SLOW)
        self.busy(BUSY_TASK)
        said = ".milepost-news"
        self.head("Pause", "button.milepost-pause", "Pausing")
        self.head("Resume", "button.milepost-pause:not([aria-label='Pausing…'])", "Pause")
        self.head("Run", said, "run: as soon")
        self.sheet(f"kept[{number}]", "Forget", said, "forget: as soon")
        self.sheet("again", "Run again", said, "run: as soon")
        self.sheet(f"foreign[{number}]", "Trust", said, "trust: as soon")
        self.sheet("again", "Run with all it needs", said, "run: as soon")
        self.sheet("slow", "Cancel this task", ".milepost-cancel-task:is(:disabled, [hidden])", "")
        self.head("Cancel", "button.milepost-cancel:disabled", "Cancel")
        self.nb.idle()

    def restore(self) -> None:
        """The bar above the notebook, while a plain cell of a new kernel runs."""
        self.nb.restart()
        self.nb.run_cell(LOAD)
        self.nb.run_cell(SETUP)
        self.busy(BUSY_CELL)
        offer = self.nb.panel.locator(".milepost-restore")
        self.click("Restore", offer, f".jp-Cell:nth-child({NEEDED + 1}) .jp-InputArea-prompt", "[*]")
        (self.folder / "over").touch()
        if "sleep" in self.name:
            self.nb.command("notebook:interrupt-kernel")
        self.nb.idle()
        (self.folder / "over").unlink()


def use_python(specs: Path, python: str) -> str:
    """Have kernels started with a Python; the version of its ipykernel."""
    spec = specs / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    command = [python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    path = {"PYTHONPATH": str(ROOT / "kernel_lib")}
    spec.write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python", "env": path}))
    version = [python, "-c", "import ipykernel; print(ipykernel.__version__)"]
    return subprocess.run(version, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def page(browser: Any, lab: Any) -> Iterator[Any]:
    """A fresh page."""
    from tests.browser.lab import NotebookPage

    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    yield NotebookPage(context.new_page(), lab)
    context.close()


def measure(browser: Any, lab: Any, version: str, how: str, rounds: int, restarts: int) -> Measured:
    """One kernel, busy in one way."""
    from tests.browser.lab import notebook

    folder = lab.root / f"{version} {how}".replace(".", "-").replace(" ", "-")
    folder.mkdir()
    name = f"{how.replace('.', '-')}.ipynb"
    notebook(folder / name, cells(how, rounds))
    with page(browser, lab) as nb:
        clicker = Clicker(nb, folder, f"{folder.name}/{name}")
        clicker.open()
        assert nb.text(SETUP) == version, "the kernel is of another Python"
        for number in range(rounds):
            clicker.round(number)
        nb.save()
        for _ in range(restarts):
            clicker.restore()
    return clicker.measured


def measure_all(home: str, pythons: list[str], rounds: int, restarts: int) -> list[Bar]:
    """Each Python, busy in each way."""
    from playwright.sync_api import sync_playwright
    from tests.browser.lab import launch, running_lab

    bars: list[Bar] = []
    specs = Path(home) / "specs"
    before = os.pathsep.join(filter(None, [str(specs), os.environ.get("JUPYTER_PATH")]))
    with (
        sync_playwright() as playwright,
        running_lab(Path(home) / "notebooks", Path(home) / "home", env={"JUPYTER_PATH": before}) as lab,
    ):
        browser = launch(playwright)
        for python in pythons:
            version = use_python(specs, python)
            found = {how: measure(browser, lab, version, how, rounds, restarts) for how in BUSY}
            table(f"ipykernel {version}: ms at the median, at worst", ("busy in", *found), rows(found))
            bars += [bar for how, each in found.items() for bar in each.bars(f"ipykernel {version}, {how}")]
        browser.close()
    return bars


def rows(found: dict[str, Measured]) -> list[tuple[str, ...]]:
    """A line for each button."""
    buttons = dict.fromkeys(button for each in found.values() for button in each.waits)
    waits = {button: [each.waits[button] for each in found.values()] for button in buttons}
    return [(b, *(f"{median(times):.0f}, {max(times):.0f}" for times in waits[b])) for b in buttons]


def main() -> None:
    """Measure all, and say which bars are met."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one click of each")
    parser.add_argument(
        "--python", action="append", default=[], type=os.path.abspath, metavar="PATH", help="the Python of the kernel"
    )
    chosen = parser.parse_args()
    rounds, restarts = (1, 1) if chosen.quick else (ROUNDS, RESTARTS)
    with tempfile.TemporaryDirectory() as home:
        met = verdict(measure_all(home, chosen.python or [sys.executable], rounds, restarts))
    sys.exit(0 if met or chosen.quick else 1)


if __name__ == "__main__":
    main()
