"""Runs the cells of a notebook as tasks, though nobody marked them.

IPython itself runs them, by the very calls by which it runs any cell: displays, tracebacks, `await`, `_` and `Out` are
its own. Only the step that executes a parsed cell is taken over: before it a valid result is looked for, and after
it what the cell left is saved.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from milepost.analysis.code import digest_text
from milepost.engine.runner import TaskRunner
from milepost.model.cancel import CancelSignal
from milepost.model.errors import MilepostError, TaskCancelled
from milepost.model.record import Input
from milepost.model.result import TaskError, TaskResult
from milepost.model.states import TaskState, TaskStatus
from milepost.notebook import foreground
from milepost.notebook.auto import history, kinds, libraries
from milepost.notebook.auto.memo import Memo
from milepost.notebook.auto.naming import Naming, label, task_name
from milepost.notebook.auto.stage import CHEAP, CHEAPLY, AutoStage, Body, Ran
from milepost.notebook.auto.stop import stoppable
from milepost.notebook.body import ends_quietly, with_message_only
from milepost.notebook.definition import Definition, read_code
from milepost.notebook.facts import Facts
from milepost.notebook.observed.observer import Observer
from milepost.notebook.observed.watch import Watch
from milepost.notebook.options import CellOptions
from milepost.notebook.plain import read_plain
from milepost.notebook.random_state import UNSEEDED
from milepost.notebook.stage import Left, Plan
from milepost.notebook.strategy import CheckpointStrategy
from milepost.widget.words import duration

_log = logging.getLogger("milepost.auto")

PAUSE = 0.05
"""Seconds between looks for a Resume."""


class Desk(foreground.Desk, Protocol):
    """What such cells need of the session."""

    shell: Any
    runner: TaskRunner
    strategy: CheckpointStrategy
    observer: Observer

    def notebook(self) -> Path | None: ...
    def fact_table(self) -> dict[str, Facts]: ...
    def hold_while_paused(self, facts: Facts) -> None: ...
    def cancellable(self) -> contextlib.AbstractContextManager[CancelSignal]: ...
    def changed(self) -> None: ...


class AutoCells:
    """The switch of one session, and the cells that run while it is on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._naming = Naming(desk.notebook)
        self._plain: Callable[..., Any] | None = None
        """IPython's own step, while the switch is on."""
        self._memo = Memo(desk.namespace)
        self._executions = 0
        """How often IPython ran anything since the last cell."""
        self.numbers: dict[str, str] = {}
        """The task of each cell that ran, by the cell's number."""
        self._next: tuple[Any, Definition] | None = None
        """The cell that is about to run: what IPython says of it, and what it is as a task."""

    # the switch

    @property
    def on(self) -> bool:
        """Whether cells are tasks from the next one on."""
        return self._plain is not None

    def switch(self, on: bool) -> None:
        """Turn it on or off."""
        shell = self._desk.shell
        if on and self._plain is None:
            self._plain = shell.run_ast_nodes
            shell.run_ast_nodes = self._run_nodes
        elif not on and self._plain is not None:
            del shell.run_ast_nodes
            self._plain = None

    # which cells

    def executing(self) -> None:
        """IPython runs something: a cell, or what a front end or a widget asks for."""
        self._executions += 1

    def admit(self, info: Any, tree: ast.Module | None) -> Definition | None:
        """A cell is about to run: what it is as a task, None for one that just runs."""
        self._next, unseen, self._executions = None, self._executions != 1, 0
        if not self.on:
            return None
        if unseen:
            self._memo.clear()
        tree = self._body(info, tree)
        if not info.store_history or threading.current_thread() is not threading.main_thread() or tree is None:
            self._memo.clear()
            return None
        if not kinds.computes(tree):
            self._let_pass(tree)
            return None
        try:
            definition = self._definition(info, tree)
        except Exception as error:  # a mistake of ours must not keep it from running
            _log.debug("a cell could not be read", exc_info=error)
            self._memo.clear()
            return None
        self._next = info, definition
        return definition

    def _body(self, info: Any, tree: ast.Module | None) -> ast.Module | None:
        """The code of a cell, also of one below `%%time`; None where only a magic knows what it does."""
        if tree is None or not info.raw_cell.lstrip().startswith("%%"):
            return tree
        inner = kinds.timed(tree)
        read = read_plain(self._desk.shell, inner) if inner else None
        return read.tree if read is not None else None

    def _let_pass(self, tree: ast.Module) -> None:
        """What a cell that just runs may change."""
        if not kinds.harmless(tree):
            self._memo.clear()

    def _definition(self, info: Any, tree: ast.Module) -> Definition:
        source = ast.unparse(tree)
        code, names = read_code(source)
        quiet = ends_quietly(self._desk.shell, info.raw_cell)
        shown = "timed" if info.raw_cell.lstrip().startswith("%%") else "quiet" if quiet else ""
        cell_id = self._naming.cell_id(self._sent_id(info), info.raw_cell)
        name = task_name(cell_id, code)
        namespace = self._desk.namespace
        trees = libraries.trees_of(tree, (*names.reads, *names.maybe), namespace)
        return Definition(
            name=name,
            code=code,
            code_digest=digest_text(code, shown),
            names=names,
            options=CellOptions(name=name),
            body=lambda: None,
            source=label(info.raw_cell),
            cell_id=cell_id,
            automatic=True,
            each_time=next(filter(None, map(kinds.runs_each_time, trees)), "")
            or libraries.settings(trees, namespace.data),
            differs=libraries.differs(trees),
        )

    def _sent_id(self, info: Any) -> str:
        parent: dict[str, Any] = getattr(self._desk.shell, "get_parent", dict)()
        return str(getattr(info, "cell_id", "") or (parent.get("metadata") or {}).get("cellId") or "")

    # running

    async def _run_nodes(
        self,
        nodelist: Any,
        cell_name: str,
        interactivity: str = "last_expr",
        compiler: Any = compile,
        result: Any = None,
    ) -> Any:
        """What stands in the place of `InteractiveShell.run_ast_nodes`."""
        plain, following = self._plain or type(self._desk.shell).run_ast_nodes, self._next
        body: Body = functools.partial(plain, nodelist, cell_name, interactivity, compiler, result)
        if following is None or result is None or result.info is not following[0]:
            return await body()
        self._next = None
        number = self._desk.shell.compile._filename_map.get(cell_name)  # the counter may be ahead by one
        self.numbers[str(number)] = following[1].name
        try:
            return await self._run(following[1], body, result)
        except (MilepostError, KeyboardInterrupt) as error:
            return self._fail(result, error)

    def _fail(self, result: Any, error: BaseException) -> bool:
        """The cell was kept from running: shown as IPython shows an error of the cell's own."""
        shown = with_message_only(error) if isinstance(error, MilepostError) else error
        result.error_in_exec = shown
        self._desk.shell.showtraceback((type(shown), shown, shown.__traceback__))
        return True

    async def _run(self, definition: Definition, body: Body, result: Any) -> Any:
        facts = self._facts(definition)
        history.require_kept(definition.reads, self._desk.namespace.data)
        stage = AutoStage(self._desk, facts, self._memo, keeps=self._naming.any_cell(self._asks_history))
        with self._desk.cancellable() as signal:
            self._hold(facts, signal)
            facts.state, facts.started, facts.result = TaskState.RUNNING, time.time(), None
            self._desk.changed()
            ended = TaskResult(TaskStatus.CANCELLED)
            try:
                plan = self._plan(stage)
                restored = self._desk.strategy.restore(stage, plan) if plan is not None else None
                if restored is not None:
                    ended = TaskResult(TaskStatus.SUCCESS, restored=True)  # the values are the notebook's now
                    return False
                failed = await (self._follow(stage, plan, body, signal) if plan is not None else body())
                ended = _result(result) if failed else TaskResult(TaskStatus.SUCCESS)
                return failed
            finally:
                facts.settle(ended)
                self._desk.changed()

    def _plan(self, stage: AutoStage) -> Plan | None:
        """What is known of the cell before it runs. A mistake of ours must not keep it from running."""
        try:
            return stage.find(self._desk.strategy)
        except MilepostError:
            raise
        except Exception as error:
            self._give_up(stage, error)
            return None

    def _give_up(self, stage: AutoStage, error: Exception) -> None:
        """Something of ours, or what a value says of itself, failed while the cell was looked at."""
        self._memo.clear()
        _log.debug("a cell could not be followed", exc_info=error)
        stage.facts.unsaved = f"it could not be followed ({type(error).__name__}: {error})"
        stage.note(f"runs each time: {stage.facts.unsaved}", symbol="⚠", warning=True)

    def _asks_history(self, cells: list[str]) -> bool:
        return history.asked(cells, self._desk.shell)

    def _facts(self, definition: Definition) -> Facts:
        table = self._desk.fact_table()
        facts = table.setdefault(definition.name, Facts(definition))
        again = facts.result is not None and _comes_to_something_else(facts, definition)
        options = replace(definition.options, force=again)
        facts.definition = replace(definition, options=options)
        return facts

    def _hold(self, facts: Facts, signal: CancelSignal) -> None:
        """While the run is paused, no cell starts."""
        if not self._desk.runner.paused:
            return
        self._desk.hold_while_paused(facts)
        while self._desk.runner.paused:
            signal.wait(PAUSE)
            signal.raise_if_cancelled()

    async def _follow(self, stage: AutoStage, plan: Plan, body: Body, signal: CancelSignal) -> Any:
        """Run the cell, and save what it left where that is worth it; what IPython says of it."""

        async def stoppable_body() -> Any:
            with stoppable(signal):
                return await body()

        with self._desk.observer.watching(plan) as watch:
            ran = await stage.follow(plan, stoppable_body)
        plan.facts.seconds, plan.facts.record, plan.facts.outputs, plan.facts.unsaved = ran.seconds, None, (), ""
        try:
            with self._desk.namespace.remembering():
                self._conclude(stage, plan, watch, ran)
        except Exception as error:
            self._give_up(stage, error)
        return ran.failed

    def _conclude(self, stage: AutoStage, plan: Plan, watch: Watch, ran: Ran) -> None:
        left = stage.left_after(plan, ran)
        if left is not None:
            self._save(stage, plan, self._desk.observer.complete(watch, plan, left), ran.seconds)
        elif not ran.failed:
            plan.facts.unsaved = CHEAPLY

    def _save(self, stage: AutoStage, plan: Plan, left: Left, seconds: float) -> None:
        untracked = [item.text for item in left.observed if item.kind == "untracked" and not _of_packages(item, plan)]
        reasons = [plan.definition.each_time, *untracked, left.obstacle, *_blockers(plan)]
        reason = next(filter(None, reasons), "")
        self._desk.strategy.save(stage, plan, replace(left, obstacle=reason), seconds)
        if plan.facts.record is not None and seconds >= CHEAP:
            stage.note(f"saved: {duration(seconds)} of work", symbol="✓")


def _comes_to_something_else(facts: Facts, definition: Definition) -> bool:
    """Whether a cell that is run a second time is run for that: it draws lots, asks the clock, or adds to a file."""
    record = facts.record
    if record is None:
        return definition.differs
    drew = UNSEEDED in record.extra.get("random", {}).values()
    return definition.differs or drew or any(item.kind == "appended" for item in record.observed)


def _of_packages(item: Input, plan: Plan) -> bool:
    """Whether worker processes, as joblib has them, ran nothing of the user's own, which might have read files."""
    own = any(known.kind in ("function", "class", "module") for known in plan.resolution.inputs.values())
    return item.name == "processes" and not own and not plan.definition.defines


def _blockers(plan: Plan) -> list[str]:
    """What it reads that has no content to compare: using it may change it, as an `insert` changes a database."""
    blind = {item.name: item.text for item in plan.resolution.inputs.values() if item.kind == "lineage"}
    return [f"it reads {name!r}, and {reason}" for name, reason in {**plan.resolution.blockers, **blind}.items()]


def _result(result: Any) -> TaskResult:
    """What a cell that failed came to."""
    error = result.error_in_exec or result.error_before_exec
    if error is None:
        return TaskResult(TaskStatus.FAILURE)
    if isinstance(error, KeyboardInterrupt | TaskCancelled):
        return TaskResult(TaskStatus.CANCELLED, "interrupted")
    return TaskResult(TaskStatus.FAILURE, error=TaskError.of(error))
