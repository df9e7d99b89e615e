"""Recording what a task shows, while showing it, and showing it again.

A `ContextVar` names the recorder, so that output of another thread that happens meanwhile is not taken for the
task's. Threads that a body starts, and those that these start, have that recorder too, as long as the body runs. What
a task in the background shows goes to its recorder alone.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from milepost.notebook import warning_notes
from milepost.notebook.recorder import Event, Output, Recorder

_current: ContextVar[Recorder | None] = ContextVar("milepost_recorder")


def _recorder() -> Recorder | None:
    """That of this context, else of the body that started this thread."""
    try:
        return _current.get()
    except LookupError:
        started_by: Recorder | None = getattr(threading.current_thread(), "milepost_recorder", None)
        return None if started_by is None or started_by.done else started_by


def current_recorder() -> Recorder | None:
    """What records the task that runs in this context."""
    return _recorder()


@contextlib.contextmanager
def recording(shell: Any, recorder: Recorder | None = None) -> Iterator[Recorder]:
    """Record what the body of the `with` shows, in this context and those copied from it."""
    install(shell)
    chosen = recorder or Recorder(_current.get(None))
    token = _current.set(chosen)
    try:
        with _tees:
            yield chosen
    finally:
        chosen.done = True
        _current.reset(token)


def in_background() -> bool:
    """Whether this is a task in the background: what it shows goes to its log."""
    recorder = _recorder()
    return recorder is not None and recorder.quiet and not recorder.shown_before


@contextlib.contextmanager
def unshown(shell: Any) -> Iterator[None]:
    """Show nothing of what the body of the `with` shows: it runs again, and its own cell has shown it."""
    recorder = Recorder()
    recorder.quiet = recorder.shown_before = True
    with recording(shell, recorder):
        yield


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Show something that is not the task's own: a stamp, a warning."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def streams() -> tuple[Any, Any]:
    """What `print` writes to, and stderr, without what listens in here: other ones where a body redirects them."""
    return _beneath(sys.stdout), _beneath(sys.stderr)


def _beneath(stream: Any) -> Any:
    while isinstance(stream, _Tee):
        stream = stream.milepost_stream
    return stream


class _Tee(io.TextIOBase):
    """A stream that passes everything on and tells the recorder of its context."""

    def __init__(self, name: str, stream: Any) -> None:
        self.milepost_name = name
        self.milepost_stream = stream
        self._write: Callable[[str], int] = self._pass_on

    @property
    def write(self) -> Callable[[str], int]:
        """IPython puts a function of its own in the place of `write` while a cell runs: not for other tasks."""
        recorder = _recorder()
        return self._keep if recorder is not None and recorder.quiet else self._write

    @write.setter
    def write(self, function: Callable[[str], int]) -> None:
        self._write = function

    def _keep(self, text: str) -> int:
        recorder = _recorder()
        if recorder is not None:
            recorder.stream(self.milepost_name, str(text))
        return len(text)

    def _pass_on(self, text: str) -> int:
        self._keep(text)
        self.milepost_stream.write(text)
        return len(text)

    def flush(self) -> None:
        self.milepost_stream.flush()

    def __del__(self) -> None:
        """Nothing, where an `IOBase` would flush: it holds no text, and which thread collects it is up to chance.

        The kernel's stream waits in `flush` for a thread that may itself be waiting for the one that collects.
        """

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return bool(self.milepost_stream.isatty())

    def fileno(self) -> int:
        return int(self.milepost_stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self.milepost_stream, name)


def _start(thread: threading.Thread) -> None:
    """In the place of `Thread.start`: threads have no context of those who start them."""
    recorder = _recorder()
    if recorder is not None:
        thread.milepost_recorder = recorder  # type: ignore[attr-defined]
    _THREAD_START(thread)


_THREAD_START = threading.Thread.start


class _Tees:
    """Keeps stdout and stderr teed, and threads marked, as long as anything is recorded, in whichever thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._tees: list[_Tee] = []

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            warning_notes.install()
            if threading.Thread.start is _THREAD_START:
                threading.Thread.start = _start  # type: ignore[assignment, method-assign]
            for name in ("stdout", "stderr"):
                if not isinstance(getattr(sys, name), _Tee):  # else another task has put it there
                    self._tees.append(_Tee(name, getattr(sys, name)))
                    setattr(sys, name, self._tees[-1])
                    _hand_over(self._tees[-1].milepost_stream, self._tees[-1])

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                for tee in self._tees:
                    if getattr(sys, tee.milepost_name) is tee:
                        setattr(sys, tee.milepost_name, tee.milepost_stream)
                    _hand_over(tee, tee.milepost_stream)
                self._tees.clear()
                warning_notes.uninstall()
                if threading.Thread.start is _start:
                    threading.Thread.start = _THREAD_START  # type: ignore[method-assign]


def _hand_over(old: Any, new: Any) -> None:
    """Have loggers write to another stream: a handler keeps the one that was there when it was made."""
    named = list(logging.root.manager.loggerDict.values())
    for logger in (logging.root, *(item for item in named if isinstance(item, logging.Logger))):
        for handler in logger.handlers:
            if getattr(handler, "stream", None) is old:
                handler.stream = new  # type: ignore[attr-defined]


_tees = _Tees()


def install(shell: Any) -> None:
    """Listen to the shell's displays; once for each shell."""
    publisher, hook = shell.display_pub, shell.displayhook
    if hasattr(publisher, "milepost_uninstall"):
        return
    originals = publisher.publish, publisher.clear_output, hook.write_format_data
    hook.update_user_ns = _kept(keep := hook.update_user_ns)
    shell._showtraceback = _error(show_traceback := shell._showtraceback)
    publisher.publish = _publish(originals[0])
    publisher.clear_output = _clear(originals[1])
    hook.write_format_data = _result(originals[2])

    def uninstall() -> None:
        publisher.publish, publisher.clear_output, hook.write_format_data = originals
        shell._showtraceback, hook.update_user_ns = show_traceback, keep
        del publisher.milepost_uninstall

    object.__setattr__(publisher, "milepost_uninstall", uninstall)


def uninstall(shell: Any) -> None:
    """Put the shell's own methods back."""
    undo = getattr(shell.display_pub, "milepost_uninstall", None)
    if undo is not None:
        undo()


def _quiet(tell: Callable[[Recorder], None]) -> bool:
    """Tell the recorder of this context, if there is one; whether nobody else shall be told."""
    recorder = _recorder()
    if recorder is not None:
        tell(recorder)
    return recorder is not None and recorder.quiet


def _publish(original: Callable[..., Any]) -> Callable[..., Any]:
    def publish(data: Output, metadata: Output | None = None, *args: Any, **options: Any) -> Any:
        transient, update = options.get("transient"), bool(options.get("update"))
        if not _quiet(lambda recorder: recorder.display(data, metadata, transient, update)):
            return original(data, metadata, *args, **options)

    return publish


def _clear(original: Callable[..., Any]) -> Callable[..., Any]:
    def clear_output(wait: bool = False) -> Any:
        if not _quiet(lambda recorder: recorder.clear(wait)):
            return original(wait)

    return clear_output


def _result(original: Callable[..., Any]) -> Callable[..., Any]:
    def write_format_data(format_dict: Output, md_dict: Output | None = None) -> Any:
        if not _quiet(lambda recorder: recorder.result(format_dict, md_dict)):
            return original(format_dict, md_dict)

    return write_format_data


def _kept(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def update_user_ns(value: Any) -> None:
        if not _quiet(lambda recorder: recorder.value(value)):
            original(value)

    return update_user_ns


def _error(original: Callable[..., Any]) -> Callable[..., Any]:
    def show_traceback(etype: type[BaseException], evalue: Any, stb: Any) -> Any:
        if not _quiet(lambda recorder: recorder.error(etype.__name__, str(evalue), stb)):
            with unrecorded():  # a terminal prints it
                return original(etype, evalue, stb)

    return show_traceback


def show_value(shell: Any, value: Any) -> None:
    """What a task in the background would show as the value of its last expression."""
    data, metadata = shell.display_formatter.format(value)
    if data:  # else it has shown itself
        _quiet(lambda recorder: recorder.result(data, metadata))


def play(shell: Any, events: list[Event]) -> None:
    """Show what a task in the background showed, in the cell that runs."""
    for method, arguments in _joined(events):
        if method == "stream":
            _replay_stream(shell, {"name": arguments[0], "text": arguments[1]})
        elif method == "clear":
            shell.display_pub.clear_output(*arguments)
        elif method == "error":
            _replay_error(shell, dict(zip(("ename", "evalue", "traceback"), arguments, strict=True)))
        elif method == "result":
            _replay_result(shell, {"data": arguments[0], "metadata": arguments[1]})
        else:
            data, metadata, transient, update = arguments
            shell.display_pub.publish(data, metadata, transient=transient, update=update)


def _joined(events: list[Event]) -> Iterator[Event]:
    """Text in as few pieces as can be: each is a message to the front end, and an output in a file."""
    for (method, name), group in itertools.groupby(events, lambda event: (event[0], event[1][0])):
        if method == "stream":
            yield method, (name, "".join(arguments[1] for _, arguments in group))
        else:
            yield from group


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


def _replay_error(shell: Any, output: Output) -> None:
    shell._showtraceback(type(output["ename"], (Exception,), {}), output["evalue"], output["traceback"])


def keep_values(shell: Any, values: list[Any] | None) -> None:
    """Have IPython keep these as `_` and in `Out`; None where they are not there: then nothing is."""
    for value in values or ():
        shell.displayhook.update_user_ns(value)
    for name in ("_", "__", "___") if values is None else ():
        shell.user_ns.pop(name, None)


_REPLAYS: dict[str, Callable[[Any, Output], None]] = {
    "stream": _replay_stream,
    "display_data": _replay_display,
    "update_display_data": _replay_display,
    "execute_result": _replay_result,
    "error": _replay_error,
}
