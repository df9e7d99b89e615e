"""What a task depends on, resolved just before it runs: every name it reads, through helpers of helpers."""

from __future__ import annotations

import ast
import builtins
import functools
import glob
import inspect
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from milepost.analysis.code import MAIN, digest_text, imported_names, quoted_names
from milepost.analysis.describe import kind_of, short, source_of
from milepost.analysis.digest import Digest, digest
from milepost.analysis.modules import package_of, source_digest
from milepost.analysis.sharing import sharing
from milepost.functions import MapPart, TaskFunction, TaskMap
from milepost.hashing import large_hasher
from milepost.model.record import Identity, Input
from milepost.notebook.definition import Definition
from milepost.notebook.ledger import Known, Ledger
from milepost.notebook.namespace import SHELL_NAMES, Namespace, mutable
from milepost.notebook.resolution import Resolution

REACH_ALL = frozenset({"eval", "exec", "globals", MAIN})
"""Built-in functions, and the module, through which a helper reads names that its code does not show."""


SHARED = "what inputs share"
"""The name of the input that stands for that."""


class Stands:
    """Tells whether a value still is what a task left, although a restore may have changed its digest.

    `reload` builds an output again from its record: a value that only the restore changed in form equals that copy,
    one that the user changed does not.
    """

    def __init__(self, namespace: Namespace, reload: Callable[[Known, str], Any]) -> None:
        self._namespace = namespace
        self._reload = reload
        self._answers: dict[tuple[Identity, str, str], bool] = {}
        """Each cell that reads the value asks again: by the record, the name, and the digest of the value."""

    def __call__(self, known: Known, output: str, local: str) -> bool:
        """Whether the value with the digest `local` is the output that is known under this name."""
        if local == known.digest:
            return True
        if known.record is None:
            return False
        question = known.record.identity, output, local
        if question not in self._answers:
            restored = self._reload(known, output)
            if restored is None:
                return False
            self._answers[question] = digest(restored, self._namespace.home).hex == local
        return self._answers[question]


class Gives(Protocol):
    """What gives back names that are not bound; `Provider` is one."""

    def needed(self, names: Iterable[str]) -> list[str]: ...
    def provide(self, name: str) -> bool: ...


class InputResolver:
    """Resolves the names that a definition reads against the namespace; what is missing, `provider` restores."""

    def __init__(self, namespace: Namespace, ledger: Ledger, provider: Gives, stands: Stands) -> None:
        self._namespace = namespace
        self._ledger = ledger
        self._provider = provider
        self._stands = stands

    def resolve(
        self, definition: Definition, without: Iterable[str] = (), unset: frozenset[str] = frozenset()
    ) -> Resolution:
        """All inputs of a task, or all but some; restores what is missing and saved.

        Names that are `unset` stay unbound where nothing but the task's own code reads them.
        """
        found = Resolution()
        if definition.names.opaque:
            found.notes.append(f"uses {', '.join(definition.names.opaque)}: every variable counts as an input")
        waiting = [name for name in self.names(definition) if name not in unset]
        self._imports(imported_names(_compiled(definition.code)), found)
        seen: set[str] = {*definition.upstream, *without}
        while waiting:
            names = [name for name in dict.fromkeys(waiting) if name not in seen and not self._of_shell(name)]
            seen.update(names)
            for name in self._provider.needed(names):
                self._provider.provide(name)
            waiting = [more for name in names for more in self._name(definition.name, name, found)]
        self._sharing(found)
        self._files(definition.options.files, found)
        for name in sorted(unset):
            found.inputs.setdefault(name, missing(name))
        return found

    def names(self, definition: Definition) -> list[str]:
        """The names that a task reads itself."""
        namespace = self._namespace
        words = [word for word in definition.names.maybe if word in namespace.data and namespace.is_user(word)]
        quoted = [name for name in quoted_names(_compiled(definition.code)) if name in namespace.data]
        everything = namespace.names() if definition.names.opaque else []
        return [*definition.reads, *words, *everything, *quoted]

    def unbound(self, definition: Definition) -> frozenset[str]:
        """The names that a task reads itself and that are not bound."""
        known = self._namespace.data
        return frozenset(name for name in self.names(definition) if name not in known and not hasattr(builtins, name))

    def _of_shell(self, name: str) -> bool:
        return name in SHELL_NAMES and not (name in self._namespace.data and self._namespace.is_user(name))

    def _name(self, reader: str, name: str, found: Resolution) -> Iterable[str]:
        """Resolve one name that is bound, or that nobody can give; more names that its value reads."""
        data = self._namespace.data
        if name not in data and name in REACH_ALL:
            return self._namespace.names()
        if name not in data and not hasattr(builtins, name):
            found.inputs[name] = missing(name)
        if name not in data:
            return ()
        return self._value(reader, name, data[name], found)

    def _value(self, reader: str, name: str, value: Any, found: Resolution) -> Iterable[str]:
        if isinstance(value, TaskFunction):
            return self._task_function(name, value, found)
        if isinstance(value, MapPart | TaskMap):
            return self._mapped(name, value, found)
        if (package := package_of(value)) is not None:
            which = self._namespace.digest(name).hex  # which module, function or class; not its version
            found.inputs[name] = Input(name=name, kind="package", digest=which, text=package)
            return ()
        result = self._namespace.digest(name, walked=mutable(value))
        if result.walked:
            found.walked[name] = result.walked
        self._imports(result.imports, found)
        source = self._ledger.producer(name, reader)
        if not result.hex:
            return self._opaque(name, result, source, found)
        known = self._ledger.known.get(name)
        kind, text = kind_of(value)
        content = result.hex
        if known is not None and self._stands(known, name, result.hex):
            kind, content = "task" if kind == "value" else kind, known.digest
        found.inputs[name] = Input(name=name, kind=kind, digest=content, text=text, source=source)
        return result.globals

    def _opaque(self, name: str, result: Digest, source: str, found: Resolution) -> Iterable[str]:
        """A value without content counts by where it came from, unless using it changes it."""
        known, origin = self._ledger.known.get(name), self._ledger.origins.get(name)
        if result.consumable or (known is None and origin is None):
            found.blockers[name] = result.opaque
            found.inputs[name] = Input(name=name, kind="opaque", digest="", text=result.opaque, source=source)
            return result.globals
        made_by = known.digest if known else origin.code if origin else ""
        found.inputs[name] = Input(
            name=name,
            kind="lineage",
            digest=digest_text(made_by, self._namespace.outline(name)),
            text=result.opaque,
            source=source,
        )
        found.notes.append(f"{name!r} counts by the code that made it: {result.opaque}")
        return (*result.globals, *(origin.reads if origin else ()))

    def _task_function(self, name: str, function: TaskFunction[..., Any], found: Resolution) -> Iterable[str]:
        result = digest(function.function, self._namespace.home)
        self._imports(result.imports, found)
        text = source_of(function.function)
        found.inputs[name] = Input(name=name, kind="function", digest=result.hex, text=text, source=function.name)
        return (*result.globals, *function.dependencies)

    def _mapped(self, name: str, value: MapPart[Any] | TaskMap[Any], found: Resolution) -> Iterable[str]:
        """A map, or a part of one, counts by its function and its items."""
        result = digest(value.content, self._namespace.home)
        self._imports(result.imports, found)
        if not result.hex:
            found.blockers[name] = result.opaque
        kind = "function" if result.hex else "opaque"
        found.inputs[name] = Input(name=name, kind=kind, digest=result.hex, text=repr(value))
        return (*result.globals, *value.needs)

    @staticmethod
    def _sharing(found: Resolution) -> None:
        """What the inputs share counts as one more."""
        walks, found.walked = found.walked, {}
        shared = sharing({name: dict(enumerate(walks[name])) for name in sorted(walks)}) if len(walks) > 1 else ""
        if shared:
            found.inputs[SHARED] = Input(name=SHARED, kind="sharing", digest=shared, text="what inputs have in common")

    @staticmethod
    def _imports(modules: Iterable[str], found: Resolution) -> None:
        """Modules of the project that code imports while it runs count by their source."""
        for module in modules:
            if content := source_digest(module):
                found.inputs[f"import {module}"] = Input(
                    name=f"import {module}", kind="module", digest=content, text=module
                )

    def _files(self, patterns: tuple[str, ...], found: Resolution) -> None:
        for pattern in patterns:
            paths = sorted(glob.glob(pattern, recursive=True))
            files = [path for path in paths if Path(path).is_file()]
            if not files:
                found.notes.append(f"--files {pattern} matches no file")
                found.inputs[f"file {pattern}"] = Input(name=pattern, kind="file", digest="none", text="no file")
            for path in files:
                found.inputs[f"file {path}"] = _file_input(path)


def missing(name: str) -> Input:
    """A name that nothing binds."""
    return Input(name=name, kind="missing", digest="")


@functools.lru_cache(maxsize=1_000)
def _compiled(code: str) -> types.CodeType:
    """A task's code as code objects; empty where its source is not known."""
    try:
        made: types.CodeType = compile(code, "<task>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError:
        made = compile("", "<task>", "exec")
    return made


def fixed_inputs(function: Any, namespace: dict[str, Any]) -> dict[str, Input]:
    """What a function carries with it: the defaults of its parameters and what it closes over."""
    if not hasattr(function, "__code__"):
        return {"function": _fixed_input("function", function, namespace)}
    parameters = inspect.signature(function).parameters.values()
    values = {f"{p.name}=": p.default for p in parameters if p.default is not p.empty}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    values.update({f"{name} (closure)": cell.cell_contents for name, cell in cells})
    return {name: _fixed_input(name, value, namespace) for name, value in values.items()}


def _fixed_input(name: str, value: Any, namespace: dict[str, Any]) -> Input:
    found = digest(value, namespace)
    kind, text = ("value", short(value)) if found.hex else ("opaque", found.opaque)
    return Input(name=name, kind=kind, digest=found.hex, text=text)


def _file_input(path: str) -> Input:
    hasher = large_hasher()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 24):
            hasher.update(chunk)
    return Input(name=path, kind="file", digest=hasher.hexdigest(), text=f"{Path(path).stat().st_size} bytes")
