"""When a saved result is valid now, and what to say when it is not."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Container, Iterable, Mapping

from milepost.analysis.code import digest_text
from milepost.model.reasons import Reason, ReasonKind
from milepost.model.record import Input, Record

KEY_FORMAT = "1"
"""Raised when what a key is made of changes, so that older results do not count as valid."""

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def task_key(name: str, code_digest: str, inputs: Mapping[str, Input]) -> str:
    """The fingerprint of a task: name, code, Python's minor version and every input that counts."""
    parts = [KEY_FORMAT, PYTHON, name, code_digest]
    for label in sorted(inputs):
        item = inputs[label]
        parts += [label, "" if item.kind in {"task", "value"} else item.kind, item.digest]
    return digest_text(*parts)


def explain(source: str, inputs: Mapping[str, Input], newest: Record | None, ran: Container[str] = ()) -> Reason:
    """Why a task with this code has no valid result: what differs from the newest one saved.

    `ran` are tasks that ran again.
    """
    if newest is None:
        return Reason(ReasonKind.FIRST_RUN, "no result of it was saved before")
    code = _lines(newest.code, source) if newest.code != source else []
    changed = list(_changed(newest, inputs))
    details = (*code, *(line for name in changed for line in _input_lines(newest, inputs, name)))
    if code:
        return Reason(ReasonKind.CODE_CHANGED, _sentence("its code changed", changed), details)
    upstream = [name for name in changed if name in inputs and inputs[name].source in ran]
    if upstream:
        tasks = ", ".join(dict.fromkeys(repr(inputs[name].source) for name in upstream))
        return Reason(ReasonKind.UPSTREAM_RAN, f"{tasks} ran again and gave another {_listed(upstream)}", details)
    if changed:
        return Reason(ReasonKind.INPUT_CHANGED, f"input {_listed(changed)} changed", details)
    if newest.extra.get("python") not in (None, PYTHON):
        return Reason(ReasonKind.INPUT_CHANGED, f"it was saved by Python {newest.extra['python']}, this is {PYTHON}")
    return Reason(ReasonKind.CODE_CHANGED, "its code or what it shows changed")


def package_changes(record: Record, inputs: Mapping[str, Input]) -> list[str]:
    """Installed packages whose version is another than when the record was saved: noted, not decisive."""
    then = {item.name: item.text for item in record.inputs if item.kind == "package"}
    now = {name: item.text for name, item in inputs.items() if item.kind == "package"}
    return sorted({f"{then[name]} → {now[name]}" for name in then if name in now and then[name] != now[name]})


def _changed(record: Record, inputs: Mapping[str, Input]) -> Iterable[str]:
    before = saved_inputs(record)
    for name in dict.fromkeys((*before, *inputs)):
        then, now = before.get(name), inputs.get(name)
        if "package" in {item.kind for item in (then, now) if item} and (then is None or now is None):
            continue
        if then is None or now is None or then.digest != now.digest:
            yield name


def saved_inputs(record: Record) -> dict[str, Input]:
    """A record's inputs by the key under which they were resolved."""
    return {f"file {i.name}" if i.kind == "file" else i.name: i for i in record.inputs}


def _input_lines(record: Record, inputs: Mapping[str, Input], name: str) -> list[str]:
    then, now = saved_inputs(record).get(name), inputs.get(name)
    if then is None or now is None:
        return [f"{name}: {'new' if then is None else 'no longer read'}"]
    if "\n" in then.text + now.text and then.text != now.text:
        return [f"{name}: code changed", *_lines(then.text, now.text)]
    words = f"{then.text} → {now.text}" if then.text != now.text else f"another {now.text or 'content'}"
    return [f"{name}: {words}"]


def _lines(before: str, after: str) -> list[str]:
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in diff if not line.startswith(("---", "+++", "@@"))]


def _sentence(text: str, changed: list[str]) -> str:
    return f"{text}, and so did input {_listed(changed)}" if changed else text


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
