"""One kernel of a row, in a process forked from the server: runs cells and tells what came of each."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fidelity.describe import described
from tests.fidelity.shell import Page, Shell, run_cell, stamps

Report = Callable[[dict[str, Any]], None]


def run_session(shell: Shell, order: dict[str, Any], report: Report) -> None:
    """Run the cells of an order; with a store beside the notebook where it asks for that."""
    os.chdir(order["folder"])
    sys.path.insert(0, "")
    os.environ.update(order["env"])
    _unseed()
    session = _load(shell) if order["store"] else None
    _hide_tests()
    exec(order["sabotage"], {"__name__": "sabotage"})
    page = Page()
    for cell in order["cells"]:
        if isinstance(cell, list):
            write(Path(cell[0]), cell[1])
            continue
        before = _results(session)
        shown = run_cell(shell, cell)
        page.add(shown)
        report({"cell": cell, "stamps": stamps(shown), "tasks": _settled(session, before)})
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    report({"values": described(_variables(shell, order)), "shown": page.seen()})


def _hide_tests() -> None:
    """What the table is made of is no module of the notebook's project."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]


def _unseed() -> None:
    """A kernel's generators start somewhere else than the last one's; forks would all start at the same place."""
    random.seed()
    sys.modules["numpy"].random.seed()


def _load(shell: Shell) -> Any:
    from milepost.notebook.extension import load

    load(shell)
    return shell._milepost_extension.session


def write(path: Path, text: str | None) -> None:
    """Write a file, or remove it. Its time moves on, as if a person had taken some seconds."""
    before = path.stat().st_mtime if path.exists() else None
    if text is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if before is not None:
        os.utime(path, (before + 10, before + 10))


def _results(session: Any) -> dict[str, Any]:
    return {facts.definition.name: facts.result for facts in session.all_facts()} if session else {}


def _settled(session: Any, before: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks that came to something in the cell that just ran."""
    facts = [f for f in session.all_facts() if f.result is not before.get(f.definition.name)] if session else []
    return [
        {
            "name": one.definition.name,
            "restored": bool(one.result and one.result.restored),
            "why": f"{one.why.text}" if one.why else "",
            "unsaved": one.unsaved,
        }
        for one in facts
    ]


def _variables(shell: Shell, order: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same: the notebook's variables, and what the expressions come to."""
    data = shell.user_ns
    hidden = shell.user_ns_hidden
    own = [n for n in data if not n.startswith("_") and n not in order["ignore"] and hidden.get(n, ...) is not data[n]]
    named = [name for name in own if name not in ("In", "Out")] if order["all_names"] else []
    return {**{name: data[name] for name in named}, **{f"({text})": _value(text, data) for text in order["same"]}}


def _value(text: str, data: dict[str, Any]) -> Any:
    try:
        return eval(text, data)
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"


def report_to(number: int) -> Report:
    """Tell by lines of JSON in a pipe."""

    def report(what: dict[str, Any]) -> None:
        data = json.dumps(what).encode() + b"\n"
        while data:
            data = data[os.write(number, data) :]

    return report
