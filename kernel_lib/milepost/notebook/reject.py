"""Keeping a plain cell from running, before its first line: IPython goes on whatever a hook before the cell raises."""

from __future__ import annotations

from typing import Any

from IPython.core.error import InputRejected

from milepost.model.errors import MilepostError


class Rejection:
    """Has the next cell raise an error in place of running: a step through which IPython takes each parsed cell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._error: BaseException | None = None

    def demand(self, error: BaseException) -> None:
        """The cell that is about to run shall raise this."""
        self._error = error
        self._shell.ast_transformers.append(self)

    def withdraw(self) -> None:
        """Let cells run."""
        if self in self._shell.ast_transformers:
            self._shell.ast_transformers.remove(self)

    def visit(self, node: Any) -> Any:
        """Called by IPython with the parsed cell."""
        self.withdraw()
        raise _rejected(self._error or KeyboardInterrupt())


def _rejected(error: BaseException) -> InputRejected:
    """A stand-in that IPython takes for a refusal, and that people see as the error itself."""
    kind = type(type(error).__name__, (InputRejected,), {"__module__": type(error).__module__})
    made: InputRejected = kind(str(error))
    lines = [f"{type(error).__name__}: {error}" if str(error) else type(error).__name__]
    lines += getattr(error, "__notes__", []) if isinstance(error, MilepostError) else []
    made._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    return made
