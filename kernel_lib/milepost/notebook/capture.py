"""Recording what a task shows, while showing it, and showing it again.

A `ContextVar` names the recorder, so that output of another thread that happens meanwhile is not taken for the
task's. Streams, displays, updates by display id, `clear_output` and the value of the last expression are kept as
nbformat outputs in their final state: what was cleared or updated is not replayed.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

Output = dict[str, Any]

_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

_current: ContextVar[Recorder | None] = ContextVar("milepost_recorder", default=None)


class Recorder:
    """The outputs of one task, in order; what an inner task shows, the outer one shows too."""

    def __init__(self, parent: Recorder | None = None) -> None:
        self.outputs: list[Output] = []
        self._parent = parent
        self._clear_next = False

    def stream(self, name: str, text: str) -> None:
        """Text written to stdout or stderr."""
        if self._parent:
            self._parent.stream(name, text)
        self._make_room()
        last = self.outputs[-1] if self.outputs else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self.outputs.append({"output_type": "stream", "name": name, "text": text})

    def display(self, data: Output, metadata: Output | None, transient: Output | None, update: bool) -> None:
        """A display, or an update of an earlier one with the same display id."""
        if self._parent:
            self._parent.display(data, metadata, transient, update)
        identity = (transient or {}).get("display_id")
        known = [o for o in self.outputs if identity and o.get("display_id") == identity]
        for output in known:
            output.update(data=_plain(data), metadata=metadata or {})
        if known and update:
            return
        self._make_room()
        kind = "update_display_data" if update else "display_data"
        output = {"output_type": kind, "data": _plain(data), "metadata": metadata or {}}
        self.outputs.append({**output, "display_id": identity} if identity else output)

    def result(self, data: Output, metadata: Output | None) -> None:
        """The value of the last expression."""
        if self._parent:
            self._parent.result(data, metadata)
        self._make_room()
        self.outputs.append({"output_type": "execute_result", "data": _plain(data), "metadata": metadata or {}})

    def clear(self, wait: bool) -> None:
        """Forget what was shown: now, or when the next output comes."""
        if self._parent:
            self._parent.clear(wait)
        self._clear_next = wait
        if not wait:
            self.outputs.clear()

    def _make_room(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self.outputs.clear()

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


@contextlib.contextmanager
def recording(shell: Any) -> Iterator[Recorder]:
    """Record what the body of the `with` shows, in this context and those copied from it."""
    install(shell)
    recorder = Recorder(_current.get())
    token = _current.set(recorder)
    try:
        with _teed("stdout"), _teed("stderr"):
            yield recorder
    finally:
        _current.reset(token)


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Show something that is not the task's own: a stamp, a warning."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


class _Tee(io.TextIOBase):
    """A stream that passes everything on and tells the recorder of its context."""

    def __init__(self, name: str, stream: Any) -> None:
        self.milepost_name = name
        self.milepost_stream = stream

    def write(self, text: str) -> int:
        recorder = _current.get()
        if recorder is not None:
            recorder.stream(self.milepost_name, str(text))
        self.milepost_stream.write(text)
        return len(text)

    def flush(self) -> None:
        self.milepost_stream.flush()

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self.milepost_stream.isatty())

    def fileno(self) -> int:
        return int(self.milepost_stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.milepost_stream, name)


@contextlib.contextmanager
def _teed(name: str) -> Iterator[None]:
    stream = getattr(sys, name)
    if isinstance(stream, _Tee):
        yield
        return
    tee = _Tee(name, stream)
    setattr(sys, name, tee)
    try:
        yield
    finally:
        if getattr(sys, name) is tee:
            setattr(sys, name, stream)


def install(shell: Any) -> None:
    """Listen to the shell's displays; once for each shell."""
    publisher, hook = shell.display_pub, shell.displayhook
    if hasattr(publisher, "milepost_uninstall"):
        return
    originals = publisher.publish, publisher.clear_output, hook.write_format_data
    publisher.publish = _publish(originals[0])
    publisher.clear_output = _clear(originals[1])
    hook.write_format_data = _result(originals[2])

    def uninstall() -> None:
        publisher.publish, publisher.clear_output, hook.write_format_data = originals
        del publisher.milepost_uninstall

    object.__setattr__(publisher, "milepost_uninstall", uninstall)


def uninstall(shell: Any) -> None:
    """Put the shell's own methods back."""
    undo = getattr(shell.display_pub, "milepost_uninstall", None)
    if undo is not None:
        undo()


def _publish(original: Callable[..., Any]) -> Callable[..., Any]:
    def publish(data: Output, metadata: Output | None = None, *args: Any, **options: Any) -> Any:
        recorder = _current.get()
        if recorder is not None:
            recorder.display(data, metadata, options.get("transient"), bool(options.get("update")))
        return original(data, metadata, *args, **options)

    return publish


def _clear(original: Callable[..., Any]) -> Callable[..., Any]:
    def clear_output(wait: bool = False) -> Any:
        recorder = _current.get()
        if recorder is not None:
            recorder.clear(wait)
        return original(wait)

    return clear_output


def _result(original: Callable[..., Any]) -> Callable[..., Any]:
    def write_format_data(format_dict: Output, md_dict: Output | None = None) -> Any:
        recorder = _current.get()
        if recorder is not None:
            recorder.result(format_dict, md_dict)
        return original(format_dict, md_dict)

    return write_format_data


def replay(shell: Any, outputs: list[Output]) -> None:
    """Show recorded outputs again, in order."""
    for output in outputs:
        _REPLAYS[output["output_type"]](shell, output)


def _replay_stream(shell: Any, output: Output) -> None:
    stream = getattr(sys, output["name"])
    stream.write(output["text"])
    stream.flush()


def _replay_display(shell: Any, output: Output) -> None:
    identity = output.get("display_id")
    options: dict[str, Any] = {"transient": {"display_id": identity}} if identity else {}
    if output["output_type"] == "update_display_data":
        options["update"] = True
    shell.display_pub.publish(output["data"], output["metadata"], **options)


def _replay_result(shell: Any, output: Output) -> None:
    hook = shell.displayhook
    hook.start_displayhook()
    hook.write_output_prompt()
    hook.write_format_data(output["data"], output["metadata"])
    hook.finish_displayhook()


_REPLAYS: dict[str, Callable[[Any, Output], None]] = {
    "stream": _replay_stream,
    "display_data": _replay_display,
    "update_display_data": _replay_display,
    "execute_result": _replay_result,
}
