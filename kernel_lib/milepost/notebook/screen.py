"""What IPython is to a body in a worker process: a shell that shows, and does nothing else."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from IPython.core.display_functions import display
from IPython.core.displaypub import DisplayPublisher
from IPython.core.events import EventManager, available_events
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config.configurable import SingletonConfigurable

from milepost.model.errors import UsageError
from milepost.notebook.body import show_figures
from milepost.notebook.wire import encoded


class Screen(InteractiveShell):
    """The one shell of a worker process. Libraries that ask for IPython's shell get it, and display with it."""

    def __init__(self, **options: Any) -> None:
        SingletonConfigurable.__init__(self, **options)  # without the history, the magics and the hooks of a real one
        self.configurables = [self]
        self.events = EventManager(self, available_events)
        self.display_formatter: Any = DisplayFormatter(parent=self)
        publisher: Any = _Publisher
        self.display_pub = publisher(parent=self)
        self.user_ns: dict[str, Any] = {}
        self.tools = {"display": display, "get_ipython": no_ipython}
        """What a cell finds in its namespace."""

    def show_value(self, value: Any) -> None:
        """The value of a cell's last expression."""
        data, metadata = self.display_formatter.format(value)
        if data:  # else it has shown itself
            _tell("result", data, metadata)

    def show_figures(self) -> None:
        """Figures that are open."""
        show_figures()

    def put_out(self) -> None:
        """Close the figures that a body left open: the next one must not show them."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close("all")

    def run_line_magic(self, *args: Any, **options: Any) -> NoReturn:
        """There are none."""
        no_ipython()

    run_cell_magic = run_cell = system = getoutput = run_line_magic


class _Publisher(DisplayPublisher):
    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *args: Any,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **options: Any,
    ) -> None:
        _tell("display", data, metadata, transient, update)

    def clear_output(self, wait: bool = False) -> None:
        _tell("clear", wait)


def _tell(method: str, *arguments: Any) -> None:
    """To the notebook's process: between what was printed before and what will be printed after."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__):
        if stream is not None:
            stream.flush()
    if sys.__stdout__ is not None:
        sys.__stdout__.write(encoded((method, arguments)))
        sys.__stdout__.flush()


def no_ipython() -> NoReturn:
    """Say that there is no IPython.

    Raises
    ------
    UsageError
        Always.
    """
    words = "a worker process has no IPython: magics, ! commands and get_ipython() do not work there"
    raise UsageError(f"{words}. Leave them out of the task, or run it in this process (--on threads)")
