"""Attributes that bodies set on modules, and on the classes and functions in them.

Modules of the project are compared before and after a body, whoever changes them. Of installed ones only those
attributes are looked at that a cell, or a function of the notebook, is seen to set.
"""

from __future__ import annotations

import ast
import dis
import functools
import importlib
import inspect
import marshal
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from milepost.analysis.code import nested
from milepost.analysis.flat import ATOMS
from milepost.analysis.modules import is_project, module_of
from milepost.notebook.ambient.aspect import Aspect, Change, State, same
from milepost.notebook.namespace import mutable, state_of

SHARED = "module "
"""How the name of an object of a module begins that values of a task hold."""

_ABSENT = object()


def find_shared(name: str) -> Any:
    """The object of a module that a restored value shares; None where there is none."""
    found = find(name.removeprefix(SHARED))
    return None if found is _ABSENT else found


def find(path: str) -> Any:
    """What is at `module:name.name` in a loaded module."""
    name, _, rest = path.partition(":")
    found: Any = sys.modules.get(name)
    for part in rest.split(".") if rest else ():
        own = isinstance(found, ModuleType)  # some have properties: `torch.backends.cudnn.benchmark`
        found = getattr(found, part, _ABSENT) if own else _own(found).get(part, _ABSENT)
    return found


def _own(owner: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(owner, "__dict__", {})
    return found


def _owner(path: str) -> tuple[Any, str]:
    """What has the attribute, loaded if need be, and the attribute's name."""
    name, _, rest = path.partition(":")
    *outer, last = rest.split(".")
    owner: Any = importlib.import_module(name)
    for part in outer:
        owner = _own(owner)[part]
    return owner, last


class _Attributes(Aspect):
    """Entries are `module:name.name`."""

    def label(self, entry: str) -> str:
        """As one writes it."""
        return f"{self.name} {entry.replace(':', '.')!r}"

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set and delete; containers stay the objects that they are, as others may hold them."""
        owners = [(*_owner(path), value) for path, value in values.items()]
        for owner, name, value in owners:
            if not _filled(_own(owner).get(name), value):
                setattr(owner, name, value)
        for path in unset:
            owner, name = _owner(path)
            if name in _own(owner):
                delattr(owner, name)


def _filled(live: Any, value: Any) -> bool:
    """Have a container hold what another does; whether that is possible."""
    if live is value or type(live) is not type(value) or not _container(live):
        return live is value
    if isinstance(live, list):
        live[:] = value
        return True
    live = live if isinstance(live, dict | set) else vars(live)
    value = value if isinstance(value, dict | set) else vars(value)
    live.clear()
    live.update(value)
    return True


def _container(value: Any) -> bool:
    """Whether all that the object is can be put into another one of its type."""
    kind = type(value)
    if kind in (list, dict, set, object):
        return True
    plain = getattr(kind, "__reduce_ex__", None) == object.__reduce_ex__ and not hasattr(kind, "__slots__")
    return plain and hasattr(value, "__dict__") and is_project(module_of(kind)) and not isinstance(value, type)


@dataclass(frozen=True, slots=True)
class Seen:
    """An attribute at one moment: the object, and what tells whether something changed in it."""

    value: Any
    state: str | bytes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Seen):
            return False
        if self.state or other.state:
            return self.state == other.state and type(self.value) is type(other.value)
        return same(self.value, other.value)

    __hash__ = None  # type: ignore[assignment]


class ProjectModules(_Attributes):
    """Modules of the project. What a task reads of them counts by content already."""

    name = "module attribute"
    counts = False

    def __init__(self, home: Mapping[str, Any]) -> None:
        self._home = home
        self._known: set[str] = set()
        self._last = (0, "")
        self._projects: list[str] = []
        self._layouts: dict[str, _Layout] = {}
        self.stored: set[str] = set()
        """Names of attributes that cells are seen to set, on whatever."""

    def _modules(self) -> Iterator[tuple[str, ModuleType]]:
        last = (len(sys.modules), next(reversed(sys.modules), ""))
        if last != self._last:  # to compare all names takes longer than all the rest
            new = sys.modules.keys() - self._known
            self._known |= new
            self._projects += sorted(name for name in new if is_project(sys.modules.get(name)))
            self._last = last
        for name in self._projects:
            if isinstance(module := sys.modules.get(name), ModuleType):
                yield name, module

    def read(self) -> State:
        """All attributes of all modules of the project, also those of their classes and functions."""
        found: dict[str, Seen] = {}
        for name, module in self._modules():
            layout = self._layout(name, module)
            found.update(layout.fixed)
            found.update({path: Seen(value, self._state(value)) for path, value in layout.moving.items()})
        return found

    def _layout(self, name: str, module: ModuleType) -> _Layout:
        """What was found out about these very objects; a module that nobody touched has none but them."""
        known = self._layouts.get(name)
        if known is None or known.key != _key(module, known.owners):
            known = self._layouts[name] = _Layout.of(name, module)
        return known

    def _state(self, value: Any) -> str | bytes:
        kind = type(value)
        if kind in (list, set) and ATOMS.issuperset(map(type, value)):
            return kind.__name__.encode() + marshal.dumps(value, 2)
        return state_of(value, self._home)

    def change(self, before: State, after: State) -> Change | None:
        """What was set, deleted, or changed in place; of a module that was loaded meanwhile, what may have been."""
        other = {path: seen for path, seen in after.items() if before.get(path) is not seen}
        values = {path: seen.value for path, seen in other.items() if self._differs(path, seen, before)}
        unset = [path for path in before if path not in after and not path.endswith(":")]
        return {"values": values, "unset": unset} if values or unset else None

    def _differs(self, path: str, seen: Seen, before: State) -> bool:
        module, _, rest = path.partition(":")
        if not rest:
            return False
        if f"{module}:" in before:
            return path not in before or before[path] != seen
        name = rest.rpartition(".")[2]
        kept = (
            isinstance(seen.value, list | dict | set) or name in stores(sys.modules.get(module)) or name in self.stored
        )
        return kept and not isinstance(seen.value, ModuleType)

    def shared(self, before: State, after: State) -> dict[str, Any]:
        """Objects of modules that a body found and left in place: what it made may hold them."""
        stayed = {path: seen.value for path, seen in after.items() if path in before and _container(seen.value)}
        return {SHARED + path: value for path, value in stayed.items() if before[path].value is value}


@dataclass(frozen=True, slots=True)
class _Layout:
    """The attributes of one module: those whose objects do not change, and those whose content may."""

    key: tuple[Any, ...]
    owners: tuple[Any, ...]
    fixed: Mapping[str, Seen]
    moving: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, module: ModuleType) -> _Layout:
        """That of a module as it is now."""
        members = {n: value for n, value in list(vars(module).items()) if not n.startswith("__")}
        own = {n: value for n, value in members.items() if _owns(value, name)}
        inside = {f"{n}.{part}": item for n, value in own.items() for part, item in _inside(value)}
        every = {f"{name}:{path}": value for path, value in {**members, **inside}.items()}
        moving = {path: value for path, value in every.items() if _moving(value)}
        fixed = {path: Seen(value, "") for path, value in every.items() if path not in moving}
        owners = tuple(own.values())
        return cls(_key(module, owners), owners, {f"{name}:": Seen(name, ""), **fixed}, moving)


def _key(module: ModuleType, owners: Iterable[Any]) -> tuple[Any, ...]:
    """What tells whether a name was bound: the objects are held, so that their identity stays theirs."""
    return tuple((tuple(own), tuple(map(id, own.values()))) for own in map(vars, (module, *owners)))


def _owns(value: Any, module: str) -> bool:
    return isinstance(value, type | FunctionType) and value.__module__ == module


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    for name, item in list(vars(value).items()):
        if not name.startswith("__") and not inspect.isdatadescriptor(item) and name != "_abc_impl":
            yield name, item


def _moving(value: Any) -> bool:
    return mutable(value) and not isinstance(value, type | FunctionType | staticmethod | classmethod)


def stores(module: ModuleType | None) -> frozenset[str]:
    """The names of globals and attributes that the functions of a module set."""
    return _stores(getattr(module, "__file__", "") or "", id(module), module) if module else frozenset()


@functools.lru_cache(maxsize=1_000)
def _stores(file: str, identity: int, module: ModuleType) -> frozenset[str]:
    codes = [code for value in vars(module).values() for code in _codes(value, module.__name__)]
    return frozenset(name for code in codes for name in _stored(code))


def _codes(value: Any, module: str) -> Iterator[CodeType]:
    if getattr(value, "__module__", None) != module:
        return
    value = getattr(value, "__func__", value)
    if isinstance(value, FunctionType):
        yield from nested(inspect.unwrap(value).__code__)
    elif isinstance(value, type):
        for item in vars(value).values():
            yield from _codes(item, module)


def _stored(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("STORE_GLOBAL", "STORE_ATTR"):
            yield str(instruction.argval)


class SetAttributes(_Attributes):
    """Attributes of installed modules and their classes that cells set: switches of libraries, patches."""

    name = "attribute"

    def __init__(self, home: Mapping[str, Any]) -> None:
        self._home = home
        self._plain: dict[str, Any] = {}
        """What they were when a cell was first seen to set them."""

    def watch(self, chains: Iterable[tuple[str, ...]], *, known: bool) -> None:
        """From now on, look at these; `known` tells whether they are still what they were by themselves."""
        for chain in chains:
            if path := self._path(chain):
                self._plain.setdefault(path, find(path) if known else _ABSENT)

    def _path(self, chain: tuple[str, ...]) -> str:
        """The entry for a chain of names, "" where it leads to no attribute of an installed module or class."""
        root, *inner, last = chain
        owner = self._home.get(root, sys.modules.get(root))
        for part in inner:
            owner = getattr(owner, part, None) if isinstance(owner, ModuleType | type) else None
        module = owner if isinstance(owner, ModuleType) else module_of(owner) if isinstance(owner, type) else None
        if module is None or module.__name__ == "__main__" or is_project(module):
            return ""
        path = (
            f"{module.__name__}:{owner.__qualname__}.{last}" if isinstance(owner, type) else f"{module.__name__}:{last}"
        )
        return "" if "<locals>" in path or sys.modules.get(module.__name__) is not module else path

    def read(self) -> State:
        """Those that are not what they were."""
        now = {path: find(path) for path in self._plain}
        return {path: value for path, value in now.items() if not same(value, self._plain[path])}

    def write(self, values: State, unset: Sequence[str]) -> None:
        """Set and delete."""
        for path in (*values, *unset):
            self._plain.setdefault(path, _ABSENT)
        super().write({path: value for path, value in values.items() if value is not _ABSENT}, unset)
        super().write({p: self._plain[p] for p in unset if self._plain[p] is not _ABSENT}, ())

    def change(self, before: State, after: State) -> Change | None:
        """What was set, and what was deleted."""
        found = super().change(before, after)
        if found is None:
            return None
        gone = [path for path, value in found["values"].items() if value is _ABSENT]
        return {
            "values": {path: value for path, value in found["values"].items() if value is not _ABSENT},
            "unset": [*found["unset"], *gone],
        }


@functools.lru_cache(maxsize=2_000)
def stored_attributes(source: str) -> tuple[tuple[str, ...], ...]:
    """The chains of names that end in an attribute which code sets or deletes: `("np", "random", "x")`."""
    if "." not in source and "setattr" not in source:
        return ()
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:
        return ()
    found = (_chain(node) for node in ast.walk(tree))
    return tuple(dict.fromkeys(chain for chain in found if chain))


def _chain(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        return _names(node)
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr")
    if named and len(node.args) > 1 and isinstance(node.args[1], ast.Constant):  # type: ignore[attr-defined]
        owner = _names(node.args[0])  # type: ignore[attr-defined]
        return (*owner, str(node.args[1].value)) if owner else ()  # type: ignore[attr-defined]
    return ()


def _names(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    inner = _names(node.value) if isinstance(node, ast.Attribute) else ()
    return (*inner, node.attr) if inner and isinstance(node, ast.Attribute) else ()
