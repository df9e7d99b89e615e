"""Compiling and running the body of a `%%task` cell as if IPython ran it itself.

Tracebacks name the cell and its lines, the last expression is shown, `await` works at the top level (in a worker
thread with a loop of its own, since the kernel's loop is busy running the cell), and figures are shown before the
body counts as ended, so that they are recorded with it.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

from milepost.notebook.steps import Step, run_code

MAGIC_LINES = 1
"""Lines of the cell above its body: the `%%task` line."""


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body: its source after IPython's transforms, its tree and the file name that tracebacks show."""

    source: str
    tree: ast.Module
    filename: str
    quiet: bool


def parse_body(shell: Any, cell: str) -> Body:
    """Transform and parse the text below `%%task`; a syntax error is raised as IPython would show it."""
    source = shell.transform_cell(cell)
    above = "\n" * (MAGIC_LINES + _blank_lines(cell))
    padded = above + source
    filename = shell.compile.cache(padded, _cell_number(shell), raw_code="\n" * MAGIC_LINES + cell)
    try:
        with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
            tree = shell.compile.ast_parse(padded, filename=filename)
    except SyntaxError as error:
        raise shown_syntax_error(shell, error) from None
    return Body(source, tree, filename, ends_quietly(shell, source))


def _blank_lines(cell: str) -> int:
    """Blank lines at the start of a body: IPython's transforms take them away."""
    lines = cell.splitlines()
    return next((count for count, line in enumerate(lines) if line.strip()), 0)


def _cell_number(shell: Any) -> int:
    """The number of the cell that runs: found on the stack, since the shell's counter may be ahead by one."""
    names = shell.compile._filename_map
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_filename in names:
            return int(names[frame.f_code.co_filename])
    return int(shell.execution_count)


def ends_quietly(shell: Any, source: str) -> bool:
    """Whether a last semicolon asks not to show the value."""
    if ";" not in source:
        return False
    check = getattr(shell.displayhook, "semicolon_at_end_of_expression", None)
    try:
        return bool(check(source)) if check else source.rstrip().endswith(";")
    except Exception:
        return source.rstrip().endswith(";")


def run_body(shell: Any, body: Body) -> None:
    """Run a parsed body in the user's namespace; its errors come out with a traceback that starts in the cell."""
    tree = _transformed(shell, body)
    try:
        for code in _compiled(shell, tree, body):
            run_code(code, shell.user_global_ns, shell.user_ns)
        show_figures()
    except BaseException as error:
        error.__traceback__ = cell_trace(shell, error.__traceback__)
        raise


def _transformed(shell: Any, body: Body) -> ast.Module:
    tree = shell.transform_ast(ast.parse(ast.unparse(body.tree))) if shell.ast_transformers else body.tree
    assert isinstance(tree, ast.Module)
    return tree


def _compiled(shell: Any, tree: ast.Module, body: Body) -> Iterator[CodeType]:
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        for nodes, shown in _steps(tree.body, shell.ast_node_interactivity, body.quiet):
            node: ast.AST = ast.Interactive(nodes) if shown else ast.Module(nodes, [])
            yield shell.compile(node, body.filename, "single" if shown else "exec")


def compiled_steps(shell: Any, body: Body) -> tuple[Step, ...]:
    """A parsed body for a namespace of its own, in any thread: there is no hook that shows values."""
    tree = _transformed(shell, body)
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        return tuple(
            Step(shell.compile(_node(nodes, shown), body.filename, "eval" if shown else "exec"), shown)
            for nodes, shown in _steps(tree.body, shell.ast_node_interactivity, body.quiet)
        )


def _node(nodes: list[ast.stmt], shown: bool) -> ast.AST:
    return ast.Expression(nodes[0].value) if shown and isinstance(nodes[0], ast.Expr) else ast.Module(nodes, [])


def _steps(nodes: list[ast.stmt], interactivity: str, quiet: bool) -> list[tuple[list[ast.stmt], bool]]:
    """Runs of statements, and whether the value of the run is shown."""
    if interactivity == "all":
        return [([node], isinstance(node, ast.Expr) and not (quiet and node is nodes[-1])) for node in nodes]
    last = interactivity != "none" and not quiet and bool(nodes) and isinstance(nodes[-1], ast.Expr)
    steps = [(nodes[:-1], False), (nodes[-1:], True)] if last else [(nodes, False)]
    return [(part, shown) for part, shown in steps if part]


def show_figures() -> None:
    """What the inline backend would do after the cell, done now: show the open figures and close them."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if backend is not None and pyplot is not None and "inline" in str(pyplot.get_backend()):
        backend.flush_figures()


def cell_trace(shell: Any, trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame of a cell on, without frames of this library; whole, where none is left."""
    parts = list(_parts(trace))
    cells = shell.compile._filename_map
    first = next((n for n, part in enumerate(parts) if part.tb_frame.f_code.co_filename in cells), 0)
    kept = [part for part in parts[first:] if not part.tb_frame.f_code.co_filename.startswith(_PACKAGE)]
    chain: TracebackType | None = None
    for part in reversed(kept):
        chain = TracebackType(chain, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return chain or trace


_PACKAGE = str(Path(__file__).parents[1]) + os.sep


def _parts(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def with_cell_traceback(shell: Any, error: BaseException) -> BaseException:
    """Have IPython show the error as raised in the cell, without the frames of the magic above it."""
    trace = cell_trace(shell, error.__traceback__)

    def render() -> list[str]:
        shown: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)
        return shown

    return _rendered(error, render)


def with_message_only(error: BaseException) -> BaseException:
    """Have IPython show our own errors as one message: a traceback through the library helps nobody."""
    return _rendered(error, lambda: [f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])


def _rendered(error: BaseException, render: Callable[[], list[str]]) -> BaseException:
    try:
        error._render_traceback_ = render  # type: ignore[attr-defined]
    except AttributeError:  # an exception with slots: IPython then shows all frames
        return error
    return error


def shown_syntax_error(shell: Any, error: SyntaxError) -> BaseException:
    """A stand-in for a syntax error that shows exactly what IPython shows for one.

    IPython shows a real `SyntaxError` that comes out of a magic with all frames of the magic above it.
    """
    stand_in = type("SyntaxError", (Exception,), {"__module__": "builtins"})(str(error))
    lines: list[str] = shell.SyntaxTB.structured_traceback(SyntaxError, error, [])
    return _rendered(stand_in, lambda: lines)
