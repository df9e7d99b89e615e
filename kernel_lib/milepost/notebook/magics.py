"""`%%task` and `%tasks`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar, cast

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand

from milepost.functions import MapPart, TaskFunction
from milepost.model.errors import MilepostError, RemoteError, StoreError, UsageError
from milepost.model.reasons import Reason
from milepost.model.sizes import parse_size, size
from milepost.model.states import TaskState
from milepost.model.view import TaskView
from milepost.notebook.body import compiled_steps, parse_body, run_body, with_cell_traceback, with_message_only
from milepost.notebook.control import run_view
from milepost.notebook.definition import Definition, cell_definition
from milepost.notebook.location import code_cells
from milepost.notebook.options import Command, parse_cell_options, parse_command
from milepost.notebook.orders import in_order
from milepost.notebook.outlook import Outlook, outlook
from milepost.notebook.session import Session
from milepost.widget.ages import age_seconds
from milepost.widget.shorten import printable
from milepost.widget.text import to_text

Method = TypeVar("Method", bound=Callable[..., None])

_cell_magic: Callable[[str], Callable[[Method], Method]] = cast(Any, cell_magic)
_line_magic: Callable[[str], Callable[[Method], Method]] = cast(Any, line_magic)
"""IPython's decorators, whose own annotations accept no function at all."""


@magics_class
class TaskMagics(Magics):
    """The magics of one session; `show` displays the live widget."""

    def __init__(self, shell: Any, session: Session, show: Callable[[], None]) -> None:
        super().__init__(shell)
        self._session = session
        self._show = show

    @_cell_magic("task")
    def task(self, line: str, cell: str) -> None:
        """Run the cell as a task, or give its saved result back: %%task [NAME] [options]"""
        try:
            self._session.run_cell(self._definition(line, cell))
        except BaseException as error:
            if isinstance(error, MilepostError) and not isinstance(error, RemoteError):
                raise with_message_only(error) from None
            if not hasattr(error, "_render_traceback_"):
                with_cell_traceback(self.shell, error)
            raise

    def _definition(self, line: str, cell: str) -> Definition:
        options = parse_cell_options(line)
        if self._asked_again():
            options = replace(options, force=True)
        body = parse_body(self.shell, cell)
        return cell_definition(
            body.source,
            options,
            cell_id=self._cell_id(),
            source=f"%%task {line}\n{cell}",
            body=lambda: run_body(self.shell, body),
            quiet=body.quiet,
            steps=compiled_steps(self.shell, body) if options.place != "main" else (),
        )

    def _metadata(self) -> dict[str, Any]:
        """What the front end sends along with the cell that runs."""
        parent: dict[str, Any] = getattr(self.shell, "get_parent", dict)()
        return parent.get("metadata") or {}

    def _cell_id(self) -> str:
        """The id of the cell that runs, where the front end sends it."""
        return str(self._metadata().get("cellId") or "")

    def _asked_again(self) -> bool:
        """Whether the page asked for this one run to be as with `--force`."""
        asked = self._metadata().get("milepost")
        return isinstance(asked, dict) and asked.get("force") is True

    @_line_magic("tasks")
    @no_var_expand
    def tasks(self, line: str) -> None:
        """Show the tasks live; or status, run, pause, resume, cancel, restore, why, forget, resolve, trust, config …"""
        try:
            command = parse_command(_expanded(self.shell, line))
            command = replace(command, names=self._session.named(command.names))
            _COMMANDS[command.verb](self, command)
        except MilepostError as error:
            raise with_message_only(error) from None

    def _widget(self, command: Command) -> None:
        self._show()

    def _status(self, command: Command) -> None:
        views = self._session.views()
        if command.json:
            print(json.dumps([_status_row(view) for view in views], indent=1))
            return
        print(to_text(views))
        print(run_view(self._session, views).totals)

    def _run(self, command: Command) -> None:
        """As if the cells were run, one after the other; what is saved and valid is given back."""
        session = self._session
        session.registration.require(command.names)
        order = session.orders.take(command.order) if command.order else None
        known = session.fact_table()
        names = order.names if order else command.names or in_order(known, None, needs=True)
        unknown = [name for name in names if not session.has_cell(name)]
        if unknown and (order or command.names):
            raise UsageError(f"known from the store only, or no task cells: {', '.join(unknown)}; run their cells")
        for name in names:
            if session.has_cell(name):
                self._run_one(known[name].definition, force=bool(order and order.force))

    def _run_one(self, definition: Definition, *, force: bool) -> None:
        """A cell, as it stands in the notebook by now, or a function."""
        if isinstance(definition.function, TaskFunction | MapPart):
            definition.function.result()
            return
        definition = self._edited(definition) or definition
        options = replace(definition.options, force=definition.options.force or force)
        try:
            self._session.run_cell(replace(definition, options=options))
        except BaseException as error:
            if not isinstance(error, MilepostError) or isinstance(error, RemoteError):
                with_cell_traceback(self.shell, error)
            raise
        finally:
            facts = self._session.fact_table().get(definition.name)
            if facts is not None and force:
                facts.definition = definition  # forced this once

    def _pause(self, command: Command) -> None:
        self._session.pause()
        print("paused, also for kernels to come: no task starts until `%tasks resume`")

    def _resume(self, command: Command) -> None:
        self._session.resume()
        print("resumed")

    def _cancel(self, command: Command) -> None:
        self._session.registration.require(command.names)
        done = [self._session.cancel(name) for name in command.names or [None]]
        print("cancelled" if any(done) else "nothing is running")

    def _restore(self, command: Command) -> None:
        self._session.registration.require(command.names)
        records = [r for r in self._session.records() if not command.names or r.task in command.names]
        untrusted = [record.task for record in records if not record.trusted]
        for record in records:
            if record.trusted:
                self._session.provider.restore(record, overwrite=True)
        if untrusted:
            names = printable(", ".join(untrusted))
            raise StoreError(f"saved under another user's key, and so not loaded: {names}; see %tasks trust")
        if not records:
            print("nothing is saved yet")

    def _why(self, command: Command) -> None:
        self._session.registration.require(command.names)
        views = self._session.views(command.names)
        if command.json:
            print(json.dumps([self._why_row(view) for view in views], indent=1))
            return
        for view in views:
            print(f"{view.name}: {view.style.word}")
            print(*(_reason("", view.why) if view.why else ["  it has not run yet"]), sep="\n")
            print(f"  {view.error}\n" if view.error else "", end="")
            if (now := self._outlook(view)) is not None:
                words = "restored" if now.restored else "computed again"
                print(*_reason(f"if its cell ran now, it would be {words}: ", now.why), sep="\n")

    def _why_row(self, view: TaskView) -> dict[str, Any]:
        now = self._outlook(view)
        return {**_status_row(view), "now": now.to_json() if now else None}

    def _outlook(self, view: TaskView) -> Outlook | None:
        """What would happen if the task's cell ran now, as the saved notebook has it; None while it runs."""
        facts = self._session.fact_table().get(view.name)
        if facts is None or view.state is TaskState.RUNNING or facts.in_background:
            return None
        return outlook(self._session, facts, self._edited(facts.definition) or facts.definition)

    def _edited(self, definition: Definition) -> Definition | None:
        """A cell as it stands in the notebook's file by now; None where that cannot be told."""
        notebook = None if definition.function else self._session.notebook()
        for cell_id, source in code_cells(notebook) if notebook else ():
            head, _, body = source.partition("\n")
            if head.split()[:1] == ["%%task"] and (cell_id == definition.cell_id or not definition.cell_id):
                try:
                    edited = self._definition(head.removeprefix("%%task").strip(), body)
                except (MilepostError, SyntaxError):
                    return None
                if edited.name == definition.name:
                    return replace(edited, cell_id=definition.cell_id)
        return None

    def _forget(self, command: Command) -> None:
        self._session.forget(command.names)
        print(f"forgotten: {', '.join(command.names)}")

    def _resolve(self, command: Command) -> None:
        (name,) = command.names
        print(self._session.doubts.resolve(name, done=command.done, value=self._value(name, command.value)))

    def _value(self, name: str, expression: str) -> str | None:
        """What the user says that a task left, as JSON text; an expression over the user's variables."""
        if not expression:
            return None
        try:
            value = eval(expression, self._session.namespace.data)
        except Exception as error:
            words = f"VALUE is an expression, such as 'text' or a variable; {expression} gives {type(error).__name__}"
            raise UsageError(f"%tasks resolve {name} done: {words}: {error}") from None
        return self._session.doubts.value(name, value)

    def _trust(self, command: Command) -> None:
        self._session.registration.require(command.names)
        strange = [record for record in self._session.records() if not record.trusted]
        chosen = [record for record in strange if not command.names or record.task in command.names]
        self._session.store.trust(chosen)
        names = printable(", ".join(record.task for record in chosen))
        print(f"trusted from now on: {names}" if chosen else "there is nothing of others here")

    def _auto(self, command: Command) -> None:
        auto = self._session.auto
        if command.names:
            auto.switch(command.names[0] == "on")
        print(f"auto is {'on: each cell is a task' if auto.on else 'off: only %%task cells are tasks'}")

    def _config(self, command: Command) -> None:
        space = self._session.store.space
        for _, value in (word.split("=", 1) for word in command.names):
            space.limit = None if value in ("off", "none", "") else parse_size(value)
        limit = space.limit
        print(f"size-limit={'off' if limit is None else size(limit)}  ({self._session.store.path})")


def _expanded(_shell: Any, _line: str) -> str:
    """With `{…}` and `$…` as in any magic, which sees the locals of this function, too; a value may have braces."""
    return _line if _line.split()[:1] == ["resolve"] else str(_shell.var_expand(_line))


def _reason(lead: str, reason: Reason) -> Iterator[str]:
    yield f"  {lead}{reason.text}"
    yield from (f"    {detail}" for detail in reason.details)


def _status_row(view: TaskView) -> dict[str, Any]:
    """A row of `%tasks status --json`: the view, and how many seconds ago it was saved."""
    return {**view.to_json(), "age": age_seconds(view.saved_at) if view.saved_at else None}


_COMMANDS: dict[str, Callable[[TaskMagics, Command], None]] = {
    "": TaskMagics._widget,
    "status": TaskMagics._status,
    "run": TaskMagics._run,
    "pause": TaskMagics._pause,
    "resume": TaskMagics._resume,
    "cancel": TaskMagics._cancel,
    "restore": TaskMagics._restore,
    "why": TaskMagics._why,
    "forget": TaskMagics._forget,
    "resolve": TaskMagics._resolve,
    "trust": TaskMagics._trust,
    "auto": TaskMagics._auto,
    "config": TaskMagics._config,
}
