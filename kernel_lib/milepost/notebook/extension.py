"""`%load_ext milepost`: puts the parts together in one IPython shell, and takes them apart again."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from milepost.analysis.describe import source_of
from milepost.analysis.flat import forget_unused
from milepost.analysis.modules import is_project
from milepost.functions import use_registry
from milepost.model.errors import MilepostError
from milepost.notebook import capture, control
from milepost.notebook.activity import Activity
from milepost.notebook.badges import open_badges
from milepost.notebook.body import with_message_only
from milepost.notebook.display import Display
from milepost.notebook.magics import TaskMagics
from milepost.notebook.plain import PlainCell, read_plain
from milepost.notebook.random_state import mentions_seed
from milepost.notebook.reject import Rejection
from milepost.notebook.session import Session
from milepost.notebook.stamp import stamp
from milepost.notebook.waiting import how
from milepost.tracking.tqdm_bars import TqdmBars


class Extension:
    """One loaded extension: the session, its magics, and the hooks around plain cells."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.session = Session(shell)
        self._display = Display(self.session)
        self._modules: set[str] = set()
        self._rejection = Rejection(shell)
        self._running: list[Activity | None] = []
        """The plain cell that runs, and those that it runs; None for one that was kept from running."""
        self._read: tuple[str, PlainCell | None] = ("", None)
        """The last plain cell that was read, and what it was read from: it is asked for before it runs and after."""
        shell.register_magics(TaskMagics(shell, self.session, self._display.show))
        capture.install(shell)
        use_registry(self.session.functions)
        control.listen(self.session)
        self._close_badges = open_badges(self.session)
        self._say_paused()
        self._bars = TqdmBars()
        self._bars.follow()
        shell.events.register("pre_execute", self.session.auto.executing)
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)

    def _say_paused(self) -> None:
        since = self.session.store.paused.since if self.session.runner.paused else ""
        if since:
            stamp(self.shell, f"the run is paused since {since}: `%tasks resume`, or Resume, goes on", symbol="Ⅱ")

    def close(self) -> None:
        """Undo all of it; results stay where they are."""
        self.shell.events.unregister("pre_execute", self.session.auto.executing)
        self.shell.events.unregister("pre_run_cell", self._before_cell)
        self.shell.events.unregister("post_run_cell", self._after_cell)
        for kind, name in (("cell", "task"), ("line", "tasks")):
            self.shell.magics_manager.magics[kind].pop(name, None)
        self.session.auto.switch(False)
        self.session.close()
        self._rejection.withdraw()
        self._bars.leave()
        self._close_badges()
        control.stop_listening(self.session)
        use_registry(None)
        capture.uninstall(self.shell)
        self._display.close()

    def _before_cell(self, info: Any) -> None:
        """Give a plain cell the names that it reads and that only a checkpoint, or a running task, provides."""
        session = self.session
        session.jobs.busy = True
        session.jobs.publish()
        session.troubles.tell()
        forget_unused()
        self._rejection.withdraw()
        self._display.before_cell()
        session.seeds.before_cell()
        cell = self._plain(info)
        automatic = session.auto.admit(info, cell.tree if cell is not None else None) is not None
        if cell is None:
            return
        names = cell.names
        reads = (*names.reads, *names.maybe)
        try:
            session.waiting.for_names(reads)
        except (MilepostError, KeyboardInterrupt) as error:
            self._rejection.demand(error)
            self._running.append(None)
            return
        if automatic:
            self._running.append(None)
            return
        self._provide(reads)
        session.ambient.watch([cell.source])
        self._running.append(session.begin_cell(names))

    def _provide(self, reads: Iterable[str]) -> None:
        provider = self.session.provider
        try:
            for name in provider.needed(reads):
                if not provider.provide(name):
                    self._explain(name)
        except MilepostError as error:
            stamp(self.shell, str(error), symbol="⚠", warning=True)

    def _explain(self, name: str) -> None:
        """Say why a name that a task was to bind is not there: Python only says that it is not defined."""
        if (doubt := self.session.doubts.giving(name)) is not None:
            stamp(self.shell, f"{name!r} comes from what is in doubt: {doubt.text}", symbol="⚠", warning=True)
            return
        for facts in self.session.all_facts():
            if name in facts.definition.outputs and facts.result is not None and not facts.result.ok:
                task, result = facts.definition.name, facts.result
                words = f"{name!r} comes from task {task!r}, which {how(result)}; run its cell again"
                stamp(self.shell, words, symbol="⚠", warning=True)

    def _after_cell(self, result: Any) -> None:
        """Remember which plain cell bound what, and whether a seed was mentioned."""
        session = self.session
        session.troubles.tell()
        self._display.after_cell()
        info = result.info
        cell = self._plain(info, known=True) if info is not None and info.raw_cell else None
        if info is not None and info.raw_cell and (mentions_seed(info.raw_cell) or self._module_seeds()):
            session.seeds.mention()
        activity = self._running.pop() if cell is not None and self._running else None
        if cell is not None and activity is not None:
            session.activities.end(activity)
            session.ambient.watch([cell.source], ran=True)
            bound = tuple(name for name in cell.names.binds if name in session.namespace.data)
            if bound:
                session.ledger.bound(bound, cell.code, cell.names.reads)
        session.jobs.busy = bool(self._running)
        session.jobs.publish()
        session.relocation.carry()

    def _module_seeds(self) -> bool:
        """Whether a module of the project, loaded since the last cell, mentions a seed."""
        if sys.modules.keys() <= self._modules:  # nearly always, and a third of the time of the line below
            return False
        new = set(sys.modules) - self._modules
        self._modules |= new
        loaded = [sys.modules[name] for name in new]
        return any(mentions_seed(source_of(module)) for module in loaded if is_project(module))

    def _plain(self, info: Any, *, known: bool = False) -> PlainCell | None:
        """The plain cell that this is, `known` perhaps from before it ran; None for a task, or where nothing parses."""
        if not known or info.raw_cell != self._read[0]:
            task = info.raw_cell.lstrip().startswith("%%task")
            self._read = info.raw_cell, None if task else read_plain(self.shell, info.raw_cell)
        return self._read[1]


_ATTRIBUTE = "_milepost_extension"


def load(shell: Any) -> None:
    """Load into a shell; loading again changes nothing.

    Raises
    ------
    MilepostError
        Shown as one message.
    """
    if getattr(shell, _ATTRIBUTE, None) is None:
        try:
            object.__setattr__(shell, _ATTRIBUTE, Extension(shell))
        except MilepostError as error:
            raise with_message_only(error) from None


def unload(shell: Any) -> None:
    """Take everything out of a shell again."""
    extension = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        extension.close()
        object.__setattr__(shell, _ATTRIBUTE, None)
