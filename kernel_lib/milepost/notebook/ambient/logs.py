"""What `logging` keeps for a whole process: levels and handlers."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from itertools import repeat
from typing import Any

from milepost.notebook.ambient.aspect import Aspect, ListAspect, State


class LogLevels(Aspect):
    """Levels of loggers. As an input only the root's counts: libraries set those of their own when they are loaded."""

    name = "log level of"
    module = "logging"
    shows = True

    def read(self) -> State:
        """The levels that somebody set."""
        named = list(logging.root.manager.loggerDict.items())
        found = {name: item.level for name, item in named if isinstance(item, logging.Logger) and item.level}
        if logging.root.level != logging.WARNING:
            found["root"] = logging.root.level
        if logging.root.manager.disable:
            found[_DISABLED] = logging.root.manager.disable
        return found

    def counted(self, state: State) -> State:
        """Those of all loggers."""
        return {name: level for name, level in state.items() if name in ("root", _DISABLED)}

    def default(self, entry: str) -> Any:
        """Python's."""
        return logging.WARNING if entry == "root" else logging.NOTSET

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set the levels."""
        for name in (*values, *unset):
            level = values.get(name, self.default(name))
            if name == _DISABLED:
                logging.disable(level)
            else:
                logging.getLogger(None if name == "root" else name).setLevel(level)


_DISABLED = "all, disabled"


class LogHandlers(ListAspect):
    """Handlers of loggers, such as `logging.basicConfig` makes. Those of a module's logger do not count: the module
    makes them again when it is loaded."""

    name = "log handlers"
    module = "logging"

    def items(self) -> Sequence[Any]:
        """What says how to make each again; a handler itself where nothing does."""
        return [item for logger in _loggers() for item in map(_described, logger.handlers, repeat(logger.name))]

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Add and remove handlers; others stay the objects they are."""
        for logger in _loggers():
            for handler in [h for h in logger.handlers if _described(h, logger.name) in values["gone"]]:
                logger.removeHandler(handler)
        known = self.items()
        for item in (*values["front"], *values["back"]):
            if item not in known:
                handler, logger = _made(*item)
                logger.addHandler(handler)


def _loggers() -> list[logging.Logger]:
    named = [item for item in list(logging.root.manager.loggerDict.values()) if isinstance(item, logging.Logger)]
    return [logging.root, *(item for item in named if item.handlers and not _of_module(item.name))]


def _of_module(name: str) -> bool:
    return name != "__main__" and name.partition(".")[0] in sys.modules


def _described(handler: logging.Handler, logger: str) -> Any:
    formatter = handler.formatter
    if type(formatter) not in (logging.Formatter, type(None)):
        return handler
    how = (handler.level, getattr(formatter, "_fmt", None), getattr(formatter, "datefmt", None), logger)
    if type(handler) is logging.FileHandler:
        return ("file", handler.baseFilename, *how)
    stream = _bare(getattr(handler, "stream", None)) if type(handler) is logging.StreamHandler else None
    for name in ("stdout", "stderr"):
        if stream is not None and stream is _bare(getattr(sys, name)):
            return (name, "", *how)
    return handler


def _bare(stream: Any) -> Any:
    """A stream without what records it for a task."""
    return getattr(stream, "milepost_stream", stream)


def _made(
    kind: str, path: str, level: int, style: str | None, date: str | None, logger: str = "root"
) -> tuple[logging.Handler, logging.Logger]:
    stream = _bare(getattr(sys, kind, None))
    handler = logging.FileHandler(path, mode="a") if kind == "file" else logging.StreamHandler(stream)
    handler.setLevel(level)
    if style is not None:
        handler.setFormatter(logging.Formatter(style, date))
    return handler, logging.getLogger(logger)
