"""What a task shows, kept as nbformat outputs in their final state: what was cleared or updated is not replayed."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from milepost.notebook.live_widgets import live_widget, without_view

Output = dict[str, Any]

Event = tuple[str, tuple[Any, ...]]
"""The name of a method of `Recorder`, and its arguments."""


class Recorder:
    """The outputs of one task, in order; what an inner task shows, the outer one shows too.

    `quiet` says that what is recorded is not shown besides: it belongs to a task in the background, or its cell shows
    it already (`shown_before`). `done` says that the body has ended: threads that it left behind are not its own any
    more.
    """

    quiet = False
    shown_before = False
    done = False

    def __init__(self, parent: Recorder | None = None) -> None:
        self._outputs: list[Output] = []
        self._parent = parent
        self.clear_next = False
        """Whether whatever is shown next takes the place of all that was shown."""
        self.values: list[Any] = []
        """What IPython keeps as `_` and in `Out`, in order."""
        if parent is not None:
            self.quiet, self.shown_before = parent.quiet, parent.shown_before

    @property
    def outputs(self) -> list[Output]:
        """The outputs as they are now."""
        return [
            output for output in map(_final, self._outputs) if output.get("data") is not None or "data" not in output
        ]

    @property
    def widgets(self) -> list[Any]:
        """The live widgets among what is shown."""
        return [output["widget"] for output in self._outputs if output.get("widget") is not None]

    def stream(self, name: str, text: str) -> None:
        """Text written to stdout or stderr."""
        if self._parent:
            self._parent.stream(name, text)
        self._make_room()
        last = self._outputs[-1] if self._outputs else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"].append(text)
        else:
            self._outputs.append({"output_type": "stream", "name": name, "text": [text]})

    def display(self, data: Output, metadata: Output | None, transient: Output | None, update: bool) -> None:
        """A display, or an update of an earlier one with the same display id."""
        if self._parent:
            self._parent.display(data, metadata, transient, update)
        identity = (transient or {}).get("display_id")
        known = [o for o in self._outputs if identity and o.get("display_id") == identity]
        for output in known:
            output.update(_bundle(data, metadata))
        if known and update:
            return
        if not update:  # one of another cell's display shows nothing here
            self._make_room()
        output = {"output_type": "update_display_data" if update else "display_data", **_bundle(data, metadata)}
        self._outputs.append({**output, "display_id": identity} if identity else output)

    def result(self, data: Output, metadata: Output | None) -> None:
        """The value of the last expression."""
        if self._parent:
            self._parent.result(data, metadata)
        self._make_room()
        self._outputs.append({"output_type": "execute_result", **_bundle(data, metadata)})

    def value(self, value: Any) -> None:
        """IPython keeps the value of an expression."""
        if self._parent:
            self._parent.value(value)
        self.values.append(value)

    def error(self, name: str, text: str, lines: Sequence[str]) -> None:
        """A traceback that was shown, though the body went on."""
        if self._parent:
            self._parent.error(name, text, lines)
        self._make_room()
        self._outputs.append({"output_type": "error", "ename": name, "evalue": text, "traceback": list(lines)})

    def clear(self, wait: bool) -> None:
        """Forget what was shown: now, or when the next output comes."""
        if self._parent:
            self._parent.clear(wait)
        self.clear_next = wait
        if not wait:
            self._clear()

    def _make_room(self) -> None:
        if self.clear_next:
            self.clear_next = False
            self._clear()

    def _clear(self) -> None:
        """What was shown here is gone; displays of other cells stay as they came to be."""
        self._outputs[:] = [output for output in self._outputs if output["output_type"] == "update_display_data"]

    def to_bytes(self) -> bytes:
        """The outputs as JSON; what JSON cannot carry is shown by its text."""
        return json.dumps(self.outputs, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")


def outputs_from_bytes(data: bytes) -> list[Output]:
    """What `Recorder.to_bytes` wrote."""
    outputs = json.loads(data.decode("utf-8", "surrogatepass"))
    return list(outputs)


def _bundle(data: Output, metadata: Output | None) -> Output:
    """What a display shows, for JSON: bytes as base64. A live widget goes with it until all is over."""
    plain = {mime: base64.b64encode(v).decode() if isinstance(v, bytes) else v for mime, v in data.items()}
    return {"data": plain, "metadata": metadata or {}, "widget": live_widget(plain)}


def _final(output: Output) -> Output:
    """An output as it is in the end, for JSON; of a widget that was closed, the data are None."""
    if output["output_type"] == "stream":
        return {**output, "text": "".join(output["text"])}
    kept = {name: item for name, item in output.items() if name != "widget"}
    return {**kept, "data": without_view(output["data"], output["widget"])} if "data" in output else kept
