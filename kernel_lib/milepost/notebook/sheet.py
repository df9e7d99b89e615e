"""All that is known of one task, for the sheet that a page opens: data for people, each text of bounded length."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from milepost.checkpoint.local import LocalStore
from milepost.model.errors import MilepostError, StoreError
from milepost.model.reasons import ReasonKind
from milepost.model.record import RETURN, Input, Record
from milepost.model.result import TaskResult
from milepost.model.states import BUSY, TaskState
from milepost.model.view import TaskView
from milepost.notebook.body import cell_trace
from milepost.notebook.checkpoints import DISPLAY
from milepost.notebook.facts import Facts
from milepost.notebook.ledger import Ledger
from milepost.notebook.namespace import Namespace
from milepost.notebook.preview import preview

LONGEST = 20_000
"""Characters of one text."""
MOST = 100
"""Inputs, and outputs, that are listed."""
VERSIONS = 20
DISPLAY_BYTES = 1 << 20
"""Of what a cell showed, more is not read for this."""


class Desk(Protocol):
    """What it needs of the session."""

    shell: Any
    namespace: Namespace
    ledger: Ledger

    @property
    def store(self) -> LocalStore: ...
    def fact_table(self) -> dict[str, Facts]: ...
    def has_cell(self, name: str) -> bool: ...


def sheet(desk: Desk, name: str, view: TaskView) -> dict[str, Any]:
    """The sheet of a task; runs nothing, and loads no value that is not loaded."""
    facts, history = desk.fact_table().get(name), _history(desk, name)
    record = (facts.record if facts else None) or (history[0] if history else None)
    return {
        "task": view.to_json(),
        "code": cut(facts.definition.source if facts else (record.code if record else "")),
        "inputs": [_input(item) for item in _inputs(desk, facts, record)[:MOST]],
        "outputs": _outputs(desk, view, facts, record)[:MOST],
        "shown": cut(_shown(desk, record)),
        "traceback": cut(_traceback(desk.shell, facts.result) if facts else ""),
        "history": [_version(version) for version in history[:VERSIONS]],
        "peak_bytes": record.peak_bytes if record else 0,
        "can": actions(desk, name, view, trusted=all(v.trusted for v in history), once=any(v.once for v in history)),
    }


def actions(desk: Desk, name: str, view: TaskView, *, trusted: bool = True, once: bool = False) -> list[str]:
    """What can be asked for now; `once`: of a task that happens once."""
    elsewhere = view.why is not None and view.why.kind is ReasonKind.ELSEWHERE
    busy, doubt = view.state in BUSY or view.background, view.state is TaskState.IN_DOUBT
    offered = {
        "run": not (busy or doubt) and desk.has_cell(name),
        "cancel": busy and not elsewhere,
        "forget": not (busy or doubt or once),  # what happens once is not one click from happening again
        "trust": not trusted,
        "done": doubt,
        "rerun": doubt,
    }
    return [action for action, there in offered.items() if there]


def cut(text: str) -> str:
    """As much as a sheet holds: the beginning and the end."""
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n… {len(text) - LONGEST:,} characters are left out here …\n{text[-half:]}"


def _history(desk: Desk, name: str) -> Sequence[Record]:
    try:
        return desk.store.history(name)
    except StoreError:
        return ()


def _inputs(desk: Desk, facts: Facts | None, record: Record | None) -> list[Input]:
    """Those of its last result; before there is one, what its code reads."""
    if record is not None:
        return [*record.inputs, *record.observed]
    producers = {name: known.task for name, known in list(desk.ledger.known.items())}
    reads = facts.definition.reads if facts else ()
    return [Input(name=name, kind="", digest="", source=producers.get(name, "")) for name in reads]


def _input(item: Input) -> dict[str, str]:
    return {"name": cut(item.name), "kind": item.kind, "source": item.source, "text": item.text[:300]}


def _outputs(desk: Desk, view: TaskView, facts: Facts | None, record: Record | None) -> list[dict[str, str]]:
    """Names with what they hold now, as far as this task left it."""
    kept = {output.name: output for output in (facts.outputs if facts else record.outputs if record else ())}
    rows = []
    for name in [*view.outputs, *([RETURN] if RETURN in kept else [])]:
        known, output = desk.ledger.known.get(name), kept.get(name)
        there = known is not None and known.task == view.name and name in desk.namespace.data
        value = preview(desk.namespace.data[name]) if there else ""
        if name == RETURN and facts is not None and facts.result is not None and facts.result.ok:
            value = preview(facts.result.data)
        rows.append(
            {
                "name": "its result" if name == RETURN else name,
                "type": output.type if output else "",
                "text": value,
                "unsaved": output.unsaved[:300] if output else "",
            }
        )
    return rows


def _shown(desk: Desk, record: Record | None) -> str:
    """What its cell showed, as far as that is text."""
    blob = record.blobs.get(DISPLAY) if record is not None and record.trusted else None
    if record is None or blob is None or blob.nbytes > DISPLAY_BYTES:
        return ""
    try:
        shown = json.loads(bytes(desk.store.open(record, DISPLAY).stream))
    except (MilepostError, ValueError):
        return ""
    return "".join(_texts(shown))


def _texts(shown: Iterable[Any]) -> Iterable[str]:
    for output in shown:
        if output.get("output_type") == "stream":
            yield str(output.get("text", ""))
        elif output.get("output_type") == "error":
            yield "\n".join(map(str, output.get("traceback", ()))) + "\n"
        else:
            yield f"{(output.get('data') or {}).get('text/plain', '')}\n"


def _traceback(shell: Any, result: TaskResult | None) -> str:
    """Where it failed, in the cell's own lines."""
    if result is None or result.ok or result.error is None:
        return ""
    if result.exception is None or result.exception.__traceback__ is None:
        return result.error.traceback
    called = getattr(shell.compile, "_filename_map", {})
    frames = [
        traceback.FrameSummary(_called(f.filename, called), f.lineno, f.name, line=f.line)
        for f in _of_the_body(traceback.extract_tb(cell_trace(shell, result.exception.__traceback__)))
    ]
    lines = traceback.StackSummary.from_list(frames).format()
    return "".join(["Traceback (most recent call last):\n", *lines, str(result.error)])


def _of_the_body(frames: Sequence[traceback.FrameSummary]) -> Sequence[traceback.FrameSummary]:
    """Without those above the body: of the cell that holds the magic, and of IPython, which runs both."""
    above = [n for n, f in enumerate(frames) if f.name == "run_cell_magic"]
    return frames[above[0] + 1 :] or frames if above else frames


def _called(filename: str, called: Mapping[str, int]) -> str:
    return f"Cell In[{called[filename]}]" if filename in called else filename


def _version(record: Record) -> dict[str, Any]:
    return {
        "saved_at": record.saved_at,
        "seconds": record.seconds,
        "bytes": record.nbytes,
        "why": record.why.text[:300] if record.why else "",
        "trusted": record.trusted,
        "durable": record.durable,
    }
