"""What the live graph costs a page: real JupyterLab, a real browser, a kernel with many tasks.

    python tests/benchmarks/face.py [--quick] [thousand] [five_thousand] [mapped]

The bars: 1,000 tasks are painted 1.5 s after `%tasks`; a change of a tenth of them blocks the page for at most 50 ms;
under 10,000 changes in 10 s fewer than 30 messages a second come, the page draws more than 50 frames a second, and
shows the last state in the end; 5,000 tasks never block the page for more than a second.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from report import Bar, at_least, at_most, table, verdict

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

QUICK = "--quick" in sys.argv
SECONDS = 2 if QUICK else 10
CHANGES = 1_000 * SECONDS
TENTHS = 3 if QUICK else 20

SETUP = f"""import json, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from face_tasks import Tasks"""
MAPPED = """%load_ext milepost
from milepost import task
import time
@task
def work(x): time.sleep(0.005); return x
parts = work.map(range(1000))"""

FRAMES = """() => {
  const seen = window.milepostFrames = {times: [], on: true};
  const tick = time => { seen.times.push(time); if (seen.on) { requestAnimationFrame(tick); } };
  requestAnimationFrame(tick);
}"""
"""Begin to note when the page draws."""
STOP = "() => { window.milepostFrames.on = false; return window.milepostFrames.times; }"

PAINT = """([command, selector]) => new Promise(done => {
  const begin = performance.now();
  void window.jupyterapp.commands.execute(command);
  const look = () => {
    if (document.querySelector(selector)) {
      requestAnimationFrame(() => { setTimeout(() => { done(performance.now() - begin); }); });
    } else { requestAnimationFrame(look); }
  };
  look();
})"""
"""Run the cell that is chosen, and measure until what it shows has been painted."""

SHOWN = """() => Object.fromEntries([...document.querySelectorAll('.milepost-node')].map(
  node => [node.querySelector('.milepost-name').textContent, node.dataset.state]))"""
"""The state that each box shows."""
SAID = "() => document.querySelector('.milepost-totals').textContent"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was seen while something happened: frames a second, the waits between two (ms, the longest
    first), messages a second."""

    frames: float
    waits: list[float]
    messages: float

    @property
    def longest(self) -> float:
        return self.waits[0]


class Face:
    """One page, and the messages of comms that came to it."""

    def __init__(self, browser: Any, lab: Any) -> None:
        from tests.browser.lab import NotebookPage

        self.lab = lab
        self.messages = 0
        self.page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
        self.page.on("websocket", lambda socket: socket.on("framereceived", self._count))
        self.nb = NotebookPage(self.page, lab)

    def _count(self, frame: str | bytes) -> None:
        self.messages += b'"comm_msg"' in (frame if isinstance(frame, bytes) else frame.encode())

    def open(self, name: str, cells: list[str]) -> None:
        """A new notebook, with its kernel."""
        from tests.browser.lab import notebook

        notebook(self.lab.root / name, cells)
        self.nb.open(name)

    def paint(self, cell: int, selector: str) -> float:
        """Milliseconds from running a cell until what it shows has been painted."""
        self.nb.select(cell)
        took = float(self.page.evaluate(PAINT, ["notebook:run-cell", selector]))
        self.nb.idle()
        return took

    @contextmanager
    def watched(self) -> Iterator[list[Drawn]]:
        """Count frames and messages; the list holds what was seen, in the end."""
        seen: list[Drawn] = []
        messages, begin = self.messages, time.monotonic()
        self.page.evaluate(FRAMES)
        yield seen
        spent = time.monotonic() - begin
        times = self.page.evaluate(STOP)
        waits = [b - a for a, b in itertools.pairwise(times)]
        rate = 1000 * len(waits) / (times[-1] - times[0])
        seen.append(Drawn(rate, sorted(waits, reverse=True), (self.messages - messages) / spent))

    def run(self, source: str, cell: int) -> str:
        """What a cell prints."""
        self.nb.edit(cell, source)
        self.nb.run_cell(cell)
        return self.nb.text(cell)

    def settled(self) -> None:
        """Wait until no more messages come: what the kernel had to say has been drawn."""
        last = -1
        while last != self.messages:
            last = self.messages
            self.page.wait_for_timeout(500)


def tenths(face: Face, count: int = 100) -> list[float]:
    """The longest waits between two frames, the longest first, one for each change of `count` of the tasks at once."""
    face.run(f"tasks.beat({TENTHS}, {count}, 0.5)", 2)
    with face.watched() as seen:
        face.page.wait_for_timeout(500 * (TENTHS + 1))
    return seen[0].waits[:TENTHS]


def thousand(face: Face) -> list[Bar]:
    """1,000 boxes."""
    face.open("thousand.ipynb", [SETUP, "tasks = Tasks(1000); tasks.widget.show()", "", ""])
    face.nb.run_cell(0)
    first = face.paint(1, ".milepost-node[data-state='pending']")
    waits = tenths(face)
    idle = tenths(face, 0)
    face.nb.edit(2, f"tasks.flood({CHANGES}, {SECONDS})")
    face.nb.select(2)
    with face.watched() as flood:
        face.nb.run_cell(2, timeout=SECONDS * 4)
    face.settled()
    face.page.get_by_role("button", name="Fit").click()
    far = tenths(face)
    told = json.loads(face.run("print(json.dumps(tasks.states()))", 3))
    right = face.page.evaluate(SHOWN) == told
    rows = [
        ("a tenth changes: longest wait between frames, ms", f"{median(waits):.0f} (worst {max(waits):.0f})"),
        ("the same with all tasks in view", f"{median(far):.0f} (worst {max(far):.0f})"),
        ("the same where nothing changes", f"{median(idle):.0f} (worst {max(idle):.0f})"),
        (f"{CHANGES:,} changes in {SECONDS} s: longest wait between frames, ms", f"{flood[0].longest:.0f}"),
    ]
    table("1,000 tasks", ("what", "measured"), rows)
    return [
        at_most("1,000 tasks: first paint after the cell is run", first / 1000, 1.5, "s"),
        at_most("1,000 tasks: a tenth changes, longest frame at the median", median(waits), 50, "ms"),
        at_most(f"{CHANGES:,} changes in {SECONDS} s: messages a second", flood[0].messages, 30, ""),
        at_least(f"{CHANGES:,} changes in {SECONDS} s: frames a second", flood[0].frames, 50, ""),
        Bar("the last state is right", "yes", "yes" if right else "no", right),
    ]


def five_thousand(face: Face) -> list[Bar]:
    """5,000 tasks, in groups."""
    face.open("five.ipynb", [SETUP, "tasks = Tasks(5000); tasks.widget.show()", "", ""])
    face.nb.run_cell(0)
    with face.watched() as shown:
        first = face.paint(1, ".milepost-node[data-state='pending']")
        face.settled()
    face.nb.edit(2, f"tasks.flood({CHANGES}, {SECONDS})")
    face.nb.select(2)
    with face.watched() as flood:
        face.nb.run_cell(2, timeout=SECONDS * 4)
    face.settled()
    with face.watched() as used:
        face.page.locator(".milepost-node").first.click()
        face.page.locator(".milepost-group li").first.wait_for()
        face.page.get_by_role("searchbox").fill("task_4999")
        face.page.keyboard.press("Enter")
        face.page.locator(".milepost-current").wait_for()
    table(
        "5,000 tasks",
        ("what", "first paint", "changes", "opening a group and searching"),
        [("longest wait between frames, ms", *(f"{seen[0].longest:.0f}" for seen in (shown, flood, used)))],
    )
    longest = max(seen[0].longest for seen in (shown, flood, used)) / 1000
    return [
        at_most("5,000 tasks: first paint after the cell is run", first / 1000, 5, "s"),
        at_most("5,000 tasks: longest freeze", longest, 1, "s"),
    ]


def mapped(face: Face) -> list[Bar]:
    """A real session: 1,000 items of a map, run side by side, with the badges' comm beside the widget's."""
    face.open("mapped.ipynb", [MAPPED, "%tasks", "values = parts.results()", "%tasks status --json"])
    face.nb.run_cell(0)
    first = face.paint(1, ".milepost-node[data-state='pending']")
    face.nb.select(2)
    with face.watched() as ran:
        face.nb.run_cell(2, timeout=120)
    face.settled()
    face.nb.run_cell(3)
    rows = json.loads(face.nb.text(3))
    face.page.get_by_role("button", name="Fit").click()
    done = sum(row["state"] == "success" for row in rows)
    shown = list(face.page.evaluate(SHOWN).values()).count("success")
    return [
        at_most("%tasks with a map of 1,000 items: first paint", first / 1000, 1.5, "s"),
        at_most("running the map: messages a second", ran[0].messages, 30, ""),
        at_least("running the map: frames a second", ran[0].frames, 50, ""),
        Bar("the last state is right", f"{done} success", f"{shown} success", shown == done == 1000),
    ]


CHOSEN = [each for each in (thousand, five_thousand, mapped) if each.__name__ in sys.argv]


def main() -> None:
    """Measure all, and say which bars are met."""
    from playwright.sync_api import sync_playwright
    from tests.browser.lab import launch, running_lab

    bars = []
    with (
        tempfile.TemporaryDirectory() as home,
        sync_playwright() as playwright,
        running_lab(Path(home) / "notebooks", Path(home) / "home") as lab,
    ):
        browser = launch(playwright)
        for measure in CHOSEN or (thousand, five_thousand, mapped):
            bars += measure(Face(browser, lab))
        browser.close()
    sys.exit(0 if verdict(bars) or QUICK else 1)


if __name__ == "__main__":
    main()
