"""What a cell showed, in a form in which two runs can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from milepost.checking.kernel import Ran
from milepost.notebook.recorder import Output

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,16}\b")
_TIME = re.compile(
    r"\d+(\.\d+)?(e[+-]?\d+)?\s?(ns|[uµμ]s|ms|s|secs?|seconds?|min|minutes?|h|hours?|it/s|s/it)\b"
    r"|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?|\b\d{1,2}:\d\d(:\d\d(\.\d+)?)?\b"
)
_WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True, slots=True)
class Shown:
    """By part (`stdout`, `stderr`, `error`, `output 1 as image/png` …): its text."""

    parts: dict[str, str]

    def without_times(self) -> Shown:
        """With every time and date in it made the same."""
        return Shown({part: _TIME.sub("<time>", text) for part, text in self.parts.items()})


def shown(ran: Ran) -> Shown:
    """What a cell showed: streams joined, addresses made the same, without what Milepost itself added."""
    own = [output for output in ran.outputs if "milepost" not in (output.get("metadata") or {})]
    found = {stream: _stream(own, stream) for stream in ("stdout", "stderr")}
    found["error"] = _ADDRESS.sub("0x…", ran.error)
    rich = [output for output in own if output["output_type"] != "stream"]
    for index, output in enumerate(rich, 1):
        found.update({f"output {index} as {mime}": _text(mime, data) for mime, data in output["data"].items()})
    return Shown({part: text for part, text in found.items() if text})


def _stream(outputs: Iterable[Output], name: str) -> str:
    """What is left of a stream to be seen: a progress bar writes over itself."""
    text = "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == name)
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _ADDRESS.sub("0x…", "\n".join(lines))


def _text(mime: str, data: Any) -> str:
    if mime == _WIDGET:
        return "a widget"
    text = data if isinstance(data, str) else json.dumps(data, sort_keys=True)
    return text.strip() if mime.startswith("image/") else _ADDRESS.sub("0x…", text)


def difference(old: Shown, new: Shown) -> str:
    """Where two differ, in words; "" where nowhere."""
    for part in dict.fromkeys([*old.parts, *new.parts]):
        before, after = old.parts.get(part, ""), new.parts.get(part, "")
        if before != after:
            return f"{part}: {_words(before, after)}"
    return ""


def _words(before: str, after: str) -> str:
    if not before or not after:
        return "it is not there" if before else f"it was not there before: {_cut(after)}"
    if len(before) > 100_000 or len(after) > 100_000 or "\n" not in before + after:
        return "it differs" if max(len(before), len(after)) > 400 else f"{_cut(before)} → {_cut(after)}"
    old, new = before.split("\n"), after.split("\n")
    pairs = zip([*old, *[""] * len(new)], [*new, *[""] * len(old)], strict=False)
    line, (left, right) = next((i, pair) for i, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return f"line {line}: {_cut(left)} → {_cut(right)}"


def _cut(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")
