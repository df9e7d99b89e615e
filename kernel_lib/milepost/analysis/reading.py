"""What a task's body depends on in a script: its code, what it carries along, and what that reads, name by name.

In a notebook all code shares one namespace; in a script it lies in many modules. Each name counts where it is read:
`f` of `__main__`, `helpers.rate` because `f` reads `helpers.rate`, and so on through helpers of helpers. So an edit
of a module invalidates what reads the edited thing, not all that imports the module.
"""

from __future__ import annotations

import ast
import builtins
import functools
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from milepost.analysis.adapters import NoContent
from milepost.analysis.code import code_token, digest_text, global_paths, imported_names, normalise, quoted_names
from milepost.analysis.describe import kind_of, short, source_of
from milepost.analysis.digest import Digest, outline
from milepost.analysis.modules import absolute, is_project, module_of, package_of, source_digest
from milepost.analysis.walk import Walk
from milepost.model.record import Input

REACH_ALL = frozenset({"eval", "exec", "globals"})
"""Built-in functions through which code reads names that it does not show."""

Scope = dict[str, Any]
Path = tuple[str, ...]


class Reader:
    """Collects the inputs of one call of a body: `add` and `body` give it values, `follow` what these read.

    `inputs` are those found, by label; `blockers` says of what has no content why that is so, a sentence each.
    """

    def __init__(self) -> None:
        self.inputs: dict[str, Input] = {}
        self.blockers: dict[str, str] = {}
        self._home: Scope | None = None
        self._seen: set[tuple[int, str]] = set()
        self._waiting: list[tuple[Scope, Path]] = []

    # what a call is made of

    def body(self, run: Callable[..., Any]) -> tuple[str, str]:
        """Add what a callable carries along; its code, for people, and the digest of it that counts."""
        if isinstance(run, types.FunctionType):
            return self._function(run)
        if isinstance(run, types.MethodType):
            self.add("self", run.__self__)
            return self.body(run.__func__)
        if isinstance(run, functools.partial):
            for label, value in (*_numbered(run.args), *run.keywords.items()):
                self.add(f"{label}=", value)
            return self.body(run.func)
        return self._object(run)

    def _function(self, function: types.FunctionType) -> tuple[str, str]:
        self._home = self._home or function.__globals__
        for label, value in _carried(function):
            self.add(label, value)
        if function.__dict__:
            self.add("its attributes", function.__dict__)
        if package := package_of(function):
            self._put("its package", kind="package", digest="", text=package)
        self._code_reads(function)
        return normal_source(function.__code__), digest_text(repr(code_token(function.__code__)))

    def _object(self, run: Callable[..., Any]) -> tuple[str, str]:
        """A class, a built-in function, or an object that can be called: `function` is that of a mapped one."""
        function = getattr(run, "function", None)
        code = normal_source(function.__code__) if isinstance(function, types.FunctionType) else source_of(type(run))
        self.add("itself", run)
        return source_of(run) if isinstance(run, type) else code, ""

    def add(
        self,
        label: str,
        value: object,
        *,
        source: str = "",
        made_by: str = "",
        counts: Callable[[str], str] = lambda content: content,
    ) -> None:
        """Add a value.

        Parameters
        ----------
        label : str
            What it is called.
        value : object
        source : str
            The task that made it, if one did.
        made_by : str
            The key of that task: what a value without content counts by, as long as using does not change it.
        counts : callable
            Gives the digest that counts for a value with this digest.
        """
        found = self._look(value)
        if found.hex:
            kind, text = ("task", short(value)) if source else kind_of(value)
            digest = counts(found.hex)
        elif made_by and not found.consumable:
            kind, text, digest = "lineage", found.opaque, digest_text(made_by, outline(value, _main()))
        else:
            kind, text, digest = "opaque", found.opaque, ""
            self.blockers[label] = f"it reads {label!r}, and {found.opaque}"
        self._put(label, kind=kind, digest=digest, text=text, source=source)

    def _put(self, label: str, **facts: str) -> None:
        """Enter an input; two of one name stay two."""
        while label in self.inputs:
            label += "'"
        self.inputs[label] = Input(name=label, **facts)

    # what is read in turn

    def follow(self) -> None:
        """Resolve every name that what was added reads, and that these read, to the end."""
        while self._waiting:
            scope, path = self._waiting.pop()
            self._read(scope, path)

    def _read(self, scope: Scope, path: Path) -> None:
        name, *rest = path
        if name not in scope:
            return self._unbound(name)
        value = scope[name]
        while rest and _is_own(value) and rest[0] in value.__dict__:
            name, scope = rest.pop(0), value.__dict__
            value = scope[name]
        if (id(scope), name) not in self._seen:
            self._seen.add((id(scope), name))
            self._named(self._label(scope, name), value)

    def _unbound(self, name: str) -> None:
        if name in REACH_ALL:
            self.blockers[name] = f"it uses {name}(), through which it may read anything"
        elif not hasattr(builtins, name):
            self.inputs.setdefault(name, Input(name=name, kind="missing", digest=""))

    def _named(self, label: str, value: object) -> None:
        if callable(getattr(type(value), "to_task", None)):  # a `@task` function: a call of it calls the plain one
            value = getattr(value, "function", value)
        if package := package_of(value):
            self._put(label, kind="package", digest="", text=package)
        else:
            self.add(label, value)

    def _label(self, scope: Scope, name: str) -> str:
        full = f"{scope.get('__name__', '')}.{name}"
        return full if scope is not self._home or name in self.inputs else name

    def _look(self, value: object) -> Digest:
        found, walk = reading_digest(value)
        self._waiting += [(scope, path) for (_, path), scope in walk.reads.items()]
        self._imports(walk.imports)
        return found

    def _code_reads(self, function: types.FunctionType) -> None:
        self._waiting += [(function.__globals__, path) for path in _reads(function)]
        self._imports(_imported(function))

    def _imports(self, modules: Any) -> None:
        """Modules of the project that code imports while it runs count by their source."""
        for module in modules:
            label = f"import {module}"
            if label not in self.inputs and (content := source_digest(module)):
                self.inputs[label] = Input(name=label, kind="module", digest=content, text=module)


def reading_digest(value: object) -> tuple[Digest, ReadingWalk]:
    """The content digest of a value, and the walk that knows what the functions within it read."""
    walk = ReadingWalk()
    content, opaque, consumable = "", "", False
    try:
        walk.value(value)
        content = walk.hexdigest()
    except NoContent as reason:
        opaque, consumable = str(reason), reason.consumable
    except RecursionError:
        opaque = "it is nested too deeply"
    except RuntimeError as error:  # another thread changes it right now
        opaque, consumable = f"it changes while it is read ({error})", True
    return Digest(content, opaque=opaque, consumable=consumable), walk


class ReadingWalk(Walk):
    """A walk that reports what functions read, by scope and path, wherever the project defines them."""

    def __init__(self) -> None:
        super().__init__(_main())
        self.reads: dict[tuple[int, Path], Scope] = {}
        self._within = 0

    def another(self) -> ReadingWalk:
        """A walk by the same rules over something else, which reports here."""
        walk = ReadingWalk()
        walk.reads, walk._within = self.reads, self._within
        return walk

    def _globals(self, function: types.FunctionType) -> None:
        self.imports.update(_imported(function))
        if self._within and is_project(module := module_of(function)):
            self.value(module)  # part of a module that counts as a whole: so does what it reads
            return
        scope = function.__globals__
        self.reads.update({(id(scope), path): scope for path in _reads(function)})

    def _module_member(self, name: str, item: object) -> None:
        self._within += 1
        try:
            super()._module_member(name, item)
        finally:
            self._within -= 1


def _reads(function: types.FunctionType) -> Iterator[Path]:
    yield from global_paths(function.__code__)
    yield from ((name,) for name in quoted_names(function.__code__) if name in function.__globals__)


def _imported(function: types.FunctionType) -> Iterator[str]:
    package = function.__globals__.get("__package__") or ""
    yield from (absolute(name, package) for name in imported_names(function.__code__))


def _carried(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """Defaults, and the variables of outer functions."""
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    for name, value in (*zip(names[len(names) - len(defaults) :], defaults, strict=True), *_keywords(function)):
        yield f"{name}=", value
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        yield f"{name} (closure)", cell


def _keywords(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    yield from sorted((function.__kwdefaults__ or {}).items())


def _numbered(values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    yield from ((f"argument {place}", value) for place, value in enumerate(values))


def _is_own(value: object) -> bool:
    """Whether a value is a module of the project, or the script."""
    return isinstance(value, types.ModuleType) and (value.__name__ == "__main__" or is_project(value))


def _main() -> Scope:
    return vars(sys.modules["__main__"])


@functools.lru_cache(maxsize=10_000)
def normal_source(code: types.CodeType) -> str:
    """The source of a code object without comments and docstrings, as far as Python has it and it can be parsed."""
    source = textwrap.dedent(source_of(code))
    try:
        return normalise(ast.parse(source))
    except SyntaxError:  # a lambda within an expression of several lines
        return source
