"""One task as the notebook defines it: a `%%task` cell or a `@task` function, read but not yet run."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from milepost.analysis.code import code_token, digest_text, global_names, normalise
from milepost.analysis.describe import source_of
from milepost.analysis.digest import digest
from milepost.analysis.names import CellNames, cell_names
from milepost.functions import RegisteredFunction, TaskFunction
from milepost.model.parameters import GIVEN, parameters_of
from milepost.model.record import RETURN as RETURN
from milepost.notebook.options import CellOptions
from milepost.notebook.steps import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What decides how a task runs and when a saved result is valid.

    `code` is the normalised source (for people and for diffs), `code_digest` what counts of it, `names` what the
    code reads and binds, `arguments` the default values of a function's other parameters, `upstream` the parameters
    that name tasks or outputs.
    """

    name: str
    code: str
    code_digest: str
    names: CellNames
    options: CellOptions
    body: Callable[[], Any]
    source: str = ""
    cell_id: str = ""
    function: RegisteredFunction[Any] | None = None
    upstream: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    """A cell's body, compiled for a namespace of its own; only where it does not run in the main thread."""
    automatic: bool = False
    """Whether it is a cell that nobody marked, seen as a task by `%tasks auto on`."""
    each_time: str = ""
    """Why such a cell is never restored, as far as its code shows."""
    differs: bool = False
    """Whether such a cell seems to come to something else in each process."""

    @property
    def defines(self) -> bool:
        """Whether the code holds functions or classes of its own."""
        return any(word in self.code for word in ("def ", "lambda", "class "))

    @property
    def key_name(self) -> str:
        """The name as it counts for the key: that of a cell which nobody named says nothing."""
        return "" if self.automatic else self.name

    @property
    def reads(self) -> tuple[str, ...]:
        """Names read, and those that `--in` adds."""
        return tuple(dict.fromkeys((*self.names.reads, *self.options.inputs)))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names bound as far as the code shows, and those that `--out` adds."""
        return tuple(dict.fromkeys((*self.names.binds, *self.options.outputs)))


def cell_definition(
    text: str,
    options: CellOptions,
    *,
    cell_id: str,
    source: str,
    body: Callable[[], Any],
    quiet: bool,
    steps: tuple[Step, ...] = (),
) -> Definition:
    """The definition of a `%%task` cell; its name: given, else its first output, else from the cell's id.

    `text` is its body after IPython's transforms, `source` the whole cell as it was written.
    """
    code, names = read_code(text)
    outputs = (*options.outputs, *names.binds)
    name = options.name or next(iter(outputs), "") or f"cell-{(cell_id or digest_text(code))[:8]}"
    return Definition(
        name=name,
        code=code,
        code_digest=digest_text(code, "quiet" if quiet else ""),
        names=names,
        options=options,
        body=body,
        source=source,
        cell_id=cell_id,
        steps=steps,
    )


@functools.lru_cache(maxsize=1_000)
def read_code(text: str) -> tuple[str, CellNames]:
    """The code that counts, and the names in it. The same cells run again and again: each is read once."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: ast.Module = compile(text, "<cell>", "exec", flags, dont_inherit=True)
    return normalise(tree), cell_names(tree)


def function_definition(function: RegisteredFunction[Any], body: Callable[[], Any]) -> Definition:
    """The definition of a `@task` function: its code, its defaults and the globals it reads."""
    plain = function.function
    code = source_of(plain)
    compiled = getattr(plain, "__code__", None)  # a built-in function, which may reduce a map, has none
    reads = (*global_names(compiled), *digest(plain, plain.__globals__).globals) if compiled else ()
    return Definition(
        name=function.name,
        code=code,
        code_digest=digest_text(repr(code_token(compiled)) if compiled else digest(plain).hex),
        names=CellNames(reads=tuple(dict.fromkeys(reads))),
        options=CellOptions(name=function.name, retry=function.options.retry, once=function.options.once),
        body=body,
        source=code,
        function=function,
        upstream=function.upstream,
    )


def body_for(function: TaskFunction[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """A body that has `call` run the function, with what it asks for of its run: `context`, `signal`, `progress`."""
    plain = function.function
    named = parameters_of(plain).named if hasattr(plain, "__code__") else ()
    asked = [name for name in named if name in GIVEN and name not in function.upstream]
    if not asked:
        return lambda: call(function, {})

    def body(**run: Any) -> Any:
        return call(function, run)

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in asked]
    body.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return body
