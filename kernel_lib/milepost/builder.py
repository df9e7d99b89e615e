"""Putting a runner together; the only place that names concrete executors and strategies."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from milepost.engine.claims import Claims
from milepost.engine.clock import SystemClock
from milepost.engine.events import EventBus, Listener
from milepost.engine.executors import Executors
from milepost.engine.log import EventLogger
from milepost.engine.pause import PauseGate
from milepost.engine.plugins import found_plugins, install
from milepost.engine.runner import TaskRunner
from milepost.engine.state import TaskStateManager
from milepost.engine.strategies.looping import LoopingStrategy
from milepost.engine.strategies.retrying import RetryingStrategy
from milepost.engine.strategies.standard import StandardStrategy
from milepost.engine.strategies.starting import StartingStrategy
from milepost.engine.tools import Tools
from milepost.executors.loop import LoopThread
from milepost.executors.main import MainExecutor
from milepost.executors.threads import ThreadsExecutor
from milepost.model.errors import UsageError
from milepost.model.snapshot import Snapshot
from milepost.model.task import Task
from milepost.model.view import TaskView
from milepost.ports import Clock, ExecutionStrategy, Executor, Plugin, Store

Wrap = Callable[[ExecutionStrategy], ExecutionStrategy]


def processes(find_saved: Callable[[str], Path] | None = None) -> Executor:
    """Worker processes; `find_saved` tells where a store keeps the object with an address, see `ProcessesExecutor`."""
    from milepost.executors.processes import ProcessesExecutor  # cloudpickle and multiprocessing, where they are needed

    return ProcessesExecutor(find_saved=find_saved)


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "main": MainExecutor,
    "threads": ThreadsExecutor,
    "processes": processes,
}


class TaskRunnerBuilder:
    """Builds a `TaskRunner`, a setting at a time.

    Parameters
    ----------
    context : object
        Given to every body that has a parameter `context`, and to conditions. Yours: no snapshot holds it.
    """

    def __init__(self, context: Any = None) -> None:
        self._context = context
        self._wraps: list[Wrap] = []
        self._listeners: list[tuple[str, Listener]] = []
        self._plugins: list[Plugin] = []
        self._state = TaskStateManager()
        self._executor: str | Executor = "threads"
        self._store: Store | None = None
        self._more: tuple[Executor, ...] = ()
        self._clock: Clock = SystemClock()

    def use_strategy(self, wrap: Wrap) -> Self:
        """Wrap the strategies so far: `wrap(inner)` gives a strategy. The last one given is the outermost."""
        if not callable(wrap):
            raise UsageError(f"use_strategy takes a function or class that wraps a strategy, not {wrap!r}")
        self._wraps.append(wrap)
        return self

    def on(self, event: str, listener: Listener) -> Self:
        """Call `listener(event)` for each event of this kind, or of all with "*"."""
        self._listeners.append((event, listener))
        return self

    def with_logger(self, style: Literal["text", "json"]) -> Self:
        """Log every event through `logging` (logger `milepost.run`), as text or JSON lines."""
        if style not in ("text", "json"):
            raise UsageError(f'with_logger takes "text" or "json", not {style!r}')
        return self.on("*", EventLogger(style))

    def with_snapshot(self, snapshot: Snapshot) -> Self:
        """Start from saved results: tasks marked success do not run again."""
        if not isinstance(snapshot, Snapshot):
            raise UsageError(f"with_snapshot takes a Snapshot (see Snapshot.load), not {type(snapshot).__name__}")
        self._state.hydrate(snapshot)
        return self

    def with_store(self, place: str | os.PathLike[str] | Store) -> Self:
        """Save what tasks return, and give it back, in this and later processes, while nothing it depends on changed.

        A task is valid by its name, its code with all that this reads, its inputs' content and Python's minor version.
        A success given back has `restored=True`; one that ran again, or could not be saved, says why in its `message`.
        `CheckpointingStrategy` has the rules.

        Parameters
        ----------
        place : path or Store
            A folder for the checkpoints, such as "study.milepost", which the first save creates; or a store of your
            own. When it cannot be written, results stay in memory and the run goes on.

        Raises
        ------
        UsageError
            For what is neither, or a path that is no folder.
        """
        self._store = _local_store(place) if isinstance(place, str | os.PathLike) else place
        if not isinstance(self._store, Store) or isinstance(place, type):
            raise UsageError(
                f"with_store takes the path of a folder or a store (with save, flush, settle, on_trouble, records, "
                f"history, open, forget and problems), not {place!r}"
            )
        return self

    def with_executor(self, executor: str | Executor, *more: Executor) -> Self:
        """Where bodies run: "main", "threads", "processes", or an `Executor` of your own.

        `more` are others of your own, for tasks that name them (`Task(..., on="name")`).
        """
        if isinstance(executor, str) and executor not in EXECUTORS:
            raise UsageError(f"there is no executor {executor!r}; there are {', '.join(EXECUTORS)}")
        for given in more if isinstance(executor, str) else (executor, *more):
            if isinstance(given, type) or not isinstance(given, Executor):
                raise UsageError(f"{given!r} is no executor: it needs name, inline, submit, invoke and shutdown")
        self._executor, self._more = executor, more
        return self

    def with_clock(self, clock: Clock) -> Self:
        """Another clock, for tests."""
        self._clock = clock
        return self

    def with_plugin(self, plugin: Plugin) -> Self:
        """Install a plugin."""
        self._plugins.append(plugin)
        return self

    def build(self) -> TaskRunner:
        """The runner."""
        bus, loop, executors = EventBus(), LoopThread(), self._executors()
        for event, listener in self._listeners:
            bus.on(event, listener)
        strategies = self._strategies(loop)
        tools = Tools(
            strategy=strategies[-1],
            keeps_once=any(getattr(strategy, "keeps_once", False) for strategy in strategies),
            executors=executors,
            bus=bus,
            clock=self._clock,
            gate=PauseGate(),
            claims=Claims(),
            run_coroutine=loop.run,
            context=self._context,
        )
        runner = TaskRunner(tools, self._state.copy(), _Screen(), lambda: _close(executors, loop))
        install([*found_plugins(), *self._plugins], bus)
        return runner

    def _executors(self) -> Executors:
        make = dict(EXECUTORS)
        make["processes"] = partial(processes, getattr(self._store, "object_file", None))
        own = make[self._executor]() if isinstance(self._executor, str) else self._executor
        return Executors(own, self._more, make)

    def _strategies(self, loop: LoopThread) -> list[ExecutionStrategy]:
        """From the innermost to the outermost."""
        strategies: list[ExecutionStrategy] = [StandardStrategy(loop.run)]
        saving: list[Wrap] = [partial(_checkpointing, self._store)] if self._store is not None else []
        wraps: list[Wrap] = [RetryingStrategy, LoopingStrategy, StartingStrategy, *saving, *self._wraps]
        for wrap in wraps:
            strategy = wrap(strategies[-1])
            if not isinstance(strategy, ExecutionStrategy):
                raise UsageError(
                    f"use_strategy: {wrap!r} gave {strategy!r}, which is no strategy: it has no execute(call)"
                )
            strategies.append(strategy)
        return strategies


class _Screen:
    """The widgets' pictures, loaded when they are asked for."""

    def svg(self, views: Sequence[TaskView]) -> str:
        from milepost.widget.svg import to_svg

        return to_svg(views)

    def show(self, runner: TaskRunner, tasks: Sequence[Task] | None) -> None:
        from milepost.widget.live import show

        show(runner, tasks)


def _close(executors: Executors, loop: LoopThread) -> None:
    executors.shutdown()
    loop.close()


def _local_store(place: str | os.PathLike[str]) -> Store:
    from milepost.checkpoint.local import LocalStore

    path = os.fspath(place)
    folder = Path(path).expanduser() if path and isinstance(path, str) else None
    if folder is None or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"with_store takes the path of a folder, such as 'study.milepost'; {place!r} is none")
    return LocalStore(folder.absolute())  # wherever a body goes meanwhile


def _checkpointing(store: Store, inner: ExecutionStrategy) -> ExecutionStrategy:
    from milepost.checkpoint.serializers.notebook import NotebookSerializer
    from milepost.engine.strategies.checkpointing import CheckpointingStrategy

    return CheckpointingStrategy(inner, store, NotebookSerializer(vars(sys.modules["__main__"])))
