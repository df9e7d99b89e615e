"""What a task shows, kept as nbformat outputs in their final state: what was cleared or updated is not replayed."""

from __future__ import annotations

import base64
import json
from typing import Any

Output = dict[str, Any]

Event = tuple[str, tuple[Any, ...]]
"""The name of a method of `Recorder`, and its arguments."""

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Recorder:
    """The outputs of one task, in order; what an inner task shows, the outer one shows too.

    `quiet` says that what is recorded is not shown besides: it belongs to a task in the background, or (`shown_before`)
    its cell shows it already.
    """

    quiet = False
    shown_before = False

    def __init__(self, parent: Recorder | None = None) -> None:
        self._outputs: list[Output] = []
        self._parent = parent
        self._clear_next = False
        if parent is not None:
            self.quiet, self.shown_before = parent.quiet, parent.shown_before

    @property
    def outputs(self) -> list[Output]:
        """The outputs as they are now."""
        return [{**o, "text": "".join(o["text"])} if o["output_type"] == "stream" else o for o in self._outputs]

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
            output.update(data=_plain(data), metadata=metadata or {})
        if known and update:
            return
        self._make_room()
        kind = "update_display_data" if update else "display_data"
        output = {"output_type": kind, "data": _plain(data), "metadata": metadata or {}}
        self._outputs.append({**output, "display_id": identity} if identity else output)

    def result(self, data: Output, metadata: Output | None) -> None:
        """The value of the last expression."""
        if self._parent:
            self._parent.result(data, metadata)
        self._make_room()
        self._outputs.append({"output_type": "execute_result", "data": _plain(data), "metadata": metadata or {}})

    def clear(self, wait: bool) -> None:
        """Forget what was shown: now, or when the next output comes."""
        if self._parent:
            self._parent.clear(wait)
        self._clear_next = wait
        if not wait:
            self._outputs.clear()

    def _make_room(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self._outputs.clear()

    def to_bytes(self) -> bytes:
        """The outputs as JSON; what JSON cannot carry is shown by its text."""
        return json.dumps(self.outputs, default=str, ensure_ascii=False).encode("utf-8", "surrogatepass")


def outputs_from_bytes(data: bytes) -> list[Output]:
    """What `Recorder.to_bytes` wrote."""
    outputs = json.loads(data.decode("utf-8", "surrogatepass"))
    return list(outputs)


def _plain(data: Output) -> Output:
    """A MIME bundle for JSON: bytes as base64, and no live widget where there is something else to show."""
    bundle = {mime: base64.b64encode(v).decode() if isinstance(v, bytes) else v for mime, v in data.items()}
    if len(bundle) > 1:
        bundle.pop(_WIDGET_VIEW, None)
    return bundle
