"""What digesting takes beside the cells' own time, where every cell counts as a task, in notebooks that you name.

    python tests/benchmarks/digesting.py NOTEBOOK...

Each runs in a kernel of its own, in a copy of its folder, with `%tasks auto on`; what a cell raises does not matter.
Seconds are those of the processor in the main thread, so that a busy machine hits both alike. The bar: over all, at
most 5 %. `digest` is hashing and comparing content; `before` and `after` are all that is done around a cell, with what
is digested, and without saving.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import thread_time
from typing import Any

from report import at_most, table, verdict

KEYS = ("body", "digest", "before", "after")
SET_UP = (
    "%load_ext milepost\n%tasks auto on\n"
    "__import__('sys').path.append({folder!r}); __import__('digesting').measure(); __import__('sys').path.pop()"
)
TELL = "__import__('digesting').tell({file!r})"

seconds = dict.fromkeys(KEYS, 0.0)


def main(notebooks: list[Path]) -> int:
    """Measure each, print; 0 when the bar is met, else 1."""
    found = {path: run(path) for path in notebooks}
    rows = [(path.name, *(f"{took[key]:.3f}" for key in KEYS), _share(took)) for path, took in found.items()]
    total = {key: sum(took[key] for took in found.values()) for key in KEYS}
    table("Seconds", ("notebook", *KEYS, "digest of body"), [*rows, ("all", *(f"{total[k]:.2f}" for k in KEYS), "")])
    bar = at_most("digesting, of the cells' own time", total["digest"] / total["body"] * 100, 5, "%")
    return 0 if verdict([bar]) else 1


def _share(took: dict[str, float]) -> str:
    return f"{took['digest'] / took['body'] * 100:.1f} %" if took["body"] else ""


def run(notebook: Path) -> dict[str, float]:
    """The seconds of one notebook."""
    import nbformat
    from jupyter_client.manager import start_new_kernel

    cells = nbformat.read(notebook, 4).cells  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as top:
        folder, out = Path(top) / "work", Path(top) / "seconds.json"
        shutil.copytree(notebook.parent, folder, ignore=shutil.ignore_patterns("*.milepost"))
        os.environ["JPY_SESSION_NAME"] = str(folder / notebook.name)
        manager, client = start_new_kernel(cwd=str(folder))
        sources = [cell.source for cell in cells if cell.cell_type == "code"]
        here = str(Path(__file__).parent)
        for source in (SET_UP.format(folder=here), *sources, TELL.format(file=str(out))):
            client.execute_interactive(source, output_hook=lambda message: None, allow_stdin=False, timeout=900)
        manager.shutdown_kernel(now=True)
        return dict(json.loads(out.read_text()))


# in the kernel


def measure() -> None:
    """Have the time be taken from now on."""
    from milepost.analysis import digest
    from milepost.notebook.auto.stage import AutoStage

    take(AutoStage, "find", "before")
    take(AutoStage, "left_after", "after")
    follow = AutoStage.follow

    async def followed(self: AutoStage, plan: Any, body: Callable[[], Awaitable[Any]]) -> Any:
        async def timed() -> Any:
            began = thread_time()
            try:
                return await body()
            finally:
                seconds["body"] += thread_time() - began

        return await follow(self, plan, timed)

    AutoStage.follow = followed  # type: ignore[method-assign]
    plain = digest.digest
    for name, module in list(sys.modules.items()):
        if name.startswith("milepost.") and getattr(module, "digest", None) is plain:
            take(module, "digest", "digest")


def take(owner: Any, name: str, key: str) -> None:
    """Add to `key` what a function takes, but for calls within a call."""
    function, within = getattr(owner, name), []

    @functools.wraps(function)
    def timed(*args: Any, **kwargs: Any) -> Any:
        if within:
            return function(*args, **kwargs)
        within.append(True)
        began = thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            seconds[key] += thread_time() - began
            within.clear()

    setattr(owner, name, timed)


def tell(file: str) -> None:
    """Write what was measured."""
    Path(file).write_text(json.dumps(seconds))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("name the notebooks to measure")
    sys.exit(main([Path(name).resolve() for name in sys.argv[1:]]))
